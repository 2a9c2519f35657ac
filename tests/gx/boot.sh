#!/usr/bin/env bash
# tests/gx/boot.sh INITRAMFS FOLDER [SECONDS]   boots the emulated GX and returns the exit status of its guest script
# (124: over the time limit; 125: the guest never reported).
#
# Two USB serial adapters (ftdi_sio: ttyUSB0, ttyUSB1) are the unix sockets FOLDER/usb0.sock and usb1.sock on this side; they
# ignore the baud rate. The console goes to FOLDER/console.log.
set -uo pipefail

INITRAMFS=$1 FOLDER=$2 LIMIT=${3:-180}
GX_DIR=${GX_DIR:-$HOME/.cache/gx}

kernels=("$GX_DIR"/root-armhf/boot/vmlinuz-*)
mkdir -p "$FOLDER"
timeout -k 5 "$LIMIT" qemu-system-arm -M virt,highmem=off -cpu cortex-a15 -m 512 -smp 1 \
    -kernel "${kernels[0]}" -initrd "$INITRAMFS" -append "console=ttyAMA0 quiet panic=-1" \
    -nodefaults -no-reboot -display none -monitor none -serial "file:$FOLDER/console.log" -device qemu-xhci \
    -chardev "socket,id=u0,path=$FOLDER/usb0.sock,server=on,wait=off" -device usb-serial,chardev=u0,always-plugged=on \
    -chardev "socket,id=u1,path=$FOLDER/usb1.sock,server=on,wait=off" -device usb-serial,chardev=u1,always-plugged=on \
    </dev/null
status=$?
[ "$status" -eq 124 ] && exit 124
reported=$(tr -d '\r' <"$FOLDER/console.log" | sed -n 's/.*GUEST-EXIT:\([0-9][0-9]*\).*/\1/p' | tail -n 1)
exit "${reported:-125}"
