#!/usr/bin/env bash
# tests/page/run.sh [--pictures] [TEST…]   the dashboard in a headless Chromium, with `demo` and with a stand-in
#
# STATES_TO is a folder for a picture of each state of the page, on each width, light and dark.
# --pictures also redraws docs/pictures/dashboard-*.webp. TEST is a name of unittest, such as Demo or Demo.test_values_are_live.
# BINARY is the program, by default the debug build.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
export BINARY=${BINARY:-$ROOT/target/debug/dbus-bms}
VENV=${PAGE_VENV:-$ROOT/target/page-venv}

[ -x "$BINARY" ] || { echo "tests/page/run.sh: $BINARY is missing: run cargo build first" >&2; exit 2; }
"$ROOT/tests/need.sh" chromium=chromium chromedriver=chromium-driver dbus-daemon=dbus-daemon
"$ROOT/tests/venv.sh" "$VENV" selenium==4.51.0 axe-core-python==0.1.0

if [ "${1:-}" = --pictures ]; then
    export PICTURES="$ROOT/docs/pictures"
    shift
fi
cd "$HERE"
exec "$VENV/bin/python" -m unittest "${@/#/test_page.}" </dev/null
