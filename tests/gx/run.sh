#!/usr/bin/env bash
# tests/gx/run.sh [BINARY [GUEST_SCRIPT [SECONDS [FILE…]]]]   tests the static armv7 binary on an emulated 32-bit ARM GX
#
# Boots it, runs GUEST_SCRIPT (default guest.sh) there with each FILE in /extra, prints its output and exits with its exit status. A
# program named in GX_HOST runs meanwhile on this side; its argument is the folder of the sockets usb0.sock and usb1.sock, the other
# ends of the guest's ttyUSB0 and ttyUSB1.
set -uo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
BINARY=${1:-$ROOT/cross/out/armv7-unknown-linux-musleabihf/dbus-bms}
SCRIPT=${2:-$HERE/guest.sh}
LIMIT=${3:-180}
FILES=("${@:4}")

die() { echo "tests/gx/run.sh: $*" >&2; exit 2; }

[ -x "$BINARY" ] || die "$BINARY is missing: run cross/build.sh first"
"$ROOT/cross/prepare.sh" vm || die "the emulated GX cannot be prepared"

folder=$(mktemp -d)
host=
# shellcheck disable=SC2317 # the trap calls it
end() {
    [ -z "$host" ] || kill "$host" 2>/dev/null
    rm -rf "$folder"
}
trap end EXIT

"$HERE/mkinitramfs.sh" "$folder/initramfs.gz" "$BINARY" "$SCRIPT" "$((LIMIT > 60 ? LIMIT - 40 : LIMIT))" "${FILES[@]}" ||
    die "the image cannot be packed"
if [ -n "${GX_HOST:-}" ]; then
    "$GX_HOST" "$folder" &
    host=$!
fi
start=$SECONDS
"$HERE/boot.sh" "$folder/initramfs.gz" "$folder" "$LIMIT"
status=$?
tr -d '\r' <"$folder/console.log" | tail -n "${GX_LINES:-80}"
# Once more at the end: a log that is cut off must still say what failed.
[ "$status" -eq 0 ] || grep -a 'GUEST: BAD' "$folder/console.log"
echo "emulated GX: exit status $status after $((SECONDS - start)) s"
exit "$status"
