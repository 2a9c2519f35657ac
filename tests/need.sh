#!/usr/bin/env bash
# tests/need.sh WHAT=PACKAGE…   ensures that commands (cc=gcc), Python modules (python3:dbus=python3-dbus, of the system's Python) and
# shared libraries (lib:libEGL.so.1=libegl1) are installed
#
# As root it installs the Debian packages of missing ones; otherwise it prints what to install and fails. A test without its
# requirements fails as well: nothing is skipped silently.
set -euo pipefail

have() {
    case $1 in
    lib:*) /sbin/ldconfig -p | grep -F "${1#lib:} " >/dev/null ;;
    python3:*) /usr/bin/python3 -c "import ${1#python3:}" 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

packages=()
for need; do have "${need%%=*}" || packages+=("${need#*=}"); done
[ ${#packages[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "needed for this and not there; install with: sudo apt-get install ${packages[*]}" >&2
    exit 1
fi
# One after the other: steps run in parallel, and package managers refuse to wait for each other.
exec 9<"$0"
flock 9
export DEBIAN_FRONTEND=noninteractive
echo "installing ${packages[*]}"
apt-get update -q </dev/null >/dev/null || echo "apt-get update failed; trying with the package lists that are there" >&2
apt-get install -qy --no-install-recommends "${packages[@]}" </dev/null >/dev/null
for need; do
    have "${need%%=*}" || { echo "${need#*=} is installed, but brought no ${need%%=*}" >&2; exit 1; }
done
