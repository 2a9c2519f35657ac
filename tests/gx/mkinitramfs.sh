#!/usr/bin/env bash
# tests/gx/mkinitramfs.sh OUT BINARY GUEST_SCRIPT SECONDS [FILE…]   builds the initramfs of the emulated GX
#
# busybox, shells, kernel modules, dbus-daemon and daemontools from GX_DIR; BINARY as /bin/dbus-bms; GUEST_SCRIPT with a time limit
# of SECONDS; each FILE in /extra.
set -euo pipefail

OUT=$1 BINARY=$2 SCRIPT=$3 SECONDS_ALLOWED=$4
shift 4
HERE=$(cd "$(dirname "$0")" && pwd)
GX_DIR=${GX_DIR:-$HOME/.cache/gx}
GX=$GX_DIR/root-armhf
MODULES=(virtio_mmio xhci_pci ftdi_sio cp210x ch341 can can_raw vcan)

image=$(mktemp -d)
trap 'rm -rf "$image"' EXIT
mkdir -p "$image"/{bin,dev,etc,extra,lib,modules,proc,run,sbin,service,sys,tmp,usr/bin}

install -m755 "$HERE/init" "$image/init"
install -m755 "$GX/bin/busybox" "$image/bin/busybox"
install -m755 "$GX/bin/bash" "$GX/bin/dash" "$image/bin/"
install -m755 "$BINARY" "$image/bin/dbus-bms"
install -m755 "$SCRIPT" "$image/guest.sh"
install -m644 "$HERE/checks.sh" "$image/checks.sh"
install -m644 "$HERE/bus.conf" "$image/etc/bus.conf"
echo 'root:x:0:0:root:/:/bin/sh' >"$image/etc/passwd"
echo "$SECONDS_ALLOWED" >"$image/etc/guest-seconds"
for file; do cp -r "$file" "$image/extra/"; done

# Programs of a GX, and of can-utils, with their libraries, including the loader.
for program in candump cansend dbus-daemon dbus-send dbus-monitor svc svscan supervise multilog svstat setlock svok; do
    cp "$GX/usr/bin/$program" "$image/usr/bin/"
done
find "$GX"/{,usr/}lib/arm-linux-gnueabihf -maxdepth 1 -name '*.so*' -exec cp -a {} "$image/lib/" \;

# module NAME: copies a module after its dependencies, in load order. One without a file is built into the kernel.
declare -A packed=()
module() {
    local name=$1 file dependency
    [ -z "${packed[$name]:-}" ] || return 0
    packed[$name]=1
    file=$(find "$GX/lib/modules" -name "$name.ko" -o -name "${name//_/-}.ko" | head -n 1)
    [ -n "$file" ] || return 0
    for dependency in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr ',-' ' _'); do module "$dependency"; done
    cp "$file" "$image/modules/$name.ko"
    echo "$name" >>"$image/modules/order"
}
for name in "${MODULES[@]}"; do module "$name"; done

(cd "$image" && find . | "$GX_DIR/root-host/bin/busybox" cpio -o -H newc 2>/dev/null | gzip -1) >"$OUT"
