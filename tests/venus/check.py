#!/usr/bin/python3
"""Victron's system calculator and settings with our battery; started by check.sh."""
import argparse
import sys
import time

from checks import Checks, near
from rig import BATTERY, SETTINGS, SOLAR, SYSTEM, VEBUS, Rig

DEVICE = '/Settings/Devices/jbd_ttyVENUS0/'
# Stages of a BMS's silence: seconds, by preset.
STAGES = {'strict': (10, 30, 60), 'gentle': (10, 60, 300)}
# systemcalc works in steps of 3 s; ours, a period of the BMS and its polling add one second each.
LAG = 5


def battery_is_chosen(checks, rig):
	instance = rig.get(BATTERY, '/DeviceInstance')
	checks.path('systemcalc takes our battery', SYSTEM, '/ActiveBatteryService', 'com.victronenergy.battery/%d' % instance)
	checks.path('systemcalc takes us as the BMS', SYSTEM, '/ActiveBmsService', BATTERY)
	checks.path('its state of charge is ours', SYSTEM, '/Dc/Battery/Soc', near(rig.get(BATTERY, '/Soc'), 0.2))
	checks.soon('its voltage follows ours', lambda: voltage_difference(rig), lambda difference: difference < 0.02)


def voltage_difference(rig):
	ours, theirs = rig.get(BATTERY, '/Dc/0/Voltage'), rig.get(SYSTEM, '/Dc/Battery/Voltage')
	return 99.0 if None in (ours, theirs) else round(abs(ours - theirs), 3)


def chargers_obey(checks, rig):
	rig.set(SETTINGS, '/Settings/Services/Bol', 1)
	checks.path('DVCC is on', SYSTEM, '/Control/Dvcc', 1)
	cvl, dcl = rig.get(BATTERY, '/Info/MaxChargeVoltage'), rig.get(BATTERY, '/Info/MaxDischargeCurrent')
	checks.path('DVCC charges to our CVL', SYSTEM, '/Control/EffectiveChargeVoltage', near(cvl, 0.01), 10)
	checks.path('the solar charger is told our CVL', SOLAR, '/Link/ChargeVoltage', near(cvl, 0.01))
	checks.path('the solar charger is controlled by a BMS', SOLAR, '/Link/NetworkMode', 13)
	checks.path('the inverter is told our CVL', VEBUS, '/BatteryOperationalLimits/MaxChargeVoltage', near(cvl, 0.01))
	checks.path('the inverter is told our DCL', VEBUS, '/BatteryOperationalLimits/MaxDischargeCurrent', near(dcl, 0.01))
	checks.path('no alarm about several batteries', SYSTEM, '/Dvcc/Alarms/MultipleBatteries', 0)


def instance_is_kept(checks, rig):
	instance = rig.get(BATTERY, '/DeviceInstance')
	checks.path('the instance is in the settings', SETTINGS, DEVICE + 'ClassAndVrmInstance', 'battery:%d' % instance)
	rig.set(SETTINGS, DEVICE + 'ClassAndVrmInstance', 'battery:7')
	checks.path('the owner changes it: ours', BATTERY, '/DeviceInstance', 7)
	checks.path('the owner changes it: systemcalc', SYSTEM, '/ActiveBatteryService', 'com.victronenergy.battery/7')
	checks.path('and the BMS is ours still', SYSTEM, '/ActiveBmsService', BATTERY)


def name_goes_round(checks, rig):
	checks.that('a name is accepted on our side', rig.set(BATTERY, '/CustomName', 'Basement') == 0)
	checks.path('and reaches the settings', SETTINGS, DEVICE + 'CustomName', 'Basement')
	rig.set(SETTINGS, DEVICE + 'CustomName', 'Attic ☀')
	checks.path('a name from the settings reaches us', BATTERY, '/CustomName', 'Attic ☀')


def restart_keeps_all(checks, rig):
	leave(checks, rig)
	rig.start_driver()
	checks.path('after a restart: the instance', BATTERY, '/DeviceInstance', 7)
	checks.path('after a restart: the name', BATTERY, '/CustomName', 'Attic ☀')
	checks.path('after a restart: systemcalc', SYSTEM, '/ActiveBatteryService', 'com.victronenergy.battery/7')


def silence_ends_safely(checks, rig, stages):
	"""Each stage of the silence as seen by the chargers, not before its time and soon after."""
	stale, silent, lost = stages
	cvl, dcl = rig.get(BATTERY, '/Info/MaxChargeVoltage'), rig.get(BATTERY, '/Info/MaxDischargeCurrent')
	rig.cut_line()
	begin = time.monotonic()

	def until(seconds):
		time.sleep(max(0.0, begin + seconds - time.monotonic()))

	until(stale - 2)
	checks.that('%d s: values stand' % (stale - 2), rig.get(SYSTEM, '/Dc/Battery/Soc') is not None)
	until(stale)
	checks.path('%d s: our values are unknown' % stale, BATTERY, '/Soc', None)
	checks.path('%d s: systemcalc knows no state of charge' % stale, SYSTEM, '/Dc/Battery/Soc', None)
	checks.path('%d s: no cell voltage is left' % stale, BATTERY, '/System/MaxCellVoltage', None)
	checks.path('%d s: chargers go down' % stale, SOLAR, '/Link/ChargeVoltage', lambda told: told is not None and told < cvl - 0.5)
	until(stale + 20)
	checks.path('%d s: no charging' % (stale + 20), BATTERY, '/Info/MaxChargeCurrent', 0.0)
	checks.path('%d s: the inverter does not charge' % (stale + 20), VEBUS, '/BatteryOperationalLimits/MaxChargeCurrent', 0)
	until(silent - 1)
	if silent - 1 > stale + 20:
		checks.path('%d s: no warning yet' % (silent - 1), BATTERY, '/Alarms/BmsCable', 0, 0)
	until(silent)
	checks.path('%d s: cable warning' % silent, BATTERY, '/Alarms/BmsCable', 1)
	quarter = near(dcl / 4, 0.1)
	checks.path('%d s: the inverter may draw a quarter' % silent, VEBUS, '/BatteryOperationalLimits/MaxDischargeCurrent', quarter)
	until(lost - 1)
	checks.path('%d s: no alarm yet' % (lost - 1), BATTERY, '/Alarms/BmsCable', 1, 0)
	until(lost)
	checks.path('%d s: cable alarm' % lost, BATTERY, '/Alarms/BmsCable', 2)
	checks.path('%d s: not connected' % lost, BATTERY, '/Connected', 0)
	checks.path('%d s: the inverter may draw nothing' % lost, VEBUS, '/BatteryOperationalLimits/MaxDischargeCurrent', 0.0)
	checks.path('%d s: the service stays, its CVL a number' % lost, BATTERY, '/Info/MaxChargeVoltage', lambda v: v is not None)
	checks.path('%d s: DVCC holds to it' % lost, SYSTEM, '/Control/EffectiveChargeVoltage', lambda v: v is not None and v < cvl)
	rig.mend_line()
	# The BMS first replies to the requests accumulated meanwhile.
	checks.path('the line is back: values', SYSTEM, '/Dc/Battery/Soc', lambda soc: soc is not None, 30)
	checks.path('the line is back: alarm ends', BATTERY, '/Alarms/BmsCable', 0)
	recovering = lambda told: told is not None and 0.0 < told < dcl
	checks.path('the line is back: limits return slowly', VEBUS, '/BatteryOperationalLimits/MaxDischargeCurrent', recovering, 60)


def leave(checks, rig):
	code = rig.stop('driver')
	checks.that('SIGTERM: exit code 0', code == 0, code)
	checks.that('SIGTERM: the name is free', not rig.bus.name_has_owner(BATTERY))
	checks.path('SIGTERM: systemcalc lets go', SYSTEM, '/ActiveBmsService', None)
	checks.path('SIGTERM: no battery is active', SYSTEM, '/Dc/Battery/Soc', None)


def main():
	parser = argparse.ArgumentParser()
	for name in ('binary', 'settings', 'systemcalc', 'run'):
		parser.add_argument('--' + name, required=True)
	parser.add_argument('--gentle', action='store_const', dest='preset', const='gentle', default='strict')
	parser.add_argument('--python', default=sys.executable)
	options = parser.parse_args()
	with Rig(options) as rig:
		rig.start_driver()
		checks = Checks(rig, LAG)
		for check in (battery_is_chosen, chargers_obey, instance_is_kept, name_goes_round, restart_keeps_all):
			print('-- %s' % check.__name__.replace('_', ' '))
			check(checks, rig)
		print('-- silence ends safely (%s)' % options.preset)
		silence_ends_safely(checks, rig, STAGES[options.preset])
		print('-- leave')
		leave(checks, rig)
		if checks.failed:
			print('\nthe driver said:\n' + rig.log('driver'))
	print('%s' % ('all well' if not checks.failed else '%d checks failed' % checks.failed))
	return 1 if checks.failed else 0


sys.exit(main())
