#!/usr/bin/python3
"""Response times of GetValue, one line of JSON per service: {"service", "median_ms", "p95_ms", "max_ms", "lost"}

  answers.py ADDRESS SECONDS PATH[,PATH…] SERVICE…     ADDRESS of the bus

Calls are sent at fixed times, whether or not earlier ones are answered, to each service in turn. A caller that waits for each answer
meets a pause of the service only once, and reports it as one slow call among many fast ones; on a GX several programs call, and none
waits for another. The service `org.freedesktop.DBus` shows what the bus itself takes: it is asked for its id.
"""
import json
import math
import statistics
import sys
import time

import dbus
import dbus.bus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

ITEM = 'com.victronenergy.BusItem'
BUS = 'org.freedesktop.DBus'
# Time between two calls. No multiple of it is a second, so that the calls hit every part of a poll.
INTERVAL_MS = 13
# An answer later than this is lost.
LIMIT_S = 30


def main(address, seconds, paths, *services):
	DBusGMainLoop(set_as_default=True)
	# One connection each: the bus limits the calls that wait for an answer on one.
	buses = {service: dbus.bus.BusConnection(address) for service in services}
	loop = GLib.MainLoop()
	took, lost, calls, answered = {service: [] for service in services}, dict.fromkeys(services, 0), 0, 0
	paths = paths.split(',')
	end = time.monotonic() + float(seconds)

	def call():
		nonlocal calls
		if time.monotonic() >= end:
			finish()
			return False
		service, path = services[calls % len(services)], paths[calls // len(services) % len(paths)]
		calls += 1
		began = time.perf_counter()

		def done(is_answer):
			nonlocal answered
			answered += 1
			if is_answer:
				took[service].append(1000 * (time.perf_counter() - began))
			else:
				lost[service] += 1
			finish()

		target = (service, '/org/freedesktop/DBus', BUS, 'GetId') if service == BUS else (service, path, ITEM, 'GetValue')
		buses[service].call_async(*target, '', (), lambda _: done(True), lambda _: done(False), timeout=LIMIT_S)
		return True

	def finish():
		if answered == calls and time.monotonic() >= end:
			loop.quit()

	GLib.timeout_add(INTERVAL_MS, call)
	loop.run()
	for service, times in took.items():
		times = sorted(times) or [math.inf]
		print(json.dumps({
			'service': service, 'median_ms': statistics.median(times), 'p95_ms': times[math.ceil(0.95 * len(times)) - 1],
			'max_ms': times[-1], 'lost': lost[service]}), flush=True)


main(*sys.argv[1:])
