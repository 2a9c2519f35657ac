#!/usr/bin/python3
"""Time until each simulated board is found, one row per board: by `probe`, by the first `run`, and by a second one, which remembers it.

  probes.py PROGRAM [BOARD …]     all boards that `simulate` has, without variants

Bytes take their time on a serial line. The second `run` begins three seconds after the first: a reply to a program that has just ended
looks like a master on the line.
"""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

BOARDS = (
	'jk jk-pb jk-pb-chain jbd daly daly-modbus pace seplos-v3 seplos topbms ant pylontech daren lifepower4 renogy eg4-ll jbd-up16s '
	'ant-old tianpower pace-modbus felicity heltec sinowealth daly-can pylontech-can jk-can rv-c'
).split()
# They are tried only if they are named.
UNTESTED = ('pace-modbus', 'felicity', 'heltec', 'sinowealth', 'jk-can', 'rv-c')
CAN = ('daly-can', 'pylontech-can', 'jk-can', 'rv-c')
PAUSE = 3
LONGEST = 30


def run_s(program, port, config, named):
	"""Seconds from the start of `run` until it has a battery; None if it has none."""
	bus = dict(os.environ, DBUS_SESSION_BUS_ADDRESS='unix:path=/nonexistent')
	command = [program, 'run', port, '--no-dbus', '--config', config, '--log', 'info', *named]
	began = time.monotonic()
	with subprocess.Popen(command, stderr=subprocess.PIPE, env=bus, text=True) as driver:
		end = threading.Timer(LONGEST, driver.terminate)
		end.start()
		found = next((time.monotonic() - began for line in driver.stderr if 'connected:' in line), None)
		end.cancel()
		driver.terminate()
	return found


def row(program, board, folder):
	link, config = os.path.join(folder, board), os.path.join(folder, board + '.toml')
	port = 'can://' + link if board in CAN else link
	with open(config, 'w', encoding='utf-8') as file:
		file.write('[state]\nfolder = "%s/state-%s"\n' % (folder, board))
	named = ['--bms', board] if board in UNTESTED else []
	simulator = subprocess.Popen([program, 'simulate', board, '--link', link, '--pace'], stderr=subprocess.DEVNULL)
	try:
		while not os.path.exists(link):
			time.sleep(0.05)
		found = subprocess.run([program, 'probe', port, '--json', *named], capture_output=True, text=True, check=False).stdout
		times = [json.loads(line)['elapsed_ms'] / 1000 for line in found.splitlines()[:1]] or [None]
		for _ in range(2):
			time.sleep(PAUSE)
			times.append(run_s(program, port, config, named))
	finally:
		simulator.terminate()
		simulator.wait()
	return ' | '.join('not found' if seconds is None else '%.1f' % seconds for seconds in times)


def main(program, *boards):
	print('| board | `probe`, s | `run`, s | `run`, remembered, s |\n|---|--:|--:|--:|')
	with tempfile.TemporaryDirectory() as folder:
		for board in boards or BOARDS:
			print('| %s | %s |' % (board, row(program, board, folder)), flush=True)


if __name__ == '__main__':
	main(*sys.argv[1:])
