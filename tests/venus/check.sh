#!/bin/bash
# Runs the driver with Victron's own settings service and system calculator, and checks their results for the battery.
#
#   tests/venus/check.sh CHECKOUTS_DIR [--gentle]
#   tests/venus/check.sh CHECKOUTS_DIR --bank [--restarts] [--csv FILE]
#   tests/venus/check.sh CHECKOUTS_DIR --takeover
#
# CHECKOUTS_DIR contains checkouts of Victron's `localsettings` and `dbus-systemcalc-py`, each with its `ext/velib_python` filled
# (git submodule). They are not part of this project and nothing is downloaded here.
#
# The bus, the chargers and the BMS are our own: a private dbus-daemon, stand-ins in chargers.py, `dbus-bms simulate jbd`.
# With --bank three batteries and their bank are checked, and the remaining ones while they are lost one by one; with --restarts
# drivers and bank restart, stop, or never come instead. --csv stores the values over time (cargo run --example timeline -- FILE
# PICTURE.svg draws it).
# With --takeover entries of dbus-serialbattery are taken over and given back; only the settings service runs.
# With --gentle the default silence times apply (300 s) instead of the strict ones (60 s).
# DBUS_BMS names another binary than target/release/dbus-bms. Exit codes: 0 fine, 1 a check failed, 2 something is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}

missing() {
	printf 'check.sh: %s\n' "$1" >&2
	exit 2
}

# The folder of a checkout below $1 with the name $2, with or without its owner in front.
checkout() {
	local folder
	for folder in "$1/$2" "$1"/*+"$2" "$1"/*-"$2"; do
		if [ -d "$folder" ]; then
			(cd "$folder" && pwd)
			return
		fi
	done
	missing "no checkout of $2 below $1; clone it there: git clone --recursive https://github.com/victronenergy/$2"
}

[ $# -ge 1 ] || missing "usage: check.sh CHECKOUTS_DIR [--gentle | --bank [--restarts] [--csv FILE] | --takeover]"
checkouts=$1
shift
script=check.py
if [ "${1:-}" = --bank ]; then
	script=bank.py
	shift
elif [ "${1:-}" = --takeover ]; then
	script=takeover.py
	shift
fi
[ -d "$checkouts" ] || missing "$checkouts is no folder; it must hold localsettings and dbus-systemcalc-py"

settings=$(checkout "$checkouts" localsettings)
systemcalc=$(checkout "$checkouts" dbus-systemcalc-py)
for folder in "$settings" "$systemcalc"; do
	[ -f "$folder/ext/velib_python/vedbus.py" ] ||
		missing "$folder/ext/velib_python is empty; fill it: git -C $folder submodule update --init"
done

command -v dbus-daemon >/dev/null || missing "dbus-daemon is needed: apt install dbus"
"$python" -c 'import dbus, gi, lxml, psutil' 2>/dev/null ||
	missing "Python modules are needed: apt install python3-dbus python3-gi python3-lxml python3-psutil"

binary=${DBUS_BMS:-$here/../../target/release/dbus-bms}
[ -x "$binary" ] || missing "no program at $binary; build it (cargo build --release) or name it in DBUS_BMS"

run=$(mktemp -d "${TMPDIR:-/tmp}/dbus-bms-venus.XXXXXX")
trap 'rm -rf "$run"' EXIT
"$python" -B "$here/$script" --binary "$binary" --settings "$settings" --systemcalc "$systemcalc" --run "$run" "$@"
