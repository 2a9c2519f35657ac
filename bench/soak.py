#!/usr/bin/python3
"""The program over hours on a faulty line; started by soak.sh.

A simulated BMS loses, corrupts, delays and duplicates replies, sends nonsense with a valid checksum and noise; its port
disappears and returns; the D-Bus daemon ends and restarts. The process is measured every ten seconds. The beginning (after a
settling time) is compared with the end: no resource may have grown.

A reading every 0.2 s, the minimum of the configuration, gives five times the usual number of readings; events per hour (state
files, silence, restarts of the bus) are not accelerated by it. --speed 16 accelerates everything: for the driver and the simulated
BMS sixteen hours pass in one (accelerated_time.c), and their wall clock jumps every half an hour. All times below and in the table
are those of the driver.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

import dbus
import dbus.bus

from rig import Rig, cpu_seconds

FAULTS = 'drop=2,corrupt=3,duplicate=2,nonsense=1,late=300@2,noise'
SAMPLE_S = 10
DAY_S = 86400
# Duration and period of the port's absence; likewise for the bus. Neither period is a multiple of the other.
PORT_EVERY_S, PORT_GONE_S = 170, 25
BUS_EVERY_S, BUS_GONE_S = 430, 15
# With --speed: seconds by which the wall clock is wrong, one after the other; a GX without network starts in the past.
JUMP_EVERY_S = 1700
JUMPS_S = (3600, -7200, 90, -30, 86400, 0, -200000, 40, 0)
# Tolerated growth from the first fifth to the last: a step of the allocator, a tick of the clock.
MEMORY_KB, MEMORY_SHARE = 64, 0.03
CPU_SHARE = 0.25


def memory(pid):
	"""Resident memory, and what of it cannot be reclaimed, in kB. The rest is what has been mapped of the program's file."""
	with open('/proc/%d/smaps_rollup' % pid, encoding='ascii') as file:
		facts = {line.split(':')[0]: int(line.split()[1]) for line in file if line.endswith('kB\n')}
	return facts['Rss'], facts['Anonymous']


def owner(bus, name):
	return bus.call_blocking('org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'GetConnectionUnixProcessID', 's', [name])


def connections(address, pid):
	"""Number of connections of the process to the bus, and whether its service is present; None without a bus."""
	try:
		bus = dbus.bus.BusConnection(address)
	except dbus.DBusException:
		return None
	try:
		names = [str(name) for name in bus.list_names()]
		own = sum(owner(bus, name) == pid for name in names if name.startswith(':'))
		return own, any(name.startswith('com.victronenergy.battery.') for name in names)
	except dbus.DBusException:
		return None
	finally:
		bus.close()


class Writes:
	"""Counts files in a folder that were replaced or changed, and their bytes, checked every second; those of the flight recorder apart."""

	def __init__(self, folder):
		self.folder, self.seen, self.count, self.bytes = folder, {}, 0, 0
		self.flights, self.flight_bytes = {}, 0

	def look(self):
		for name, stat in self.files(self.folder):
			mark = (stat.st_ino, stat.st_mtime_ns)
			if self.seen.get(name) != mark:
				self.count += 1
				self.bytes += stat.st_size
			self.seen[name] = mark
		for name, stat in self.files(os.path.join(self.folder, 'flight-recorder')):
			if name not in self.flights:
				self.flight_bytes += stat.st_size
			self.flights[name] = stat.st_size

	@staticmethod
	def files(folder):
		try:
			entries = [entry for entry in os.scandir(folder) if entry.is_file()]
		except FileNotFoundError:
			return
		for entry in entries:
			try:
				yield entry.name, entry.stat()
			except FileNotFoundError:
				continue


class Disturbance:
	"""Something that disappears and returns periodically."""

	def __init__(self, every, gone, leave, come):
		self.every, self.gone, self.leave, self.come = every, gone, leave, come
		self.next, self.away, self.times = every, False, 0

	def look(self, now):
		if now < self.next:
			return
		if self.away:
			self.come()
			self.next += self.every
		else:
			self.leave()
			self.times += 1
			self.next += self.gone
		self.away = not self.away


class Time:
	"""The time of the driver, in seconds since the start, and what makes it pass faster."""

	def __init__(self, rig, speed):
		self.speed, self.began, self.jumps, self.next, self.file = speed, time.monotonic_ns(), 0, JUMP_EVERY_S, rig.path('jump')
		self.environment = None
		if speed > 1:
			library = rig.path('accelerated_time.so')
			source = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'accelerated_time.c')
			subprocess.run(['cc', '-O2', '-shared', '-fPIC', '-o', library, source, '-ldl'], check=True)
			self.environment = dict(
				os.environ, LD_PRELOAD=library, TIME_SPEED=str(speed), TIME_ORIGIN=str(self.began), TIME_JUMP=self.file)

	def now(self):
		return (time.monotonic_ns() - self.began) / 1e9 * self.speed

	def wait(self):
		time.sleep(max(0.1, 1 / self.speed))

	def look(self):
		"""Sets the wall clock when it is time for it."""
		if self.speed == 1 or self.now() < self.next:
			return
		with open(self.file + '.new', 'w', encoding='ascii') as file:
			file.write(str(JUMPS_S[self.jumps % len(JUMPS_S)]))
		os.replace(self.file + '.new', self.file)
		self.jumps += 1
		self.next += JUMP_EVERY_S


def soak(rig, options):
	passed = Time(rig, options.speed)
	config = rig.write('dbus-bms.toml', 'poll_interval_s = %s\n[state]\nfolder = "%s"\n' % (options.interval, rig.path('state')))
	children = {}

	def bms():
		if os.path.lexists(rig.port):
			os.unlink(rig.port)
		children['bms'] = rig.start([
			rig.simulator, 'simulate', options.board, '--link', rig.port, '--fault', options.fault, '--seed', str(len(samples) + 1)],
			environment=passed.environment)

	def daemon():
		if os.path.exists(rig.path('bus')):
			os.unlink(rig.path('bus'))
		children['bus'] = rig.start(['dbus-daemon', '--config-file=' + rig.path('bus.conf'), '--nofork', '--nopidfile'])

	samples = []
	children['bus'] = rig.children[0]
	bms()
	rig.wait(lambda: os.path.exists(rig.port))
	driver = rig.start([rig.binary, 'run', rig.port, '--config', config, '--bus', rig.address, '--no-dbus'], environment=passed.environment)
	writes = Writes(rig.path('state'))
	port = Disturbance(PORT_EVERY_S, PORT_GONE_S, lambda: rig.stop(children['bms']), bms)
	bus = Disturbance(BUS_EVERY_S, BUS_GONE_S, lambda: rig.stop(children['bus']), daemon)
	sample = SAMPLE_S * options.speed
	end, due, cpu = options.hours * 3600, passed.now() + sample, cpu_seconds(driver.pid)
	while passed.now() < end:
		passed.wait()
		passed.look()
		port.look(passed.now())
		bus.look(passed.now())
		writes.look()
		if driver.poll() is not None:
			with open(rig.path('log'), encoding='utf-8') as log:
				sys.exit('the driver ended with code %s; it said:\n%s' % (driver.returncode, ''.join(log.readlines()[-20:])))
		if passed.now() < due:
			continue
		due += sample
		spent, cpu = cpu_seconds(driver.pid) - cpu, cpu_seconds(driver.pid)
		resident, own = memory(driver.pid)
		on_bus = connections(rig.address, driver.pid)
		samples.append({
			't': passed.now(), 'resident': resident, 'own': own, 'cpu': spent,
			'fds': len(os.listdir('/proc/%d/fd' % driver.pid)), 'threads': len(os.listdir('/proc/%d/task' % driver.pid)),
			'connections': on_bus[0] if on_bus else None, 'served': bool(on_bus and on_bus[1]), 'writes': writes.count,
			'disturbed': port.away or bus.away})
		if options.samples:
			with open(options.samples, 'a', encoding='utf-8') as file:
				file.write('\t'.join(str(value) for value in samples[-1].values()) + '\n')
	code = rig.stop(driver)
	writes.look()
	with open(rig.path('log'), encoding='utf-8') as log:
		lines = sum(1 for _ in log)
	return samples, {'port': port.times, 'bus': bus.times, 'jumps': passed.jumps, 'writes': writes.count, 'files': len(writes.seen), 'code': code, 'lines': lines,
		'bytes': writes.bytes, 'flights': len(writes.flights), 'flight_bytes': writes.flight_bytes}


def report(samples, facts, options):
	"""Prints the table; returns the number of resources that have grown."""
	# The charts of a day are filled after one: the second day shows whether anything else grows.
	settled = [sample for sample in samples if sample['t'] > DAY_S] if options.hours >= 36 else samples[min(6, len(samples) // 10):]
	fifth = max(3, len(settled) // 5)
	first, last = settled[:fifth], settled[-fifth:]
	calm = lambda part: [sample for sample in part if not sample['disturbed']] or part
	broken = 0

	def row(what, values, unit, may, digits=0):
		nonlocal broken
		before, after = values
		grown = after > before + may
		broken += grown
		print('| %s | %.*f %s | %.*f %s | + %.*f | %s |' % (
			what, digits, before, unit, digits, after, unit, digits, may, 'GROWN' if grown else 'ok'), flush=True)

	def both(key, pick):
		return [pick([sample[key] for sample in calm(part) if sample[key] is not None]) for part in (first, last)]

	print('| what | first fifth | last fifth | may grow by | |\n|---|---|---|---|---|')
	for key, what in (('resident', 'resident memory'), ('own', 'of it not reclaimable')):
		values = both(key, statistics.median)
		row(what, values, 'kB', MEMORY_KB + MEMORY_SHARE * values[0])
	row('descriptors (most)', both('fds', max), '', 0)
	row('threads (most)', both('threads', max), '', 0)
	row('D-Bus connections (most)', both('connections', max), '', 0)
	cpu = both('cpu', statistics.median)
	row('CPU per %d s' % (SAMPLE_S * options.speed), [1000 * value for value in cpu], 'ms', 1000 * cpu[0] * CPU_SHARE, 1)
	# Contract: at most one write per file and ten minutes; plus the writes at the end of the port or of the program.
	hours = samples[-1]['t'] / 3600
	most = facts['files'] * (1 + hours * 6) + 2 * facts['files'] * (facts['port'] + 1)
	broken += facts['writes'] > most
	print('| writes to %d state files in all | | %d | %.0f | %s |' % (
		facts['files'], facts['writes'], most, 'MORE' if facts['writes'] > most else 'ok'))
	# Documented bounds of the flight recorder: 6 files a day and port, each at most 1 MB. A run begins and ends within a day, and a jump
	# of the clock can begin another.
	days = 2 + int(hours / 24) + sum(abs(JUMPS_S[number % len(JUMPS_S)]) * 2 > DAY_S for number in range(facts['jumps']))
	broken += facts['flights'] > 6 * days
	print('| files of the flight recorder | | %d | %d | %s |' % (facts['flights'], 6 * days, 'MORE' if facts['flights'] > 6 * days else 'ok'))
	print('| bytes in state files / in those of the flight recorder | | %d / %d kB | | |' % (
		facts['bytes'] // 1024, facts['flight_bytes'] // 1024))
	served = statistics.mean(sample['served'] for sample in calm(settled))
	broken += served < 0.9
	print('| on the bus, of the looks while port and bus were there | | %.0f %% | at least 90 | %s |' % (100 * served, 'ok' if served >= 0.9 else 'LESS'))
	broken += facts['code'] != 0
	print('| exit code after SIGTERM | | %d | 0 | %s |' % (facts['code'], 'ok' if facts['code'] == 0 else 'WRONG'))
	print('\n%.2f hours, %s every %s s with %s; the port vanished %d times for %d s, the bus %d times for %d s; the clock jumped %d times; '
		'%d lines in the log.' % (hours, options.board, options.interval, options.fault, facts['port'], PORT_GONE_S, facts['bus'], BUS_GONE_S,
		facts['jumps'], facts['lines']))
	return broken


def main():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument('hours', type=float, nargs='?', default=8)
	parser.add_argument('--binary', required=True)
	parser.add_argument('--board', default='jk')
	parser.add_argument('--interval', type=float, default=0.2, help='seconds from reading to reading')
	parser.add_argument('--fault', default=FAULTS)
	parser.add_argument('--speed', type=int, default=1, help='times as fast; needs a program for it, which soak.sh builds')
	parser.add_argument('--samples', help='file for every look')
	options = parser.parse_args()
	with Rig(options.binary) as rig:
		samples, facts = soak(rig, options)
	return 1 if report(samples, facts, options) else 0


sys.exit(main())
