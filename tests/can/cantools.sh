#!/usr/bin/env bash
# tests/can/cantools.sh [BINARY]   decodes our Pylontech frames with python's cantools, in a separate virtual environment
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
BINARY=${1:-$ROOT/target/debug/dbus-bms}
VENV=${CANTOOLS_VENV:-$ROOT/target/cantools-venv}

[ -x "$BINARY" ] || { echo "tests/can/cantools.sh: $BINARY is missing: run cargo build first" >&2; exit 2; }
"$ROOT/tests/need.sh" python3=python3 python3:ensurepip=python3-venv
[ -x "$VENV/bin/python" ] || python3 -m venv "$VENV"
"$VENV/bin/python" -c 'import cantools' 2>/dev/null || "$VENV/bin/pip" install -q cantools
"$VENV/bin/python" "$HERE/read_frames.py" "$BINARY"
