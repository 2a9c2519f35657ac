#!/usr/bin/env bash
# tests/gx/host.sh FOLDER   the batteries outside of the emulated GX: one on its first adapter, silence on the second
#
# GX_BMS names the kind of battery (default jbd).
set -uo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
FOLDER=$1
HOST_BINARY=${GX_HOST_BINARY:-$HERE/../../target/debug/dbus-bms}

trap 'kill $(jobs -p) 2>/dev/null' EXIT
"$HOST_BINARY" simulate "${GX_BMS:-jbd}" --link "$FOLDER/ttyBMS" &
while [ ! -e "$FOLDER/ttyBMS" ]; do sleep 0.1; done
python3 "$HERE/bridge.py" "$FOLDER/usb0.sock" "$FOLDER/ttyBMS" &
wait
