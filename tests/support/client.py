#!/usr/bin/python3
"""A D-Bus client that shares no code with the driver. Speaks JSON lines; values are [signature, value].

  client.py call            calls from stdin, a list of [service, path, interface, member, signature, argument]
  client.py watch SERVICE   prints "ready", then ItemsChanged of SERVICE and appearance and release of its name
  client.py names              appearance and release of all batteries, in order
  client.py sample SERVICE…    five times a second: the limits of each service, {service: {path: value} or null}
  client.py own NAME [INSTANCE]   owns NAME (with that /DeviceInstance), prints "ready", lives until stdin closes
"""
import json
import os
import sys
import time

import dbus
import dbus.bus
import dbus.lowlevel
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

ITEM = 'com.victronenergy.BusItem'
SIGNATURES = ((dbus.Boolean, 'b'), (dbus.Byte, 'y'), (dbus.Int16, 'n'), (dbus.UInt16, 'q'), (dbus.Int32, 'i'),
	(dbus.UInt32, 'u'), (dbus.Int64, 'x'), (dbus.UInt64, 't'), (dbus.Double, 'd'), (dbus.String, 's'))


def plain(value):
	for kind, signature in SIGNATURES:
		if type(value) is kind:
			return [signature, float(value) if signature == 'd' else str(value) if signature == 's' else int(value)]
	if isinstance(value, dbus.Dictionary):
		return ['a{%s}' % value.signature, {str(k): plain(v) for k, v in value.items()}]
	if isinstance(value, dbus.Array):
		return ['a%s' % value.signature, [plain(v) for v in value]]
	return ['?', repr(value)]


def wrapped(argument):
	signature, value = argument
	kinds = {s: k for k, s in SIGNATURES}
	if signature.startswith('a'):
		return dbus.Array(value, signature=signature[1:], variant_level=1)
	return kinds[signature](value, variant_level=1)


def connect():
	return dbus.bus.BusConnection(os.environ['TEST_BUS'])


def call(bus, service, path, interface, member, signature, argument):
	message = dbus.lowlevel.MethodCallMessage(service, path, interface, member)
	if signature:
		arguments = argument if signature == 'ss' else [wrapped(argument) if signature == 'v' else argument]
		message.append(*arguments, signature=signature)
	try:
		reply = bus.send_message_with_reply_and_block(message, 5)
	except dbus.DBusException as error:
		return {'error': error.get_dbus_name()}
	arguments = reply.get_args_list()
	return {'signature': reply.get_signature(), 'value': plain(arguments[0]) if arguments else None, 'values': [plain(a) for a in arguments]}


def say(thing):
	print(json.dumps(thing), flush=True)


def watch(bus, service):
	def items_changed(changes):
		say({'changed': {str(path): {str(k): plain(v) for k, v in facts.items()} for path, facts in changes.items()}})

	def owner_changed(name, old, new):
		if not new:
			return say({'owner': False})
		# As Venus OS does as soon as a name appears.
		items = bus.call_blocking(service, '/', ITEM, 'GetItems', '', [])
		say({'owner': True, 'items': {str(path): plain(facts['Value']) for path, facts in items.items()}})
	bus.add_signal_receiver(items_changed, 'ItemsChanged', ITEM, path='/')
	bus.add_signal_receiver(owner_changed, 'NameOwnerChanged', 'org.freedesktop.DBus', arg0=service)
	say('ready')
	GLib.MainLoop().run()


def names(bus):
	def owner_changed(name, old, new):
		if name.startswith('com.victronenergy.battery.'):
			say({'name': str(name), 'there': bool(new)})
	bus.add_signal_receiver(owner_changed, 'NameOwnerChanged', 'org.freedesktop.DBus')
	say('ready')
	GLib.MainLoop().run()


LIMITS = tuple(node + '/Max' + name for node in ('/Info', '/Bank') for name in ('ChargeVoltage', 'ChargeCurrent', 'DischargeCurrent'))


def sample(bus, *services):
	def limits(service):
		try:
			items = bus.call_blocking(service, '/', ITEM, 'GetItems', '', [], timeout=1)
		except dbus.DBusException:
			return None
		return {path: plain(items[path]['Value'])[1] for path in LIMITS if path in items}
	say('ready')
	while True:
		say({service: limits(service) for service in services})
		time.sleep(0.2)


class Instance(dbus.service.Object):
	def __init__(self, bus, instance):
		super().__init__(bus, '/DeviceInstance')
		self.instance = instance

	@dbus.service.method(ITEM, out_signature='v')
	def GetValue(self):
		return dbus.UInt16(self.instance, variant_level=1)


def own(bus, name, instance=None):
	battery = Instance(bus, int(instance)) if instance else None
	owned = dbus.service.BusName(name, bus, do_not_queue=True)
	say('ready')
	loop = GLib.MainLoop()
	GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
	loop.run()
	return battery, owned


def main(command, *arguments):
	DBusGMainLoop(set_as_default=True)
	bus = connect()
	if command == 'call':
		say([call(bus, *request) for request in json.load(sys.stdin)])
	elif command == 'watch':
		watch(bus, *arguments)
	elif command == 'names':
		names(bus)
	elif command == 'sample':
		sample(bus, *arguments)
	elif command == 'own':
		own(bus, *arguments)
	else:
		sys.exit(__doc__)


main(*sys.argv[1:])
