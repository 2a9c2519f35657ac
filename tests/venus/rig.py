"""Venus OS, made of Victron's own programs on a private bus, and a simulated BMS, for check.py."""
import os
import signal
import subprocess
import sys
import time

import dbus
import dbus.bus

SETTINGS = 'com.victronenergy.settings'
SYSTEM = 'com.victronenergy.system'
BATTERY = 'com.victronenergy.battery.ttyVENUS0'
SOLAR = 'com.victronenergy.solarcharger.fake'
VEBUS = 'com.victronenergy.vebus.fake'
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, '..', 'support'))

import private_bus  # noqa: E402 (its folder was just named)
from private_bus import ITEM, end  # noqa: E402


class Rig:
	"""All processes; they end with the context."""

	def __init__(self, options):
		self.options = options
		self.address = private_bus.address(options.run)
		self.children = {}
		self.bus = None

	def path(self, *parts):
		return os.path.join(self.options.run, *parts)

	def __enter__(self):
		for folder in ('conf', 'log', 'state'):
			os.makedirs(self.path(folder))
		with open(self.path('dbus-bms.toml'), 'w', encoding='utf-8') as file:
			file.write(self.config())
		try:
			self.start_venus()
		except BaseException:
			self.__exit__()
			raise
		return self

	def __exit__(self, *_):
		for name in reversed(list(self.children)):
			self.stop(name)

	def config(self):
		return '[state]\nfolder = "%s"\n[silence]\npreset = "%s"\n' % (self.path('state'), self.options.preset)

	def simulators(self):
		"""Name and arguments of each simulated BMS; the link follows --link."""
		return {'bms': ['simulate', 'jbd', '--link', self.path('ttyVENUS0'), '--pace']}

	def start_venus(self):
		self.start('bus', private_bus.command(self.options.run, 'system'))
		self.wait(lambda: os.path.exists(private_bus.socket(self.options.run)), 'the bus', 5)
		self.bus = dbus.bus.BusConnection(self.address)
		python = [self.options.python, '-u']
		self.start('settings', python + ['localsettings.py', '--no-delay', '--path', self.path('conf')], self.options.settings)
		self.wait(lambda: self.bus.name_has_owner(SETTINGS), SETTINGS, 20)
		self.start_system(python)
		for name, arguments in self.simulators().items():
			self.start(name, [self.options.binary] + arguments)
			link = arguments[arguments.index('--link') + 1]
			self.wait(lambda: os.path.exists(link), 'the simulated BMS', 5)

	def start_system(self, python):
		self.start('system', python + ['dbus_systemcalc.py'], self.options.systemcalc)
		self.wait(lambda: self.bus.name_has_owner(SYSTEM), SYSTEM, 30)
		for kind in ('solarcharger', 'vebus'):
			self.start(kind, python + [os.path.join(HERE, 'chargers.py'), kind])
		self.wait(lambda: self.bus.name_has_owner(SOLAR) and self.bus.name_has_owner(VEBUS), 'the chargers', 10)

	def start_driver(self):
		command = [self.options.binary, 'run', self.path('ttyVENUS0'), '--config', self.path('dbus-bms.toml')]
		self.start('driver', command)
		self.wait(lambda: self.bus.name_has_owner(BATTERY), BATTERY, 10)

	def start(self, name, command, folder=None):
		# As on a GX: a system bus and no session bus. systemcalc names the device by a network interface.
		environment = {key: value for key, value in os.environ.items() if key != 'DBUS_SESSION_BUS_ADDRESS'}
		interfaces = sorted(set(os.listdir('/sys/class/net')) - {'lo'}) + ['lo']
		environment.update(DBUS_SYSTEM_BUS_ADDRESS=self.address, VRM_IFACE=environment.get('VRM_IFACE', interfaces[0]))
		if folder:
			environment['PYTHONPATH'] = os.path.join(folder, 'ext', 'velib_python')
		with open(self.path('log', name), 'a', encoding='utf-8') as log:
			child = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
		self.children[name] = child

	def stop(self, name):
		"""Ends a program with SIGTERM; returns its exit code."""
		return end(self.children.pop(name))

	def cut_line(self):
		"""The BMS becomes silent; its port stays."""
		self.children['bms'].send_signal(signal.SIGSTOP)

	def mend_line(self):
		self.children['bms'].send_signal(signal.SIGCONT)

	def log(self, name):
		with open(self.path('log', name), encoding='utf-8') as file:
			return file.read()

	def wait(self, condition, what, seconds):
		end = time.monotonic() + seconds
		while not condition():
			dead = [name for name, child in self.children.items() if child.poll() is not None]
			if dead:
				raise RuntimeError('%s ended by itself:\n%s' % (dead[0], self.log(dead[0])))
			if time.monotonic() > end:
				raise RuntimeError('%s did not come within %s s' % (what, seconds))
			time.sleep(0.05)

	def get(self, service, path):
		"""A value; None if it is invalid or the service is absent."""
		try:
			value = self.bus.call_blocking(service, path, ITEM, 'GetValue', '', [], timeout=5)
		except dbus.DBusException:
			return None
		if isinstance(value, dbus.Array) and not value:
			return None
		if isinstance(value, dbus.Double):
			return float(value)
		return str(value) if isinstance(value, str) else int(value)

	def set(self, service, path, value):
		kind = dbus.String if isinstance(value, str) else dbus.Int32
		return int(self.bus.call_blocking(service, path, ITEM, 'SetValue', 'v', [kind(value, variant_level=1)], timeout=5))
