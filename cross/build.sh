#!/usr/bin/env bash
# cross/build.sh [--twice] [TARGET]   static release binary, in cross/out/TARGET/dbus-bms
#
#   armv7-unknown-linux-musleabihf   nearly all GX devices (default)
#   aarch64-unknown-linux-musl       Raspberry Pi 3 and newer, newer Cerbo GX
#   arm-unknown-linux-musleabihf     Raspberry Pi 1 and Zero (ARMv6); not for a GX
#   x86_64-unknown-linux-musl        computers; not for a GX
#
# The same commit and the same tools give the same bytes, in every folder. --twice proves it: it builds the last commit in two new
# folders, fails if the programs differ, and prints their hash.
#
# CROSS_FEATURES are cargo's features; without it, encryption (tls) is in the programs that are not for a GX.
#
# Uses rustup's target if installed (with cargo-zigbuild and zig), else a toolchain from Debian's packages, which cross/prepare.sh
# downloads to GX_DIR (default ~/.cache/gx).
set -euo pipefail

TWICE=
[ "${1:-}" != --twice ] || { TWICE=1; shift; }
TARGET=${1:-armv7-unknown-linux-musleabihf}
FRAME=dd03001d060b000001ed01f400002c7c00000000100080630204030ba00b9d0b98fa5577
ROOT=$(cd "$(dirname "$0")/.." && pwd)
GX_DIR=${GX_DIR:-$HOME/.cache/gx}
# One folder per target: cargo locks it, and two targets may be built at the same time.
BUILT=${CARGO_TARGET_DIR:-$ROOT/target}/cross/$TARGET

die() { echo "cross/build.sh: $*" >&2; exit 1; }

case $TARGET in
# Bytes: the smallest devices, which are 32-bit, have little free flash; 64-bit code is a third larger.
armv7-unknown-linux-musleabihf) MACHINE=ARM EMULATOR=qemu-arm-static BUDGET=6000000 FEATURES= ;;
aarch64-unknown-linux-musl) MACHINE=AArch64 EMULATOR=qemu-aarch64-static BUDGET=8000000 FEATURES= ;;
# With the processor of the first Raspberry Pi, which stops at an instruction that it does not know.
arm-unknown-linux-musleabihf) MACHINE=ARM EMULATOR=qemu-arm-static BUDGET=9000000 FEATURES=tls; export QEMU_CPU=arm1176 ;;
x86_64-unknown-linux-musl) MACHINE='Advanced Micro Devices X86-64' EMULATOR=qemu-x86_64-static BUDGET=11000000 FEATURES=tls ;;
*) die "unknown target $TARGET; known are those in the first lines of this file" ;;
esac
FEATURES=${CROSS_FEATURES-$FEATURES}
"$ROOT/tests/need.sh" readelf=binutils "$EMULATOR=qemu-user-static"

# No path of this machine in the program: cargo leaves these flags out of the hashes in the names of symbols. Generated sources lie below
# the target folder, others of the project have relative names.
flags() {
    local folder
    for folder in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
        [ ! -d "$folder" ] || echo "--remap-path-prefix=${folder%/}=crates"
    done
    echo "--remap-path-prefix=$GX_DIR/rust/usr=rust"
    echo "--remap-path-prefix=$BUILT=target"
    # Thumb-2, which every ARMv7 processor supports, is a quarter smaller than ARM code.
    case $TARGET in armv7-*) printf '%s\n' -C target-feature=+thumb-mode ;; esac
}
# Paths may contain spaces: separated as cargo wants it.
encoded() { local all; all=$(flags | tr '\n' '\037'); echo "${all%$'\037'}"; }

build_with_rustup() {
    command -v cargo-zigbuild >/dev/null || die "cargo-zigbuild is missing: pip install cargo-zigbuild ziglang"
    CARGO_ENCODED_RUSTFLAGS=$(encoded) cargo zigbuild --locked --release --no-default-features --features "$FEATURES" --bin dbus-bms --target "$TARGET" --target-dir "$BUILT"
}

build_with_debian() {
    "$ROOT/cross/prepare.sh" toolchain
    local rust=$GX_DIR/rust/usr
    # build-std needs RUSTC_BOOTSTRAP and the standard library's source of exactly this compiler. zig provides crt1.o and libc,
    # build-std does not: without link-self-contained=no the program has no start code. Without the feature the standard library
    # has no reader of debug information, which is absent anyway.
    LD_LIBRARY_PATH=$rust/lib/x86_64-linux-gnu RUSTC=$rust/bin/rustc RUSTDOC=$rust/bin/rustdoc RUSTC_BOOTSTRAP=1 \
        PATH=$rust/bin:$GX_DIR/venv/bin:$PATH CARGO_ENCODED_RUSTFLAGS=$(encoded) \
        cargo-zigbuild rustc -Z build-std=std,panic_abort -Z build-std-features= --locked --release --no-default-features --features "$FEATURES" --bin dbus-bms \
        --target "$TARGET" --target-dir "$BUILT" -- -C link-self-contained=no
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

# Builds the last commit in two folders of different names at the same time, and compares.
twice() {
    local work place hashes builds=()
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder is known now
    trap "rm -rf '$work'" EXIT
    for place in "$work/one" "$work/another/two"; do
        git clone --quiet --shared "$ROOT" "$place"
        CARGO_TARGET_DIR=$place/target "$place/cross/build.sh" "$TARGET" &
        builds+=($!)
    done
    for place in "${builds[@]}"; do wait "$place" || die "the build failed, see above"; done
    hashes=$(sha256sum "$work"/{one,another/two}/cross/out/"$TARGET"/dbus-bms | cut -d' ' -f1 | sort -u)
    [ "$(wc -l <<<"$hashes")" = 1 ] || { trap - EXIT; die "two builds of one commit differ: compare the programs in $work with diffoscope"; }
    install -D "$work/one/cross/out/$TARGET/dbus-bms" "$ROOT/cross/out/$TARGET/dbus-bms"
    echo "two builds in two folders, one program: $hashes"
}

cd "$ROOT"
if [ -n "$TWICE" ]; then twice; exit; fi
# Nothing of an earlier build: an incremental one depends on it.
export CARGO_INCREMENTAL=0
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
