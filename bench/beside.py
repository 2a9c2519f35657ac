#!/usr/bin/python3
"""This driver and the Python driver (dbus-serialbattery) side by side: start, CPU, memory, signals and answers on D-Bus, as ratios.

Both run at the same time on one private bus with Victron's localsettings, each on its own simulated board at the real line speed; every
value changes every second. Neither is told the family. Started by beside.sh; the two Python programs are not part of this project:

  --python-driver DIR   the folder `dbus-serialbattery` of a checkout of it, `ext/velib_python` included
  --localsettings DIR   a checkout of victronenergy/localsettings, `ext/velib_python` included
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import dbus
import dbus.bus

from rig import CELLS, HERE, Rig, alternating, cpu_seconds, memory_kb
from private_bus import ITEM

THEIR_SERVICE = 'com.victronenergy.battery.ttyPY0'
ANSWERS_OF = '/Soc,/Dc/0/Voltage,/Voltages/Sum,/Info/MaxChargeVoltage'
# The contract's smallest ratios of a family: start, CPU.
MUST = {'jk': (20, 5), 'jbd': (12, 6), 'daly': (8, 5)}
MEMORY_MUST = ANSWERS_MUST = 20


class Pair:
	"""Both drivers on their boards."""

	def __init__(self, rig, family, options):
		self.rig, self.options = rig, options
		os.environ['DBUS_SESSION_BUS_ADDRESS'] = os.environ['DBUS_SYSTEM_BUS_ADDRESS'] = rig.address
		self.bus = dbus.bus.BusConnection(rig.address)
		self.python_port = rig.path('ttyPY0')
		os.makedirs(rig.path('settings'))
		rig.start([options.python, os.path.join(options.localsettings, 'localsettings.py'), '--path', rig.path('settings')])
		rig.wait(lambda: self.bus.name_has_owner('com.victronenergy.settings'), 60)
		scenario = rig.write('scenario.toml', alternating())
		self.boards = [rig.bms(family, '--cells', str(CELLS), '--scenario', scenario, port=port) for port in (rig.port, self.python_port)]
		self.ours = self.theirs = None

	def start_ours(self):
		self.rig.forget()
		listener = self.rig.listener()
		self.ours, began = self.rig.driver()
		took = listener.first_soc() - began
		listener.stop()
		return took

	def start_theirs(self):
		# A fresh copy: it keeps what it found beside its code.
		folder = self.rig.path('python')
		shutil.copytree(self.options.python_driver, folder, symlinks=True)
		with open(os.path.join(folder, 'config.ini'), 'w', encoding='utf-8') as config:
			config.write('[DEFAULT]\n')
		began = time.monotonic()
		self.theirs = self.rig.start([self.options.python, '-B', os.path.join(folder, 'dbus-serialbattery.py'), self.python_port])
		self.rig.wait(self.their_soc, 120)
		return time.monotonic() - began

	def their_soc(self):
		"""Whether its state of charge is on the bus and valid."""
		time.sleep(0.02)
		try:
			return not isinstance(self.bus.call_blocking(THEIR_SERVICE, '/Soc', ITEM, 'GetValue', '', [], timeout=5), dbus.Array)
		except dbus.DBusException:
			return False

	def steady(self):
		"""CPU per second, memory in kB, signals per minute, each of (ours, theirs)."""
		drivers = (self.ours, self.theirs)
		listeners = [self.rig.listener(name) for name in (self.rig.service, THEIR_SERVICE)]
		time.sleep(self.options.settle)
		began, spent = time.monotonic(), [cpu_seconds(driver.pid) for driver in drivers]
		time.sleep(self.options.window)
		seconds = time.monotonic() - began
		cpu = [(cpu_seconds(driver.pid) - before) / seconds for driver, before in zip(drivers, spent)]
		signals = [60 * len(listener.signals(began)) / seconds for listener in listeners]
		for listener in listeners:
			listener.stop()
		return cpu, [memory_kb(driver.pid) for driver in drivers], signals

	def answers(self):
		"""95th percentile of the response time, ms, of (ours, theirs, the bus itself)."""
		names = (self.rig.service, THEIR_SERVICE, 'org.freedesktop.DBus')
		command = [sys.executable, os.path.join(HERE, 'answers.py'), self.rig.address, str(self.options.window), ANSWERS_OF, *names]
		lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
		return [json.loads(line)['p95_ms'] for line in lines]


def row(what, unit, ours, theirs, must=None, digits=2):
	"""Prints a line of the table; returns whether the required ratio is kept."""
	ratio = theirs / ours if ours else 0
	kept = must is None or ratio >= must
	print('| %s | %.*f %s | %.*f %s | %.1f | %s | %s |' % (
		what, digits, ours, unit, digits, theirs, unit, ratio, '≥ %d' % must if must else '', 'ok' if kept else 'BROKEN'), flush=True)
	return kept


def compare(family, options):
	with Rig(options.binary) as rig:
		pair = Pair(rig, family, options)
		starts = []
		for _ in range(options.runs):
			if pair.ours:
				rig.stop(pair.ours)
			starts.append(pair.start_ours())
		kept = [row('%s: start → first /Soc, cold' % family, 's', statistics.median(starts), pair.start_theirs(), MUST[family][0])]
		cpu, memory, signals = pair.steady()
		kept.append(row('%s: CPU per second, one reading each' % family, 'ms', 1000 * cpu[0], 1000 * cpu[1], MUST[family][1]))
		kept.append(row('%s: memory that cannot be reclaimed' % family, 'MB', memory[0] / 1024, memory[1] / 1024, MEMORY_MUST))
		row('%s: D-Bus signals per minute' % family, '', *signals, digits=0)
		ours, theirs, bus = pair.answers()
		kept.append(row('%s: D-Bus answer p95 (the bus itself %.2f ms)' % (family, bus), 'ms', ours, theirs, ANSWERS_MUST))
		return all(kept)


def main():
	parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	parser.add_argument('--binary', required=True)
	parser.add_argument('--python-driver', required=True, metavar='DIR')
	parser.add_argument('--localsettings', required=True, metavar='DIR')
	parser.add_argument('--python', default=sys.executable, help='interpreter that has the modules of the two Python programs')
	parser.add_argument('--families', default=','.join(MUST))
	parser.add_argument('--runs', type=int, default=3, help='starts of this driver; the other starts once')
	parser.add_argument('--window', type=float, default=30, help='seconds in which CPU, signals and answers are measured')
	parser.add_argument('--settle', type=float, default=30, help='seconds between the start and that')
	options = parser.parse_args()
	print('| what | ours | Python | ratio | must | |\n|---|--:|--:|--:|--:|---|', flush=True)
	kept = [compare(family, options) for family in options.families.split(',')]
	sys.exit(0 if all(kept) else 1)


main()
