#!/usr/bin/env bash
# tests/venv.sh FOLDER PACKAGE…   ensures that FOLDER is a virtual environment of Python with these packages
#
# They are installed once; another version in the list installs them again.
set -euo pipefail

venv=$1
shift
"$(dirname "$0")/need.sh" python3=python3 python3:ensurepip=python3-venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
mark="$venv/$*"
[ -e "$mark" ] || { "$venv/bin/pip" install -q "$@" && touch "$mark"; }
