#!/bin/bash
# Hours of operation on a faulty line: fails when memory, descriptors, threads, D-Bus connections or CPU grow.
#
#   bench/soak.sh [HOURS] [--board jk] [--interval 0.2] [--samples FILE] …     8 hours; 0.5 is enough to see a leak per poll
#
# Builds the release profile as it is shipped unless DBUS_BMS names a program. Needs dbus-daemon and python3-dbus.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
if ! command -v dbus-daemon >/dev/null || ! "$python" -c 'import dbus' 2>/dev/null; then
	echo 'soak.sh: needed: apt install dbus python3-dbus' >&2
	exit 2
fi
if [ -z "${DBUS_BMS:-}" ]; then
	cargo build --release --manifest-path "$here/../Cargo.toml"
	DBUS_BMS=$here/../target/release/dbus-bms
fi
exec "$python" -B "$here/soak.py" --binary "$DBUS_BMS" "$@"
