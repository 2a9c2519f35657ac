#!/usr/bin/env bash
# tests/can/day.sh [ARMV7_BINARY]   a simulated charging day over the CAN output, on the emulated GX (a virtual CAN bus needs kernel
# support)
#
# The day comes from `simulate-day`, six minutes of it in a second. Prints the period of every id, the limits over the day, and the
# seconds after the BMS went silent; with UPDATE_PICTURES=1 the output of `can monitor` is drawn into docs/pictures.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
BINARY=${1:-$ROOT/cross/out/armv7-unknown-linux-musleabihf/dbus-bms}
NATIVE=${NATIVE:-$ROOT/target/debug/dbus-bms}
STEP=360

[ -x "$NATIVE" ] || { echo "tests/can/day.sh: $NATIVE is missing: run cargo build first" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$NATIVE" simulate-day sunny-day --json --csv "$folder/day.csv" >/dev/null
awk -F, -v step="$STEP" '
    NR == 2 { start = $1 }
    NR > 1 { amps += $3; n++ }
    NR > 1 && int(($1 - start) / step) > shown - 1 {
        printf "[[step]]\nt = %d\ncurrent_a = %.1f\nsoc_pct = %.1f\ntemperature_c = %.1f\n", shown, amps / n, $6, $8
        shown++; amps = 0; n = 0
    }
    END { printf "# lasts %d s\n", shown }' "$folder/day.csv" >"$folder/day.toml"

status=0
GX_LINES=2000 "$ROOT/tests/gx/run.sh" "$BINARY" "$ROOT/tests/gx/can_day.sh" 480 "$folder/day.toml" >"$folder/said" || status=$?
sed '/GUEST-SCREEN-BEGIN/,/GUEST-SCREEN-END/d' "$folder/said"
if [ -n "${UPDATE_PICTURES:-}" ]; then
    venv=$ROOT/target/pictures-venv
    "$ROOT/tests/venv.sh" "$venv" rich
    "$venv/bin/python" "$HERE/picture.py" "$folder/said" "$ROOT/docs/pictures/can-monitor.svg"
fi
exit "$status"
