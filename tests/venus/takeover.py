#!/usr/bin/python3
"""Takes over the entries of dbus-serialbattery in Victron's own settings service, and gives them back; started by check.sh."""
import argparse
import re
import subprocess
import sys
import time

import dbus

from checks import Checks, near
from rig import BATTERY, SETTINGS, Rig

DEVICES = '/Settings/Devices/'
# The simulated JBD board as named by that driver: firmware 2.3, 280 Ah.
MINE, OTHER = 'serialbattery_23_280_0AH', 'serialbattery_HOUSE_JK_B2A20S20P'
HISTORY = ('{"clear": 0, "deepest_discharge": 120.5, "last_discharge": 7.5, "total_ah_drawn": 9000.25, "timestamp_last_full_charge": '
	'1779000000, "minimum_voltage": 40.25, "maximum_voltage": 57.5, "discharged_energy": 460.5, "charged_energy": 481.25}')


class Quiet(Rig):
	"""The settings service and a BMS only."""

	def start_system(self, python):
		pass

	def add(self, group, identifier, instance, name):
		"""As that driver does: AddSettings with its initial values, then the changes."""
		silent = ('SocCalc', 'HistoryValues')
		values = {
			'AllowMaxVoltage': 1, 'ClassAndVrmInstance': 'battery:%d' % instance, 'CustomName': '', 'LastSeen': int(time.time()) - 60,
			'MaxVoltageStartTime': '', 'SocCalc': '', 'SocResetLastReached': 0, 'HistoryValues': '', 'UniqueIdentifier': identifier,
		}
		wishes = [dbus.Dictionary({
			'path': dbus.String(DEVICES + group + '/' + key),
			'default': dbus.String(value) if isinstance(value, str) else dbus.Int32(value),
			'min': dbus.Int32(0), 'max': dbus.Int32(0), 'silent': dbus.Int32(int(key in silent)),
		}, signature='sv') for key, value in values.items()]
		self.bus.call_blocking(SETTINGS, '/', 'com.victronenergy.Settings', 'AddSettings', 'aa{sv}', [wishes])
		for key, value in (('CustomName', name), ('HistoryValues', HISTORY), ('LastSeen', int(time.time()))):
			self.set(SETTINGS, DEVICES + group + '/' + key, value)

	def xml(self):
		with open(self.path('conf', 'settings.xml'), encoding='utf-8') as file:
			return file.read()

	def kept(self):
		"""The bytes of the old entries in the file, once it has been written."""
		time.sleep(0.5)
		return re.findall(r'\n    <(serialbattery_\w+)>(.*?)</\1>', self.xml(), re.S)

	def show(self, what):
		print('--- ' + what)
		for group, _ in self.kept():
			print('  %s  %s' % (group, self.get(SETTINGS, DEVICES + group + '/ClassAndVrmInstance')))
		ours = self.get(SETTINGS, DEVICES + 'jbd_ttyVENUS0/ClassAndVrmInstance')
		print('  jbd_ttyVENUS0  %s' % ours)

	def undo(self):
		command = [self.options.binary, 'config', 'migrate', '--undo', '--bus', self.address, '--config', self.path('dbus-bms.toml')]
		return subprocess.run(command, capture_output=True, text=True, check=False)


def takes_over(checks, rig):
	rig.add(MINE, '23_280_0Ah', 3, 'Keller')
	rig.add(OTHER, 'HOUSE_JK_B2A20S20P', 1, 'Haus')
	before = rig.kept()
	rig.show('as dbus-serialbattery left it')
	checks.that('two entries are in the file', len(before) == 2)
	rig.start_driver()
	checks.path('the instance is the old one', BATTERY, '/DeviceInstance', 3)
	checks.path('the name is the old one', BATTERY, '/CustomName', 'Keller')
	for path, value in (('DeepestDischarge', -120.5), ('TotalAhDrawn', -9000.25), ('MinimumVoltage', 40.25), ('MaximumVoltage', 57.5),
			('DischargedEnergy', 460.5), ('ChargedEnergy', 481.25)):
		checks.path('the counters go on: ' + path, BATTERY, '/History/' + path, near(value, 0.5))
	checks.path('our entry has the instance', SETTINGS, DEVICES + 'jbd_ttyVENUS0/ClassAndVrmInstance', 'battery:3')
	checks.path('the old one is put aside', SETTINGS, DEVICES + MINE + '/ClassAndVrmInstance', 'serialbattery:3')
	checks.path('the other one is not', SETTINGS, DEVICES + OTHER + '/ClassAndVrmInstance', 'battery:1')
	rig.show('while this driver serves it')
	print('\n'.join('  | ' + line for line in rig.log('driver').splitlines() if 'serialbattery' in line or 'DeviceInstance' in line))
	rig.stop('driver')
	return before


def gives_back(checks, rig, before):
	done = rig.undo()
	print('  | ' + (done.stdout + done.stderr).strip())
	checks.that('all is given back', done.returncode == 0)
	rig.show('given back')
	checks.that('the old entries are as before, byte for byte', rig.kept() == before)
	checks.path('ours has no instance any more', SETTINGS, DEVICES + 'jbd_ttyVENUS0/ClassAndVrmInstance', None)


def comes_again(checks, rig):
	rig.start_driver()
	checks.path('installed once more it takes over again', BATTERY, '/DeviceInstance', 3)
	rig.stop('driver')


def restores(checks, rig, before):
	paths = [DEVICES + MINE + '/' + name for name in re.findall(r'<(\w+) ', dict(before)[MINE])]
	rig.bus.call_blocking(SETTINGS, '/', 'com.victronenergy.Settings', 'RemoveSettings', 'as', [paths])
	checks.that('dbus-serialbattery has deleted the entry', [group for group, _ in rig.kept()] == [OTHER])
	checks.that('it is made anew', rig.undo().returncode == 0)
	checks.that('as before, byte for byte', rig.kept() == before)


def main():
	parser = argparse.ArgumentParser(description=__doc__)
	for name in ('binary', 'settings', 'systemcalc', 'run'):
		parser.add_argument('--' + name, required=True)
	options = parser.parse_args()
	options.python, options.preset = sys.executable, 'strict'
	with Quiet(options) as rig:
		checks = Checks(rig, 5)
		before = takes_over(checks, rig)
		gives_back(checks, rig, before)
		comes_again(checks, rig)
		restores(checks, rig, before)
		if checks.failed:
			print('\nthe driver said:\n' + rig.log('driver'))
	print('all well' if not checks.failed else '%d checks failed' % checks.failed)
	return 1 if checks.failed else 0


sys.exit(main())
