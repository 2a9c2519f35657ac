#!/usr/bin/python3
"""Prints the signals of one battery service, one line of JSON each, with the time of the monotonic clock in seconds.

  listen.py ADDRESS SERVICE     ADDRESS of the bus; SERVICE `*` prints the signals of all services, without values

{"t", "up": true, "soc"}   the name appeared; its state of charge then
{"t", "up": false}         the name is gone
{"t", "signal", "values"}  a signal; the values in ItemsChanged (null: invalid)
"""
import json
import sys
import time

import dbus
import dbus.bus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

ITEM = 'com.victronenergy.BusItem'


def plain(value):
	if isinstance(value, dbus.Array):
		return None
	return float(value) if isinstance(value, (float, int)) else str(value)


def say(**facts):
	print(json.dumps({'t': time.monotonic(), **facts}), flush=True)


def main(address, service):
	DBusGMainLoop(set_as_default=True)
	bus = dbus.bus.BusConnection(address)

	def owner_changed(_name, _old, new):
		if not new:
			return say(up=False)
		return say(up=True, soc=plain(bus.call_blocking(service, '/Soc', ITEM, 'GetValue', '', [])))

	def signalled(*arguments, member):
		items = arguments[0] if member == 'ItemsChanged' else {}
		say(signal=member, values={str(path): plain(facts['Value']) for path, facts in items.items()})

	if service == '*':
		bus.add_signal_receiver(lambda *_, sender: say(signal='ItemsChanged', sender=sender), 'ItemsChanged', ITEM, sender_keyword='sender')
		say(ready=True)
		return GLib.MainLoop().run()
	bus.add_signal_receiver(owner_changed, 'NameOwnerChanged', 'org.freedesktop.DBus', arg0=service)
	# Any signal of the service, not only the expected ones.
	bus.add_signal_receiver(signalled, bus_name=service, member_keyword='member')
	say(ready=True)
	GLib.MainLoop().run()


main(*sys.argv[1:])
