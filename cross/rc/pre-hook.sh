#!/bin/sh
# Venus OS runs this before it unpacks venus-data.tar.gz from a USB stick or SD card; an exit status other than 0 prevents that.
case $(uname -m) in
armv7l | armv8l | aarch64) ;;
*)
    echo "dbus-bms: no binary for this processor ($(uname -m))"
    exit 1
    ;;
esac
# Space for the unpacked files in addition to the installed ones; install.sh checks more precisely.
free=$(df -Pk /data | awk 'NR == 2 { print $4 }')
[ "${free:-0}" -ge 12288 ] && exit 0
for stick in /media/*; do
    [ ! -f "$stick/venus-data.tar.gz" ] || echo "Not installed: only $free kB are free on /data, but 12288 kB are needed. Delete something there." >"$stick/dbus-bms.txt"
done
exit 1
