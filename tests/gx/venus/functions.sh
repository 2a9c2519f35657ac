# Locks of ports: a link with the owner's process number.
# shellcheck shell=bash disable=SC2034
OPT=/opt/victronenergy
CACHE=/data/var/lib/serial-starter
LOCKS=/var/lock/serial-starter

lock_tty() { mkdir -p "$LOCKS" && ln -s "$$" "$LOCKS/$1" 2>/dev/null; }
unlock_tty() { rm -f "$LOCKS/$1"; }
