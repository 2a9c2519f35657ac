#!/usr/bin/env bash
# tests/can/cantools.sh [BINARY]   decodes our frames with python's cantools, in a separate virtual environment
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
BINARY=${1:-$ROOT/target/debug/dbus-bms}
VENV=${CANTOOLS_VENV:-$ROOT/target/cantools-venv}

[ -x "$BINARY" ] || { echo "tests/can/cantools.sh: $BINARY is missing: run cargo build first" >&2; exit 2; }
"$ROOT/tests/venv.sh" "$VENV" cantools
"$VENV/bin/python" "$HERE/read_frames.py" "$BINARY"
