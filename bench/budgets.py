#!/usr/bin/python3
"""The program's budgets, measured; started by budgets.sh. Everything runs on this computer: compare only within one run."""
import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

from rig import CELLS, CURRENTS, HERE, SOC, Rig, alternating, cpu_seconds, memory_kb

# Requirements per family, one row each.
# start_s: a 12th (JBD), 20th (JK) or 8th (Daly) of the time that the Python driver needs on a port it does not know: 20.6, 17.5, 22.5 s.
# line_s: transmission time of the first reading of a 16-cell board, including 20 ms latency per request.
# poll_ms: required CPU time per poll, and the goal: a 5th (JBD, Daly) or 6th (JK) of the Python driver's on a machine of this kind,
# and a 7th (JBD), 8th (JK) or 6th (Daly).
FAMILIES = {
	'jbd': {'board': 'jbd', 'start_s': 1.71, 'line_s': 0.20, 'poll_ms': (1.0, 0.71)},
	'jk': {'board': 'jk', 'start_s': 0.87, 'line_s': 0.07, 'poll_ms': (0.50, 0.38)},
	'daly': {'board': 'daly', 'start_s': 2.81, 'line_s': 0.59, 'poll_ms': (1.25, 1.05)},
}
# The shipped program, if it has been built.
STATIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../cross/out/armv7-unknown-linux-musleabihf/dbus-bms')
# Response times are measured for this long.
ANSWERS_S = 10
ANSWERS_OF = '/Soc,/Dc/0/Voltage,/Voltages/Cell7,/Info/MaxChargeVoltage'
# Numbers of batteries for which the cost of each is measured; this many can share a line.
SCALE = (1, 2, 4, 8, 15, 32)
# CPU of a reading of a single JK PB.
ONE_JK_PB_MS = 0.40
MOST_ON_A_LINE = 15


class Table:
	"""Rows of results, printed as soon as they are known."""

	def __init__(self):
		self.broken = 0
		print('| what | median (all) | must | aim | |\n|---|---|---|---|---|', flush=True)

	def row(self, what, values, unit, must=None, aim=None, digits=2):
		def shown(value):
			return '%.*f' % (digits, value)

		median = statistics.median(values)
		broken = must is not None and median > must
		self.broken += broken
		verdict = 'BROKEN' if broken else 'above aim' if aim is not None and median > aim else 'ok' if must is not None else ''
		limits = [('≤ %s' % shown(limit)) if limit is not None else '' for limit in (must, aim)]
		spread = ' (%s)' % ' / '.join(shown(value) for value in sorted(values)) if len(values) > 1 else ''
		print('| %s | **%s** %s%s | %s | %s | %s |' % (what, shown(median), unit, spread, *limits, verdict), flush=True)


def start(rig, table, name, family, options):
	"""Process start to the first state of charge on the bus."""
	bms = rig.bms(family['board'])
	cold, warm = [], []
	for _ in range(options.runs):
		rig.forget()
		for times in (cold, warm):
			listener = rig.listener()
			driver, began = rig.driver()
			times.append(listener.first_soc() - began)
			rig.stop(driver)
			listener.stop()
	rig.stop(bms)
	table.row('%s: start → first /Soc, cold' % name, cold, 's', family['start_s'])
	table.row('%s: start → first /Soc, remembered port' % name, warm, 's', None, 1.5 * family['line_s'])


def silent(rig, table, options):
	"""A silent port: from start to the exit with code 3."""
	bms = rig.bms('jbd', '--fault', 'silent-after=0')
	times = []
	for _ in range(options.runs):
		rig.forget()
		driver, began = rig.driver()
		code = driver.wait(60)
		times.append(time.monotonic() - began)
		rig.children.remove(driver)
		if code != 3:
			sys.exit('a silent port must end in exit code 3, not %s' % code)
	rig.stop(bms)
	table.row('silent port: start → exit 3', times, 's', 12.0, 8.0)


def steady(rig, table, name, family, options):
	"""CPU, signals, memory and response times while every value changes every second, then with a silent BMS."""
	bms = rig.bms(family['board'], '--cells', str(CELLS), '--scenario', rig.write('scenario.toml', alternating()))
	listener = rig.listener()
	driver, began = rig.driver()
	listener.first_soc()
	time.sleep(5)
	per_poll, per_minute, changes = [], [], []
	for _ in range(options.runs):
		from_s, from_cpu = time.monotonic(), cpu_seconds(driver.pid)
		time.sleep(options.window)
		spent, seconds = cpu_seconds(driver.pid) - from_cpu, time.monotonic() - from_s
		signals = [line for line in listener.signals() if from_s <= line['t'] < from_s + seconds]
		per_poll.append(1000 * spent / max(1, round(seconds)))
		per_minute.append(60 * len(signals) / seconds)
		changes.append(statistics.mean(len(line['values']) for line in signals))
	table.row('%s: CPU per poll, all values changing' % name, per_poll, 'ms', *family['poll_ms'], 3)
	table.row('%s: D-Bus signals per minute' % name, per_minute, '', 62, None, 1)
	table.row('%s: values that change per signal' % name, changes, '', None, None, 0)
	time.sleep(max(0.0, began + options.settle - time.monotonic()))
	table.row('%s: memory that cannot be reclaimed, one battery, after %d s' % (name, time.monotonic() - began), [memory_kb(driver.pid) / 1024], 'MB', 1.0)
	table.row('%s: D-Bus answer p95, BMS answering' % name, [answers(rig) for _ in range(options.runs)], 'ms', 2.0, 1.0)
	bms.send_signal(signal.SIGSTOP)
	time.sleep(3)
	table.row('%s: D-Bus answer p95, BMS silent' % name, [answers(rig) for _ in range(options.runs)], 'ms', 2.0, 1.0)
	for child in (driver, listener.child, bms):
		rig.stop(child)


def outputs(rig, table, options):
	"""Memory and CPU with all outputs enabled (web, MQTT and Domoticz unreachable, CAN without interface), dashboard closed and open."""
	with socket.socket() as free:
		free.bind(('127.0.0.1', 0))
		page = '127.0.0.1:%d' % free.getsockname()[1]
	with open(rig.path('dbus-bms.toml'), 'a', encoding='utf-8') as config:
		config.write('[web]\nenabled = true\nlisten = "%s"\n[mqtt]\nenabled = true\nhost = "127.0.0.1"\nport = 9\nhome_assistant = true\n'
			'[domoticz]\nurl = "http://127.0.0.1:9"\n[domoticz.idx]\nsoc_pct = 1\n[can]\ninterface = "canNONE"\n' % page)
	family = FAMILIES['jk']
	bms = rig.bms(family['board'], '--cells', str(CELLS), '--scenario', rig.write('scenario.toml', alternating()))
	listener = rig.listener()
	driver, began = rig.driver()
	listener.first_soc()
	time.sleep(max(0.0, began + options.settle - time.monotonic()))
	for name in ('closed', 'open'):
		reader = None
		if name == 'open':
			urllib.request.urlopen('http://%s/' % page).read()
			events = urllib.request.urlopen('http://%s/api/v1/events' % page)
			reader = threading.Thread(target=lambda: [None for _ in events], daemon=True)
			reader.start()
			time.sleep(5)
		per_poll = []
		for _ in range(options.runs):
			from_s, from_cpu = time.monotonic(), cpu_seconds(driver.pid)
			time.sleep(options.window)
			per_poll.append(1000 * (cpu_seconds(driver.pid) - from_cpu) / max(1, round(time.monotonic() - from_s)))
		table.row('all outputs on, page %s: CPU per poll' % name, per_poll, 'ms', None, None, 3)
		table.row('all outputs on, page %s: memory that cannot be reclaimed' % name, [memory_kb(driver.pid) / 1024], 'MB', 3.0, 2.0)
	for child in (driver, listener.child, bms):
		rig.stop(child)


def answers(rig):
	"""95th percentile of the response time to GetValue calls, ms, at every moment of a poll."""
	command = [sys.executable, os.path.join(HERE, 'answers.py'), rig.address, str(ANSWERS_S), ANSWERS_OF, rig.service]
	return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)['p95_ms']


def damaged(rig, table, name, family, options):
	"""5 % corrupted replies: no alarm, no wrong value, no long gap."""
	scenario = rig.write('scenario.toml', alternating())
	bms = rig.bms(family['board'], '--cells', str(CELLS), '--scenario', scenario, '--fault', 'corrupt=5')
	listener = rig.listener()
	driver, _ = rig.driver()
	listener.first_soc()
	time.sleep(options.damaged)
	signals = listener.signals()
	gap = max(later['t'] - earlier['t'] for earlier, later in zip(signals, signals[1:]))
	values = [(path, value) for line in signals for path, value in line['values'].items()]
	wrong = [pair for pair in values if not is_true(*pair)]
	alarms = [(path, value) for path, value in values if path.startswith('/Alarms/') and value != 0]
	what = '%s: 5 %% damaged replies for %d s' % (name, options.damaged)
	table.row(what + ': largest gap', [gap], 's', 5.0)
	table.row(what + ': wrong values of %d' % len(values), [len(wrong)], '', 0, None, 0)
	table.row(what + ': alarms', [len(alarms)], '', 0, None, 0)
	for path, value in (wrong + alarms)[:10]:
		print('  %s = %s' % (path, value), file=sys.stderr)
	if driver.poll() is not None:
		sys.exit('the driver ended with code %s' % driver.returncode)
	for child in (driver, listener.child, bms):
		rig.stop(child)


def is_true(path, value):
	"""Whether the simulated BMS ever reported this value, within its own rounding."""
	def one_of(truths, distance):
		return value is not None and any(abs(value - truth) <= distance for truth in truths)
	checks = {
		'/Soc': lambda: one_of(SOC, 0.6),
		'/Dc/0/Current': lambda: one_of(CURRENTS, 0.06),
		'/Dc/0/Voltage': lambda: value is not None and 16 * 3.25 < value < 16 * 3.40,
		'/Dc/0/Temperature': lambda: value is not None and 19.0 < value < 24.0,
		'/System/NrOfCellsPerBattery': lambda: value == CELLS,
		'/Connected': lambda: value == 1,
	}
	if path.startswith('/Voltages/Cell'):
		return value is not None and 3.25 < value < 3.40
	return checks.get(path, lambda: True)()


def many(rig, table, options):
	"""16 batteries in one process, each read once a second with every value changing: four ports with four JK PB boards each, at
	the real line speed."""
	scenario = rig.write('scenario.toml', alternating())
	addresses = '1,2,3,4'
	ports = [rig.path('ttyBENCH%d' % number) for number in range(4)]
	simulators = [rig.bms('jk-pb', '--addresses', addresses, '--scenario', scenario, port=port) for port in ports]
	names = ['com.victronenergy.battery.%s__%s' % (os.path.basename(port), address) for port in ports for address in addresses.split(',')]
	listeners = [rig.listener(name) for name in names]
	driver, _ = rig.driver('--bms', 'jk-pb', '--addresses', addresses, ports=ports)
	rig.wait(lambda: all(listener.signals() for listener in listeners), 60)
	time.sleep(5)
	per_reading, readings = [], []
	for _ in range(options.runs):
		from_s, from_cpu = time.monotonic(), cpu_seconds(driver.pid)
		time.sleep(options.window)
		spent, seconds = cpu_seconds(driver.pid) - from_cpu, time.monotonic() - from_s
		count = sum(len(listener.signals(from_s)) for listener in listeners)
		per_reading.append(1000 * spent / count)
		readings.append(60 * count / seconds / len(listeners))
	rig.service = names[0]
	table.row('16 batteries on 4 ports: readings per minute and battery', readings, '', None, None, 1)
	# No more than what one battery takes, better half of it.
	table.row('16 batteries on 4 ports: CPU per battery and reading', per_reading, 'ms', ONE_JK_PB_MS, ONE_JK_PB_MS / 2, 3)
	table.row('16 batteries on 4 ports: memory that cannot be reclaimed', [memory_kb(driver.pid) / 1024], 'MB', 3.0, 2.0)
	table.row('16 batteries on 4 ports: D-Bus answer p95', [answers(rig) for _ in range(options.runs)], 'ms', 2.0, 1.0)
	for child in (driver, *simulators, *(listener.child for listener in listeners)):
		rig.stop(child)


def chain(rig, table, options):
	"""15 JK PB boards on one line, the maximum: the time between two readings of one battery."""
	addresses = [str(address) for address in range(1, 16)]
	bms = rig.bms('jk-pb', '--addresses', ','.join(addresses), '--scenario', rig.write('scenario.toml', alternating()))
	listeners = [rig.listener('%s__%s' % (rig.service, address)) for address in addresses]
	driver, began = rig.driver('--bms', 'jk-pb')
	table.row('15 × jk-pb on one line: start → last /Soc', [max(listener.first_soc() for listener in listeners) - began], 's')
	since, from_cpu = time.monotonic(), cpu_seconds(driver.pid)
	time.sleep(max(60, options.window))
	spent, seconds = cpu_seconds(driver.pid) - from_cpu, time.monotonic() - since
	gaps = []
	for listener in listeners:
		times = [line['t'] for line in listener.signals(since)]
		gaps += [later - earlier for earlier, later in zip(times, times[1:])]
	table.row('15 × jk-pb on one line: between two readings, median', [statistics.median(gaps)], 's')
	table.row('15 × jk-pb on one line: between two readings, longest', [max(gaps)], 's', 4.0)
	table.row('15 × jk-pb on one line: CPU per minute', [60 * spent / seconds], 's', None, None, 3)
	for child in (driver, bms, *(listener.child for listener in listeners)):
		rig.stop(child)


def scale(rig, table, options):
	"""Cost of each further battery, from 1 to 32: JK masters with up to 15 batteries on a line, one process per line."""
	listener = rig.listener('*')
	for batteries in SCALE:
		lines = [min(MOST_ON_A_LINE, batteries - begun) for begun in range(0, batteries, MOST_ON_A_LINE)]
		children, drivers = [], []
		for number, count in enumerate(lines):
			addresses = ','.join(str(address) for address in range(1, count + 1))
			port = rig.path('ttySCALE%d' % number)
			children.append(rig.start([rig.simulator, 'simulate', 'jk-pb', '--link', port, '--pace', '--addresses', addresses]))
			rig.wait(lambda: os.path.exists(port))
			drivers.append(rig.start([
				rig.binary, 'run', port, '--config', rig.path('dbus-bms.toml'), '--bus', rig.address, '--addresses', addresses]))
		began = time.monotonic()
		heard = set()
		while len(heard) < batteries and time.monotonic() < began + 60:
			time.sleep(1)
			heard = {line['sender'] for line in listener.signals(began)}
		if len(heard) < batteries:
			print('%d of %d batteries were found; the others are not counted' % (len(heard), batteries), file=sys.stderr)
		time.sleep(5)
		from_s, from_cpu = time.monotonic(), sum(cpu_seconds(driver.pid) for driver in drivers)
		time.sleep(options.window)
		spent = sum(cpu_seconds(driver.pid) for driver in drivers) - from_cpu
		readings = len(listener.signals(from_s))
		what = '%d × jk-pb in %d process%s' % (len(heard), len(lines), 'es' if len(lines) > 1 else '')
		table.row(what + ': CPU per reading', [1000 * spent / readings], 'ms', ONE_JK_PB_MS, None, 3)
		table.row(what + ': memory that cannot be reclaimed per battery', [sum(memory_kb(driver.pid) for driver in drivers) / len(heard)], 'kB', None, None, 0)
		for child in (*drivers, *children):
			rig.stop(child)
		rig.forget()


def beside(table):
	"""An empty Python program with D-Bus on the same computer, for comparison."""
	times, memory = [], []
	for _ in range(3):
		began = time.monotonic()
		child = subprocess.Popen(
			[sys.executable, '-c', 'import dbus, gi; print(); input()'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
		child.stdout.readline()
		times.append(time.monotonic() - began)
		memory.append(memory_kb(child.pid) / 1024)
		child.communicate(b'\n')
	table.row('beside it: Python that imports dbus and gi, start', times, 's')
	table.row('beside it: Python that imports dbus and gi, memory that cannot be reclaimed', memory, 'MB')


def main():
	parser = argparse.ArgumentParser(description=__doc__)
	parser.add_argument('--binary', required=True)
	parser.add_argument('--families', default=','.join(FAMILIES))
	parser.add_argument('--only', default='start,silent,steady,outputs,damaged,many,chain,scale,size')
	parser.add_argument('--runs', type=int, default=3, help='repetitions of what has a median')
	parser.add_argument('--window', type=float, default=20, help='seconds in which CPU and signals are counted')
	parser.add_argument('--settle', type=float, default=60, help='seconds after which memory is looked at')
	parser.add_argument('--damaged', type=float, default=60, help='seconds of damaged replies; the budget says 600')
	options = parser.parse_args()
	wanted = options.only.split(',')
	table = Table()
	for name in options.families.split(','):
		for measure in (start, steady, damaged):
			if measure.__name__ in wanted:
				with Rig(options.binary) as rig:
					measure(rig, table, name, FAMILIES[name], options)
	for measure in (silent, outputs, many, chain, scale):
		if measure.__name__ in wanted:
			with Rig(options.binary) as rig:
				measure(rig, table, options)
	if 'size' in wanted:
		table.row('program, %s, everything in' % os.uname().machine, [os.path.getsize(options.binary) / 1e6], 'MB', None, None)
		if os.path.exists(STATIC):
			table.row('program, static armv7, everything in', [os.path.getsize(STATIC) / 1e6], 'MB', 6.0, 4.5)
		else:
			print('static armv7 program not measured: cross/build.sh builds it, and refuses one above 6 MB', file=sys.stderr)
		beside(table)
	return 1 if table.broken else 0


sys.exit(main())
