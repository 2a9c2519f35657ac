#!/usr/bin/env bash
# tests/gui/run.sh [--pictures]   the plugin for the GX's screen: built as for a release, checked with qmllint, loaded and shown by Qt 6
#
# Victron's own components are replaced by stand-ins (tests/gui/stand-ins) with the same properties and a similar look. --pictures
# also redraws docs/pictures/gx-*.webp.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
VENV=${GUI_VENV:-$ROOT/target/gui-venv}

"$ROOT/tests/need.sh" fc-list=fontconfig lib:libEGL.so.1=libegl1 lib:libGL.so.1=libgl1 \
    lib:libxkbcommon.so.0=libxkbcommon0 lib:libglib-2.0.so.0=libglib2.0-0 lib:libdbus-1.so.3=libdbus-1-3
[ -n "$(fc-list 'DejaVu Sans')" ] || { echo "tests/gui/run.sh: the font DejaVu Sans is missing: apt-get install fonts-dejavu-core" >&2; exit 2; }
"$ROOT/tests/venv.sh" "$VENV" PySide6-Essentials==6.12.0

export QT_QPA_PLATFORM=offscreen QT_QUICK_BACKEND=software QT_QUICK_CONTROLS_STYLE=Basic
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$ROOT"
gui-v2/build.py 0.0 "$work/one.json"
gui-v2/build.py 0.0 "$work/two.json"
cmp "$work/one.json" "$work/two.json"
"$VENV/bin/pyside6-qmllint" --max-warnings 0 -I tests/gui/stand-ins gui-v2/qml/*.qml
exec "$VENV/bin/python" "$HERE/show.py" "$work/one.json" "${1:-}" </dev/null
