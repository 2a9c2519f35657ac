"""A private D-Bus for measurements and checks."""
import os
import signal
import subprocess

ITEM = 'com.victronenergy.BusItem'

CONFIG = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>%s</type>
  <listen>%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
'''


def socket(folder):
	return os.path.join(folder, 'bus')


def address(folder):
	return 'unix:path=' + socket(folder)


def command(folder, kind):
	"""Command of the daemon: a `session` bus, or a `system` bus as on a GX. It listens once its socket exists."""
	config = os.path.join(folder, 'bus.conf')
	with open(config, 'w', encoding='utf-8') as file:
		file.write(CONFIG % (kind, address(folder)))
	return ['dbus-daemon', '--config-file=' + config, '--nofork', '--nopidfile']


def end(child):
	"""Ends a process, even a suspended one; returns its exit code."""
	if child.poll() is None:
		child.send_signal(signal.SIGCONT)
		child.terminate()
	try:
		return child.wait(5)
	except subprocess.TimeoutExpired:
		child.kill()
		return child.wait()
