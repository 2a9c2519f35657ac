#!/usr/bin/env bash
# tests/rs485/readers.sh [PROGRAM]   reads our RS485 replies with readers that share no code with us: python-pylontech, and Modbus by hand
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
PROGRAM=${1:-$ROOT/target/debug/examples/rs485_replies}
VENV=${RS485_VENV:-$ROOT/target/rs485-venv}

[ -x "$PROGRAM" ] || { echo "tests/rs485/readers.sh: $PROGRAM is missing: run cargo build --example rs485_replies first" >&2; exit 2; }
"$ROOT/tests/venv.sh" "$VENV" python-pylontech
"$VENV/bin/python" "$HERE/read_replies.py" "$PROGRAM"
