#!/usr/bin/env bash
# cross/build.sh [TARGET]   static release binary for GX devices, in cross/out/TARGET/dbus-bms
#
#   armv7-unknown-linux-musleabihf   nearly all GX devices (default)
#   aarch64-unknown-linux-musl       Raspberry Pi 5, newer Cerbo GX
#
# Uses rustup's target if installed (with cargo-zigbuild and zig), else a toolchain from Debian's packages, which cross/prepare.sh
# downloads to GX_DIR (default ~/.cache/gx).
set -euo pipefail

TARGET=${1:-armv7-unknown-linux-musleabihf}
FRAME=dd03001d060b000001ed01f400002c7c00000000100080630204030ba00b9d0b98fa5577
ROOT=$(cd "$(dirname "$0")/.." && pwd)
GX_DIR=${GX_DIR:-$HOME/.cache/gx}
# One folder per target: cargo locks it, and two targets may be built at the same time.
BUILT=${CARGO_TARGET_DIR:-$ROOT/target}/cross/$TARGET

die() { echo "cross/build.sh: $*" >&2; exit 1; }

case $TARGET in
# Bytes: the smallest devices, which are 32-bit, have little free flash; 64-bit code is a third larger.
armv7-unknown-linux-musleabihf) MACHINE=ARM EMULATOR=qemu-arm-static BUDGET=6000000 ;;
aarch64-unknown-linux-musl) MACHINE=AArch64 EMULATOR=qemu-aarch64-static BUDGET=8000000 ;;
*) die "unknown target $TARGET; known are armv7-unknown-linux-musleabihf and aarch64-unknown-linux-musl" ;;
esac
"$ROOT/tests/need.sh" readelf=binutils "$EMULATOR=qemu-user-static"

build_with_rustup() {
    command -v cargo-zigbuild >/dev/null || die "cargo-zigbuild is missing: pip install cargo-zigbuild ziglang"
    cargo zigbuild --locked --release --bin dbus-bms --target "$TARGET" --target-dir "$BUILT"
}

build_with_debian() {
    "$ROOT/cross/prepare.sh" toolchain
    local rust=$GX_DIR/rust/usr
    # build-std needs RUSTC_BOOTSTRAP and the standard library's source of exactly this compiler. zig provides crt1.o and libc,
    # build-std does not: without link-self-contained=no the program has no start code. Thumb-2, which every ARMv7 processor
    # supports, is a quarter smaller than ARM code. Without the feature the standard library has no reader of debug information,
    # which is absent anyway.
    local flags=
    [ "$MACHINE" != ARM ] || flags='-C target-feature=+thumb-mode'
    LD_LIBRARY_PATH=$rust/lib/x86_64-linux-gnu RUSTC=$rust/bin/rustc RUSTDOC=$rust/bin/rustdoc RUSTC_BOOTSTRAP=1 \
        PATH=$rust/bin:$GX_DIR/venv/bin:$PATH RUSTFLAGS=$flags \
        cargo-zigbuild rustc -Z build-std=std,panic_abort -Z build-std-features= --locked --release --bin dbus-bms --target "$TARGET" \
        --target-dir "$BUILT" -- -C link-self-contained=no
}

# Fails unless the binary runs on a GX of any firmware: correct machine, hard-float, no shared libraries, small.
check() {
    local binary=$1 header size
    header=$(readelf -h "$binary")
    grep -q "Machine: *$MACHINE\$" <<<"$header" || die "$binary is not for $MACHINE"
    if [ "$MACHINE" = ARM ]; then
        grep -q 'hard-float ABI' <<<"$header" || die "$binary does not use the hard-float ABI"
    fi
    if readelf -lW "$binary" | grep -q INTERP || readelf -dW "$binary" | grep -q NEEDED; then
        die "$binary is not static"
    fi
    size=$(stat -c %s "$binary")
    echo "$binary: static, $MACHINE, $size of $BUDGET bytes"
    [ "$size" -le "$BUDGET" ] || die "$binary is larger than its budget"
}

# Fails unless the binary runs on an emulated processor of its kind and decodes a recorded reply of a JBD board there.
try_out() {
    local version reading
    version=$("$EMULATOR" "$1" --version) || die "$1 does not start"
    reading=$(echo "$FRAME" | "$EMULATOR" "$1" decode --bms jbd) || die "$1 does not decode a recorded frame"
    grep -q '"voltage_v":15.47,' <<<"$reading" || die "$1 decodes a recorded frame as $reading"
    if echo "${FRAME/060b/060c}" | "$EMULATOR" "$1" decode --bms jbd 2>/dev/null; then die "$1 takes a damaged frame"; fi
    echo "$version under emulation: $reading"
}

cd "$ROOT"
# Shown by `dbus-bms --version`; empty outside of a checkout.
commit=$(git rev-parse --short=10 HEAD 2>/dev/null || true)
[ -z "$commit" ] || export DBUS_BMS_COMMIT=$commit
if command -v rustup >/dev/null && rustup target list --installed 2>/dev/null | grep -qx "$TARGET"; then
    build_with_rustup
else
    build_with_debian
fi
install -D "$BUILT/$TARGET/release/dbus-bms" "cross/out/$TARGET/dbus-bms"
check "cross/out/$TARGET/dbus-bms"
try_out "cross/out/$TARGET/dbus-bms"
