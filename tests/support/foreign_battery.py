#!/usr/bin/python3
"""A battery of another driver, which shares no code with ours: as with velib, one object per path.

  foreign_battery.py NAME [--old]   owns com.victronenergy.battery.NAME, prints "ready", lives until stdin closes
  stdin, lines of JSON: {"path": value, …} sets values (null = invalid) and sends ItemsChanged; "hang" stops all replies

With --old it has no GetItems and sends PropertiesChanged, like older drivers.
"""
import json
import os
import sys
import time

import dbus
import dbus.bus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

ITEM = 'com.victronenergy.BusItem'
ITEMS = {
	'/Mgmt/ProcessName': 'other', '/Mgmt/ProcessVersion': '1', '/Mgmt/Connection': 'CAN', '/DeviceInstance': 512,
	'/ProductId': 0, '/ProductName': 'Other battery', '/CustomName': 'Boat', '/Connected': 1, '/Dc/0/Voltage': 53.0,
	'/Dc/0/Current': 0.5, '/Dc/0/Power': 26.0, '/Soc': 60.0, '/InstalledCapacity': 100.0, '/Capacity': 60.0,
	'/Info/MaxChargeVoltage': 55.0, '/Info/MaxChargeCurrent': 50.0, '/Info/MaxDischargeCurrent': 80.0,
	'/Info/ChargeMode': 'Bulk', '/System/MinCellVoltage': 3.301, '/System/MinVoltageCellId': 'C4',
	'/System/MaxCellVoltage': 3.319, '/System/MaxVoltageCellId': 'C9', '/Alarms/LowSoc': 1, '/Io/AllowToCharge': 1,
}


def wrap(value):
	if value is None:
		return dbus.Array([], signature='i', variant_level=1)
	kind = dbus.String if isinstance(value, str) else dbus.Double if isinstance(value, float) else dbus.Int32
	return kind(value, variant_level=1)


class Leaf(dbus.service.Object):
	def __init__(self, bus, path):
		super().__init__(bus, path)
		self.item = path

	@dbus.service.method(ITEM, out_signature='v')
	def GetValue(self):
		return wrap(ITEMS[self.item])

	@dbus.service.signal(ITEM, signature='a{sv}')
	def PropertiesChanged(self, changes):
		pass


class Root(dbus.service.Object):
	@dbus.service.method(ITEM, out_signature='a{sa{sv}}')
	def GetItems(self):
		return {path: {'Value': wrap(value), 'Text': str(value)} for path, value in ITEMS.items()}

	@dbus.service.signal(ITEM, signature='a{sa{sv}}')
	def ItemsChanged(self, changes):
		pass


class OldRoot(dbus.service.Object):
	@dbus.service.method(ITEM, out_signature='v')
	def GetValue(self):
		return dbus.Dictionary({path[1:]: wrap(value) for path, value in ITEMS.items()}, signature='sv', variant_level=1)


def main(name, *flags):
	DBusGMainLoop(set_as_default=True)
	bus = dbus.bus.BusConnection(os.environ['TEST_BUS'])
	old = '--old' in flags
	root = (OldRoot if old else Root)(bus, '/')
	leaves = {path: Leaf(bus, path) for path in ITEMS}
	owned = dbus.service.BusName('com.victronenergy.battery.' + name, bus, do_not_queue=True)
	print('"ready"', flush=True)
	loop = GLib.MainLoop()

	def heard(_, condition):
		line = sys.stdin.readline() if condition & GLib.IOCondition.IN else ''
		if not line:
			loop.quit()
			return False
		told = json.loads(line)
		if told == 'hang':
			time.sleep(3600)
		ITEMS.update(told)
		if old:
			for path, value in told.items():
				leaves[path].PropertiesChanged({'Value': wrap(value), 'Text': str(value)})
		else:
			root.ItemsChanged({path: {'Value': wrap(value), 'Text': str(value)} for path, value in told.items()})
		return True
	GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, heard)
	loop.run()
	return owned


main(*sys.argv[1:])
