#!/usr/bin/env bash
# tests/gx/host.sh FOLDER   the batteries outside of the emulated GX
#
# GX_BMS is what `simulate` gets for the first adapter: a family and options (default jbd); GX_SECOND the same for the second one,
# where nothing answers without it.
set -uo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
FOLDER=$1
HOST_BINARY=${GX_HOST_BINARY:-$HERE/../../target/debug/dbus-bms}

trap 'kill $(jobs -p) 2>/dev/null' EXIT

# connect ADAPTER WORD…: simulates a battery, or several on one cable, and connects it.
connect() {
    local adapter=$1 tty=$FOLDER/ttyBMS$1
    shift
    "$HOST_BINARY" simulate "$@" --link "$tty" &
    while [ ! -e "$tty" ]; do sleep 0.1; done
    python3 "$HERE/bridge.py" "$FOLDER/usb$adapter.sock" "$tty" &
}

read -ra first <<<"${GX_BMS:-jbd}"
read -ra second <<<"${GX_SECOND:-}"
connect 0 "${first[@]}"
[ ${#second[@]} -eq 0 ] || connect 1 "${second[@]}"
wait
