#!/usr/bin/env bash
# tests/home_assistant/run.sh [BINARY]   our entities in the real Home Assistant, with Mosquitto and simulated batteries
#
# Not a part of tests/run.sh: Home Assistant and what it needs are 700 MB from PyPI, and it takes three minutes. Run it after a change of
# what is announced. Needs Python 3.13 (HOME_ASSISTANT_PYTHON, default python3.13); the environment stays in target/home-assistant-venv.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
BINARY=${1:-$ROOT/target/debug/dbus-bms}
PYTHON=${HOME_ASSISTANT_PYTHON:-python3.13}
VENV=${HOME_ASSISTANT_VENV:-$ROOT/target/home-assistant-venv}
# The last release for Python 3.13.0, and what it would install itself at its first start.
PACKAGES=(homeassistant==2025.4.4 home-assistant-frontend==20250411.0 paho-mqtt==2.1.0 PyTurboJPEG)

PATH=$PATH:/usr/sbin
[ -x "$BINARY" ] || { echo "tests/home_assistant/run.sh: $BINARY is missing: run cargo build first" >&2; exit 2; }
command -v "$PYTHON" >/dev/null || { echo "tests/home_assistant/run.sh: $PYTHON is missing: install Python 3.13, or name it in HOME_ASSISTANT_PYTHON" >&2; exit 2; }
"$ROOT/tests/need.sh" mosquitto=mosquitto mosquitto_pub=mosquitto-clients
if [ ! -x "$VENV/bin/hass" ]; then
    "$PYTHON" -m venv "$VENV"
    "$VENV/bin/pip" install -q --prefer-binary "${PACKAGES[@]}"
fi
exec "$VENV/bin/python" "$HERE/check.py" "$BINARY" "$VENV/bin/hass" "$ROOT"
