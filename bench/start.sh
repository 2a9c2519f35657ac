#!/usr/bin/env bash
# bench/start.sh NAME OPTION…   runs NAME.py with the release profile as shipped, unless DBUS_BMS names a program
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
"$here/../tests/need.sh" dbus-daemon=dbus-daemon python3:dbus=python3-dbus python3:gi=python3-gi
if [ -z "${DBUS_BMS:-}" ]; then
	cargo build --release --manifest-path "$here/../Cargo.toml"
	DBUS_BMS=${CARGO_TARGET_DIR:-$here/../target}/release/dbus-bms
fi
name=$1
shift
exec "${PYTHON:-/usr/bin/python3}" -B "$here/$name.py" --binary "$DBUS_BMS" "$@"
