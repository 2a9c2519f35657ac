"""Environment of the measurements: a private bus, a simulated BMS on a paced line, the driver, a listener."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, '..', 'tests', 'support'))

import private_bus  # noqa: E402 (its folder was just named)
from private_bus import end  # noqa: E402

CELLS = 16
# The two states between which all values alternate every second.
CURRENTS = (21.5, -18.5)
SOC = (61.3, 61.9)
TEMPERATURES = (21.0, 21.9)
CELL_STEP = 0.012


class Rig:
	"""Processes and their folder; all are removed at the end of the context."""

	def __init__(self, binary):
		self.binary = os.path.abspath(binary)
		self.folder = tempfile.mkdtemp(prefix='dbus-bms-bench.')
		self.address = private_bus.address(self.folder)
		self.port = self.path('ttyBENCH0')
		self.service = 'com.victronenergy.battery.ttyBENCH0'
		self.children = []
		self.simulator = None

	def path(self, name):
		return os.path.join(self.folder, name)

	def __enter__(self):
		self.write('dbus-bms.toml', '[state]\nfolder = "%s"\n' % self.path('state'))
		# Separate files: processes share the pages of one file, which would halve the measured memory of the driver.
		self.simulator = shutil.copy(self.binary, self.path('simulator'))
		self.binary = shutil.copy(self.binary, self.path('dbus-bms'))
		self.start(private_bus.command(self.folder, 'session'))
		self.wait(lambda: os.path.exists(private_bus.socket(self.folder)))
		return self

	def __exit__(self, *_):
		for child in reversed(self.children):
			end(child)
		shutil.rmtree(self.folder, ignore_errors=True)

	def write(self, name, text):
		with open(self.path(name), 'w', encoding='utf-8') as file:
			file.write(text)
		return self.path(name)

	def start(self, command, stdout=subprocess.DEVNULL, environment=None):
		log = open(self.path('log'), 'ab')
		child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=log, env=environment)
		log.close()
		self.children.append(child)
		return child

	def stop(self, child):
		self.children.remove(child)
		return end(child)

	def bms(self, board, *options, port=None):
		port = port or self.port
		child = self.start([self.simulator, 'simulate', board, '--link', port, '--pace', *options])
		self.wait(lambda: os.path.exists(port))
		return child

	def driver(self, *options, ports=None):
		"""Starts the driver on one or several ports; returns it with its start time."""
		command = [self.binary, 'run', *(ports or [self.port]), '--config', self.path('dbus-bms.toml'), '--bus', self.address, *options]
		began = time.monotonic()
		return self.start(command), began

	def listener(self, service=None):
		return Listener(self, service or self.service)

	def forget(self):
		"""Removes all state of the driver."""
		shutil.rmtree(self.path('state'), ignore_errors=True)

	def wait(self, condition, seconds=20):
		end_at = time.monotonic() + seconds
		while not condition():
			if time.monotonic() > end_at:
				with open(self.path('log'), encoding='utf-8') as log:
					sys.exit('this took longer than %d s; the programs said:\n%s' % (seconds, log.read()))
			time.sleep(0.01)


class Listener:
	"""Collects the output of listen.py."""

	def __init__(self, rig, service):
		self.rig, self.lines = rig, []
		self.child = rig.start([sys.executable, os.path.join(HERE, 'listen.py'), rig.address, service], subprocess.PIPE)
		threading.Thread(target=self.collect, daemon=True).start()
		rig.wait(lambda: self.lines)

	def collect(self):
		for line in self.child.stdout:
			self.lines.append(json.loads(line))

	def first_soc(self):
		"""Time of the first valid state of charge on the bus."""
		def valid(line):
			return line.get('soc') is not None or line.get('values', {}).get('/Soc') is not None
		self.rig.wait(lambda: any(valid(line) for line in self.lines))
		return next(line['t'] for line in self.lines if valid(line))

	def signals(self, since=0.0):
		return [line for line in self.lines if 'signal' in line and line['t'] >= since]

	def stop(self):
		self.rig.stop(self.child)


def alternating():
	"""A scenario in which every measured value changes every second."""
	lines = ['repeat_s = 2']
	for second in (0, 1):
		lines.append('[[step]]\nt = %d\ncurrent_a = %s\nsoc_pct = %s\ntemperature_c = %s' % (
			second, CURRENTS[second], SOC[second], TEMPERATURES[second]))
		for cell in range(1, CELLS + 1):
			lines.append('[[step]]\nt = %d\ncell = %d\noffset_v = %s' % (second, cell, CELL_STEP if (cell + second) % 2 else 0.0))
	return '\n'.join(lines) + '\n'


def cpu_seconds(pid):
	"""CPU time of all threads of a process so far."""
	total = 0
	for thread in os.listdir('/proc/%d/task' % pid):
		with open('/proc/%d/task/%s/schedstat' % (pid, thread), encoding='ascii') as file:
			total += int(file.read().split()[0])
	return total / 1e9


def memory_kb(pid):
	"""Memory of a process that the kernel cannot reclaim."""
	with open('/proc/%d/smaps_rollup' % pid, encoding='ascii') as file:
		return next(int(line.split()[1]) for line in file if line.startswith('Anonymous:'))
