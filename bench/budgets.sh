#!/bin/bash
# Measures the program against its budgets and prints a table; exit code 1 when one that must hold is broken.
#
#   bench/budgets.sh [--families jbd,jk,daly] [--only start,silent,steady,sinks,damaged,many,chain,scale,size] [--runs 3]
#                    [--damaged SECONDS] â¦
#
# Builds the release profile as it is shipped unless DBUS_BMS names a program. Needs dbus-daemon and python3-dbus, python3-gi.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
if ! command -v dbus-daemon >/dev/null || ! "$python" -c 'import dbus, gi' 2>/dev/null; then
	echo 'budgets.sh: needed: apt install dbus python3-dbus python3-gi' >&2
	exit 2
fi
if [ -z "${DBUS_BMS:-}" ]; then
	cargo build --release --manifest-path "$here/../Cargo.toml"
	DBUS_BMS=$here/../target/release/dbus-bms
fi
exec "$python" -B "$here/budgets.py" --binary "$DBUS_BMS" "$@"
