#!/usr/bin/python3
"""A small com.victronenergy.settings for tests.

  fake_settings.py [--hang] [PATH=TEXT | PATH#=NUMBER ...]   starts with these settings, prints "ready", lives until stdin closes

An instance (`battery:7`) that another device of the class has is moved to the next free one, as the real service does. Settings
can be removed, and listed below a group; each has its default, limits and whether it is silent.
With --hang it is on the bus but never answers.
"""
import os
import sys

import dbus
import dbus.bus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

ITEM = 'com.victronenergy.BusItem'
SETTINGS = 'com.victronenergy.Settings'
INSTANCE = '/ClassAndVrmInstance'


class Setting(dbus.service.Object):
	def __init__(self, service, path, value, default=None, silent=False):
		self.is_number, path = path.endswith('#'), path.rstrip('#')
		self.most = None
		super().__init__(service.bus, path)
		self.service, self.path, self.value, self.silent = service, path, value, silent
		self.default = value if default is None else default

	def wrap(self, value):
		if self.most is not None:
			return dbus.Double(float(value), variant_level=1)
		if self.is_number:
			return dbus.Int32(int(value), variant_level=1)
		return dbus.String(value, variant_level=1)

	@dbus.service.method(ITEM, out_signature='v')
	def GetValue(self):
		return self.wrap(self.value)

	@dbus.service.method(SETTINGS, out_signature='vvvi')
	def GetAttributes(self):
		most = dbus.Int32(0, variant_level=1) if self.most is None else self.wrap(self.most)
		return self.wrap(self.default), dbus.Int32(0, variant_level=1), most, int(self.silent)

	@dbus.service.method(ITEM, in_signature='v', out_signature='i')
	def SetValue(self, value):
		if self.most is not None:
			if not isinstance(value, (dbus.Double, dbus.Int32)) or not 0 <= float(value) <= self.most:
				return -2
			self.value = str(float(value))
			self.PropertiesChanged({'Value': dbus.Double(float(value), variant_level=1), 'Text': self.value})
			return 0
		if self.is_number:
			if not isinstance(value, (dbus.Double, dbus.Int32)):
				return -1
			self.value = str(int(value))
			self.PropertiesChanged({'Value': self.GetValue(), 'Text': self.value})
			return 0
		if not isinstance(value, dbus.String):
			return -1
		value = self.service.settle(self.path, str(value))
		if value != self.value:
			self.value = value
			self.PropertiesChanged({'Value': dbus.String(value, variant_level=1), 'Text': dbus.String(value, variant_level=1)})
		return 0

	@dbus.service.signal(ITEM, signature='a{sv}')
	def PropertiesChanged(self, changes):
		pass


class Devices(dbus.service.Object):
	def __init__(self, service):
		super().__init__(service.bus, '/Settings/Devices')
		self.service = service

	@dbus.service.method(ITEM, out_signature='v')
	def GetValue(self):
		start = '/Settings/Devices/'
		found = {p[len(start):]: s.GetValue() for p, s in self.service.items.items() if p.startswith(start)}
		return dbus.Dictionary(found, signature='sv', variant_level=1)


class Settings(dbus.service.Object):
	def __init__(self, bus, values, hang):
		super().__init__(bus, '/')
		self.bus, self.hang = bus, hang
		self.items = {}
		self.devices = Devices(self)
		for path, value in values.items():
			self.items[path.rstrip('#')] = Setting(self, path, value)

	def settle(self, path, value):
		if not path.endswith(INSTANCE):
			return value
		kind, number = value.split(':')
		others = {s.value for p, s in self.items.items() if p.endswith(INSTANCE) and p != path}
		number = int(number)
		while '%s:%d' % (kind, number) in others:
			number += 1
		return '%s:%d' % (kind, number)

	@dbus.service.method(SETTINGS, in_signature='aa{sv}', out_signature='aa{sv}', async_callbacks=('done', 'failed'))
	def AddSettings(self, wishes, done, failed):
		if self.hang:
			return
		reply = []
		for wish in wishes:
			path = str(wish['path'])
			if not path.startswith('/Settings/') or '/_' in path:
				reply.append({'path': path, 'error': dbus.Int32(-9)})
				continue
			default = wish['default']
			if path not in self.items:
				mark = '#' if isinstance(default, dbus.Int32) else ''
				value = self.settle(path, str(default))
				self.items[path] = Setting(self, path + mark, value, str(default), bool(wish.get('silent')))
			if isinstance(default, dbus.Double):
				self.items[path].most = float(wish['max'])
			reply.append({'path': path, 'error': dbus.Int32(0), 'value': self.items[path].GetValue()})
		done(dbus.Array(reply, signature='a{sv}'))

	@dbus.service.method(SETTINGS, in_signature='as', out_signature='ai')
	def RemoveSettings(self, paths):
		gone = []
		for path in map(str, paths):
			setting = self.items.pop(path, None)
			if setting is not None:
				setting.PropertiesChanged({'Value': dbus.Array([], signature='i', variant_level=1), 'Text': ''})
				setting.remove_from_connection()
			gone.append(0 if setting is not None else -1)
		return dbus.Array(gone, signature='i')


def main(arguments):
	DBusGMainLoop(set_as_default=True)
	bus = dbus.bus.BusConnection(os.environ['TEST_BUS'])
	values = dict(a.split('=', 1) for a in arguments if '=' in a)
	service = Settings(bus, values, '--hang' in arguments)
	name = dbus.service.BusName('com.victronenergy.settings', bus, do_not_queue=True)
	print('"ready"', flush=True)
	loop = GLib.MainLoop()
	GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
	loop.run()
	return service, name


main(sys.argv[1:])
