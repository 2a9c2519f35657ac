#!/usr/bin/python3
"""Victron's system calculator with three batteries and their bank, and with their loss or restart; started by check.sh --bank."""
import argparse
import csv
import os
import signal
import sys
import threading
import time

import dbus.bus

from checks import Checks, near
from rig import ITEM, SETTINGS, SOLAR, SYSTEM, VEBUS, Rig

BANK = 'com.victronenergy.battery.bank'
MEMBERS = ['com.victronenergy.battery.ttyVENUS%d' % number for number in range(3)]
LIMITS = ('MaxChargeVoltage', 'MaxChargeCurrent', 'MaxDischargeCurrent')
# systemcalc works in steps of 3 s, and the bank publishes once a second.
LAG = 5.0
CONFIG = '''member_of_bank = true
max_charge_current_a = 40.0
max_discharge_current_a = 50.0
[state]
folder = "%s"
[silence]
preset = "strict"
'''


class BankRig(Rig):
	"""Three simulated batteries, each with its driver, and the bank."""

	def simulators(self):
		return {'bms%d' % n: ['simulate', 'jbd', '--link', self.path('ttyVENUS%d' % n), '--seed', str(n + 1)] for n in range(3)}

	def config(self):
		return CONFIG % self.path('state')

	def begin_driver(self, number):
		command = ['run', self.path('ttyVENUS%d' % number), '--bms', 'jbd', '--config', self.path('dbus-bms.toml')]
		self.start('driver%d' % number, [self.options.binary] + command)

	def start_driver(self, number):
		self.begin_driver(number)
		self.wait(lambda: self.bus.name_has_owner(MEMBERS[number]), MEMBERS[number], 10)

	def start_bank(self):
		self.start('bank', [self.options.binary, 'bank', '--config', self.path('dbus-bms.toml')])

	def restart(self, *names):
		"""All of them at once, as `svc -t` does."""
		for name in names:
			self.children[name].terminate()
		for name in names:
			self.children.pop(name).wait()
		for name in names:
			if name == 'bank':
				self.start_bank()
			else:
				self.begin_driver(int(name[-1]))

	def kill(self, name):
		child = self.children.pop(name)
		child.kill()
		child.wait()


class Recorder(threading.Thread):
	"""Records five times a second all limits and the resulting ones of Venus OS."""

	def __init__(self, address):
		super().__init__(daemon=True)
		self.bus = dbus.bus.BusConnection(address)
		self.rows, self.marks, self.begin, self.running = [], [], time.monotonic(), True

	def items(self, service):
		try:
			items = self.bus.call_blocking(service, '/', ITEM, 'GetItems', '', [], timeout=1)
		except dbus.DBusException:
			return {}
		return {str(path): facts['Value'] for path, facts in items.items()}

	def run(self):
		while self.running:
			self.rows.append(self.look())
			time.sleep(0.2)

	def look(self):
		members = [self.items(member) for member in MEMBERS]
		bank, inverter = self.items(BANK), self.items(VEBUS)
		row = {'t': time.monotonic() - self.begin, 'bank': bool(bank)}
		for limit in LIMITS:
			fresh = [float(m['/Bank/' + limit]) for m in members if m.get('/Bank/State') == 'fresh']
			published = [float(m['/Info/' + limit]) for m in members if '/Info/' + limit in m]
			told = inverter.get('/BatteryOperationalLimits/' + limit)
			row['allowed' + limit] = sum(fresh) if limit != 'MaxChargeVoltage' else min(fresh, default=0.0)
			row['bank' + limit] = float(bank['/Info/' + limit]) if bank else None
			row['members' + limit] = sum(published) if published else None
			row['told' + limit] = float(told) if isinstance(told, (float, int)) else None
		row['alarm'] = int(self.items(SYSTEM).get('/Dvcc/Alarms/MultipleBatteries', 0))
		return row

	def mark(self, what):
		print('-- %s' % what, flush=True)
		self.marks.append((time.monotonic() - self.begin, what))

	def never_too_much(self, checks):
		"""No limit above the sum of the present batteries; the inverter's follows within its step."""
		for limit in LIMITS[1:]:
			excess = worst(self.rows, lambda row: (row['bank' + limit] or 0.0) + (row['members' + limit] or 0.0), limit, 1.5)
			checks.that('all published %s never above what is allowed, for longer than 1.5 s' % limit, excess <= 0.3, round(excess, 1))
		excess = worst(self.rows, lambda row: row['toldMaxDischargeCurrent'] or 0.0, 'MaxDischargeCurrent', LAG)
		checks.that('the inverter may never draw more than is allowed, for longer than %d s' % LAG, excess <= 0.3, round(excess, 1))
		both = [row for row in self.rows if row['bankMaxChargeCurrent'] is not None and row['membersMaxChargeCurrent'] is not None]
		checks.that('the limits of bank and members are never there together', not both, len(both))

	def write(self, path):
		with open(path, 'w', encoding='utf-8', newline='') as file:
			writer = csv.DictWriter(file, list(self.rows[0]))
			writer.writeheader()
			writer.writerows(self.rows)
		with open(path + '.marks', 'w', encoding='utf-8') as file:
			file.writelines('%.2f,%s\n' % mark for mark in self.marks)


def worst(rows, published, limit, lag):
	"""Minimum excess of a limit over the highest permitted one of the last `lag` seconds."""
	excess = 0.0
	for row in rows:
		recent = [other['allowed' + limit] for other in rows if 0.0 <= row['t'] - other['t'] <= lag]
		excess = max(excess, published(row) - max(recent))
	return excess


def is_battery_and_bms(checks, rig):
	checks.path('systemcalc takes the bank as the battery', SYSTEM, '/ActiveBatteryService', 'com.victronenergy.battery/0', 10)
	checks.path('systemcalc takes the bank as the BMS', SYSTEM, '/ActiveBmsService', BANK, 10)
	checks.path('one battery only', SYSTEM, '/Dvcc/Alarms/MultipleBatteries', 0)


def obeyed(checks, rig):
	cvl, dcl = rig.get(BANK, '/Info/MaxChargeVoltage'), rig.get(BANK, '/Info/MaxDischargeCurrent')
	checks.path('DVCC charges to the CVL of the bank', SYSTEM, '/Control/EffectiveChargeVoltage', near(cvl, 0.05), 10)
	checks.path('the solar charger is told it', SOLAR, '/Link/ChargeVoltage', near(cvl, 0.05), 10)
	told = '/BatteryOperationalLimits/MaxDischargeCurrent'
	checks.path('the inverter is told the DCL of the bank', VEBUS, told, near(dcl, 3.0), 10)


def story(checks, rig, recorder):
	recorder.mark('all there')
	for number in range(3):
		rig.start_driver(number)
	rig.set(SETTINGS, '/Settings/Services/Bol', 1)
	rig.start_bank()
	is_battery_and_bms(checks, rig)
	obeyed(checks, rig)
	checks.path('it may draw the sum', BANK, '/Info/MaxDischargeCurrent', lambda amps: amps is not None and 130.0 < amps <= 150.0)
	checks.soon('its SoC is the mean', lambda: soc_difference(rig), lambda difference: difference < 1.5)
	time.sleep(5)

	recorder.mark('BMS silent')
	rig.children['bms1'].send_signal(signal.SIGSTOP)
	checks.path('two batteries are left', BANK, '/System/NrOfModulesOnline', 2, 16)
	checks.path('they may give 100 A', BANK, '/Info/MaxDischargeCurrent', lambda amps: amps is not None and amps <= 100.0)
	checks.path('no more than float voltage', BANK, '/Info/MaxChargeVoltage', near(54.0, 0.01))
	obeyed(checks, rig)
	time.sleep(5)

	recorder.mark('it answers')
	rig.children['bms1'].send_signal(signal.SIGCONT)
	checks.path('three batteries again', BANK, '/System/NrOfModulesOnline', 3, 30)
	recovering = lambda amps: amps is not None and 100.0 < amps < 130.0
	checks.path('limits return slowly', BANK, '/Info/MaxDischargeCurrent', recovering, 60)
	checks.path('and all the way', BANK, '/Info/MaxDischargeCurrent', lambda amps: amps is not None and amps > 130.0, 90)
	time.sleep(3)

	recorder.mark('driver killed')
	rig.kill('driver2')
	checks.path('at once: 100 A', BANK, '/Info/MaxDischargeCurrent', lambda amps: amps is not None and amps <= 100.0, 2)
	is_battery_and_bms(checks, rig)
	obeyed(checks, rig)
	time.sleep(12)

	recorder.mark('it returns')
	rig.start_driver(2)
	checks.path('and its current with it', BANK, '/Info/MaxDischargeCurrent', lambda amps: amps is not None and amps > 130.0, 60)
	time.sleep(3)

	recorder.mark('bank killed')
	rig.kill('bank')
	killed = time.monotonic()
	checks.path('systemcalc has no BMS', SYSTEM, '/ActiveBmsService', None)
	checks.soon('a member stands in', lambda: rig.get(SYSTEM, '/ActiveBmsService'), lambda bms: bms in MEMBERS, 20)
	waited = time.monotonic() - killed
	checks.that('not before 10 s', waited >= 9.5, round(waited, 1))
	checks.path('the inverter gets a share', VEBUS, '/BatteryOperationalLimits/MaxDischargeCurrent', lambda amps: amps <= 50.0, 10)
	checks.path('and float voltage', SYSTEM, '/Control/EffectiveChargeVoltage', near(54.0, 0.05), 10)
	time.sleep(5)

	recorder.mark('it returns')
	rig.start_bank()
	is_battery_and_bms(checks, rig)
	obeyed(checks, rig)
	time.sleep(5)

	recorder.mark('stopped')
	code = rig.stop('bank')
	checks.that('SIGTERM: exit code 0', code == 0, code)
	checks.path('SIGTERM: systemcalc lets go', SYSTEM, '/ActiveBmsService', None)
	time.sleep(8)


DRIVERS = ['driver0', 'driver1', 'driver2']
SUMS = ('/Dc/0/Current', '/Dc/0/Power', '/Capacity', '/InstalledCapacity', '/Soc')


def story_of_restarts(checks, rig, recorder):
	"""Drivers that restart, stop, or never come; the values over time are the result, beside the checks."""
	recorder.mark('all there')
	for number in range(3):
		rig.start_driver(number)
	rig.set(SETTINGS, '/Settings/Services/Bol', 1)
	rig.start_bank()
	is_battery_and_bms(checks, rig)
	obeyed(checks, rig)
	before = {path: rig.get(BANK, path) for path in SUMS + tuple('/Info/' + limit for limit in LIMITS)}
	time.sleep(5)

	for what, names in (('all drivers restart', DRIVERS), ('drivers and bank restart', DRIVERS + ['bank'])):
		recorder.mark(what)
		since = len(recorder.rows)
		rig.restart(*names)
		checks.path('three batteries again', BANK, '/System/NrOfModulesOnline', 3, 15)
		for limit in LIMITS:
			least = before['/Info/' + limit] * 0.97
			checks.path('back at once', BANK, '/Info/' + limit, lambda value: value is not None and value >= least, 3)
		is_battery_and_bms(checks, rig)
		obeyed(checks, rig)
		time.sleep(5)
		lowest = curve(recorder.rows[since:], 'bankMaxDischargeCurrent')
		checks.that('the bank never says 0 A', lowest > 0.0, lowest)
		lowest = curve(recorder.rows[since:], 'toldMaxDischargeCurrent')
		checks.that('the inverter is never told 0 A', lowest > 0.0, lowest)

	recorder.mark('one driver is stopped')
	rig.stop('driver2')
	time.sleep(4)
	fading = rig.get(BANK, '/Info/MaxDischargeCurrent')
	checks.that('its limit fades', 102.0 < fading < 145.0, fading)
	for path in ('/InstalledCapacity', '/Soc'):
		checks.path('meanwhile as before', BANK, path, near(before[path], 1.0))
	checks.path('then two batteries', BANK, '/Info/MaxDischargeCurrent', lambda amps: amps <= 100.0, 12)
	capacity = before['/InstalledCapacity'] * 2.0 / 3.0
	checks.path('with their capacity', BANK, '/InstalledCapacity', near(capacity, 1.0))
	rig.start_driver(2)
	checks.path('it returns slowly', BANK, '/Info/MaxDischargeCurrent', lambda amps: amps > 130.0, 60)

	recorder.mark('all drivers are stopped')
	for name in DRIVERS:
		rig.children[name].terminate()
	for name in DRIVERS:
		rig.children.pop(name).wait()
	for path in SUMS:
		checks.path('nobody answers, so unknown', BANK, path, None, 3)
	checks.that('the limit fades', rig.get(BANK, '/Info/MaxDischargeCurrent') > 0.0, rig.get(BANK, '/Info/MaxDischargeCurrent'))
	checks.path('to 0', BANK, '/Info/MaxDischargeCurrent', 0.0, 15)
	rig.stop('bank')

	recorder.mark('one battery never comes')
	with open(rig.path('dbus-bms.toml'), 'a', encoding='utf-8') as file:
		file.write('[bank]\nmembers = ["ttyVENUS0", "ttyVENUS1", "ttyVENUS2"]\n')
	for number in range(2):
		rig.start_driver(number)
	rig.start_bank()
	checks.path('float voltage only', BANK, '/Info/MaxChargeVoltage', near(54.0, 0.05), 20)
	checks.path('one is missing', BANK, '/System/NrOfModulesOffline', 1)
	obeyed(checks, rig)
	checks.path('cable warning', BANK, '/Alarms/BmsCable', 1, 60)
	said = [line for line in rig.log('bank').splitlines() if 'since the start' in line]
	checks.that('one line in the log', len(said) == 1, said)


def curve(rows, name):
	"""Prints a value twice a second, and returns its minimum."""
	values = [row[name] for row in rows if row[name] is not None]
	print('       %s: %s' % (name, ' '.join('%.0f' % value for value in values[::3])), flush=True)
	return min(values)


def soc_difference(rig):
	socs = [rig.get(member, '/Soc') for member in MEMBERS]
	ours = rig.get(SYSTEM, '/Dc/Battery/Soc')
	return 99.0 if None in socs + [ours] else round(abs(sum(socs) / len(socs) - ours), 2)


def main():
	parser = argparse.ArgumentParser()
	for name in ('binary', 'settings', 'systemcalc', 'run'):
		parser.add_argument('--' + name, required=True)
	parser.add_argument('--restarts', action='store_true', help='restarts of drivers instead of their loss')
	parser.add_argument('--csv', help='write what was seen over time')
	parser.add_argument('--python', default=sys.executable)
	options = parser.parse_args()
	with BankRig(options) as rig:
		checks, recorder = Checks(rig, LAG), Recorder(rig.address)
		recorder.start()
		(story_of_restarts if options.restarts else story)(checks, rig, recorder)
		recorder.running = False
		recorder.join()
		if not options.restarts:
			# A driver that is stopped fades out; what is published then is not what is left.
			print('-- over all the time')
			recorder.never_too_much(checks)
		if options.csv:
			recorder.write(os.path.abspath(options.csv))
		if checks.failed:
			print('\nthe bank said:\n' + rig.log('bank'))
	print('%s' % ('all well' if not checks.failed else '%d checks failed' % checks.failed))
	return 1 if checks.failed else 0


sys.exit(main())
