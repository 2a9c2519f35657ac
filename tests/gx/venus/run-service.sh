# Sourced by the services of ports, with the port as $1: frees the lock taken for them when they end.
# shellcheck shell=bash
tty=$1
# shellcheck disable=SC1091 # beside this file on the device
. /opt/victronenergy/serial-starter/functions.sh
trap 'unlock_tty "$tty"' EXIT

# shellcheck disable=SC2154 # whoever sources this sets it
start() { $app "$@"; }
