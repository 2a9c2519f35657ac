#!/bin/bash
# cleanup.sh TTY: the port was unplugged.
# shellcheck disable=SC1091 # beside this file on the device
. /opt/victronenergy/serial-starter/functions.sh
for service in /service/*."$1"; do
    [ -L "$service" ] || continue
    place=$(readlink "$service")
    rm "$service"
    svc -dx "$place" "$place/log"
    for _ in 1 2 3 4 5 6 7 8 9 10; do [[ $(svstat "$place" 2>/dev/null) == *': '[ud]* ]] && sleep 0.2; done
    rm -rf "$place"
done
rm -f "/tmp/$1.prog"
rm -f /run/serial-starter/*/"$1"
unlock_tty "$1"
