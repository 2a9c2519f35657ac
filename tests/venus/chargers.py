#!/usr/bin/python3
"""Simulated chargers on D-Bus: a solar charger and an inverter/charger that accept any setting.

  chargers.py solarcharger|vebus     owns com.victronenergy.KIND.fake on the system bus until it is stopped
"""
import sys

import dbus
import dbus.bus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

ITEM = 'com.victronenergy.BusItem'
UNKNOWN = dbus.Array([], signature='i', variant_level=1)

COMMON = {
	'/Mgmt/ProcessName': 'chargers.py', '/Mgmt/ProcessVersion': '1', '/Mgmt/Connection': 'none',
	'/ProductName': 'Fake charger', '/HardwareVersion': None, '/Connected': 1, '/Serial': 'FAKE',
}
KINDS = {
	'solarcharger': {
		'/DeviceInstance': 278, '/ProductId': 0xA102, '/FirmwareVersion': 0x0160, '/N2kDeviceInstance': None, '/State': 3,
		'/Dc/0/Voltage': 53.0, '/Dc/0/Current': 8.0, '/Load/I': None, '/Settings/ChargeCurrentLimit': 70.0,
		'/Settings/BmsPresent': 0, '/Link/NetworkMode': None, '/Link/ChargeVoltage': None, '/Link/ChargeCurrent': None,
	},
	'vebus': {
		'/DeviceInstance': 276, '/ProductId': 0x2602, '/FirmwareVersion': 0x0460, '/Mode': 3, '/State': 9,
		'/Dc/0/Voltage': 52.9, '/Dc/0/Current': 0.0, '/Dc/0/Power': 0, '/Dc/0/MaxChargeCurrent': 70.0, '/Soc': None,
		'/Ac/NumberOfAcInputs': 1, '/Ac/ActiveIn/ActiveInput': 240, '/Ac/ActiveIn/Connected': 0, '/Ac/Out/L1/P': 0,
		'/Interfaces/Mk2/Connection': '/dev/null', '/Hub4/AssistantId': None, '/Hub/ChargeVoltage': None, '/Bms/BmsType': None,
		'/Bms/AllowToCharge': None, '/FirmwareFeatures/BolFrame': 1, '/ExtraBatteryCurrent': 0.0,
		'/BatteryOperationalLimits/MaxChargeVoltage': None, '/BatteryOperationalLimits/MaxChargeCurrent': None,
		'/BatteryOperationalLimits/MaxDischargeCurrent': None, '/BatteryOperationalLimits/BatteryLowVoltage': None,
	},
}


def variant(value):
	if value is None:
		return UNKNOWN
	kind = {float: dbus.Double, str: dbus.String}.get(type(value), dbus.Int32)
	return kind(value, variant_level=1)


class Leaf(dbus.service.Object):
	"""One path of a charger."""

	def __init__(self, bus, path, value, on_change):
		super().__init__(bus, path)
		self.path, self.value, self.on_change = path, variant(value), on_change

	def facts(self):
		return {'Value': self.value, 'Text': '---' if self.value == UNKNOWN else str(self.value)}

	@dbus.service.method(ITEM, out_signature='v')
	def GetValue(self):
		return self.value

	@dbus.service.method(ITEM, out_signature='s')
	def GetText(self):
		return self.facts()['Text']

	@dbus.service.method(ITEM, in_signature='v', out_signature='i')
	def SetValue(self, value):
		if value != self.value:
			self.value = value
			self.on_change({self.path: self.facts()})
		return 0


class Charger(dbus.service.Object):
	"""The root of a charger, which lists its paths."""

	def __init__(self, bus, values):
		super().__init__(bus, '/')
		self.leaves = [Leaf(bus, path, value, self.ItemsChanged) for path, value in values.items()]

	@dbus.service.method(ITEM, out_signature='a{sa{sv}}')
	def GetItems(self):
		return {leaf.path: leaf.facts() for leaf in self.leaves}

	@dbus.service.signal(ITEM, signature='a{sa{sv}}')
	def ItemsChanged(self, changes):
		pass


def main(kind):
	DBusGMainLoop(set_as_default=True)
	bus = dbus.SystemBus()
	charger = Charger(bus, {**COMMON, **KINDS[kind]})
	name = dbus.service.BusName('com.victronenergy.%s.fake' % kind, bus, do_not_queue=True)
	GLib.MainLoop().run()
	return charger, name


if len(sys.argv) != 2 or sys.argv[1] not in KINDS:
	sys.exit(__doc__)
main(sys.argv[1])
