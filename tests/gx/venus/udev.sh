#!/bin/bash
# The part of udev needed by serial-starter: creates a link for every USB serial port that appears, and cleans up when one
# disappears.
known=
while :; do
    for node in /dev/ttyUSB*; do
        tty=${node##*/}
        [ -e "$node" ] || continue
        [[ " $known " != *" $tty "* ]] || continue
        known="$known $tty"
        mkdir -p /dev/serial-starter
        ln -sf "$node" "/dev/serial-starter/$tty"
        cut -d' ' -f1 /proc/uptime >"/tmp/$tty.plugged"
    done
    for tty in $known; do
        [ ! -e "/dev/$tty" ] || continue
        known=${known//$tty/}
        rm -f "/dev/serial-starter/$tty"
        /opt/victronenergy/serial-starter/cleanup.sh "$tty"
    done
    sleep 0.2
done
