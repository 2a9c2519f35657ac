#!/bin/sh
# Venus OS runs this before it unpacks venus-data.tar.gz from a USB stick or SD card; an exit status other than 0 stops it.
case $(uname -m) in
armv7l | armv8l | aarch64) ;;
*)
    echo "dbus-bms: no binary for this processor ($(uname -m))"
    exit 1
    ;;
esac
# For what is unpacked beside what gets installed; install.sh looks closer.
free=$(df -Pk /data | awk 'NR == 2 { print $4 }')
[ "${free:-0}" -ge 12288 ] && exit 0
for stick in /media/*; do
    [ ! -f "$stick/venus-data.tar.gz" ] || echo "Not installed: only $free kB are free on /data, 12288 are needed." >"$stick/dbus-bms.txt"
done
exit 1
