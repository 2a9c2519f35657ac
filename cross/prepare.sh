#!/usr/bin/env bash
# cross/prepare.sh toolchain|vm|all   fills GX_DIR (default ~/.cache/gx) from Debian's and pip's packages
#
#   toolchain  rustc and cargo with the source of their standard library (Debian's rust-web), zig, cargo-zigbuild:
#              static ARM builds without rustup targets
#   vm         kernel, shells, busybox, dbus-daemon and daemontools of an emulated 32-bit ARM GX
#
# Packages are unpacked, not installed, except qemu-system-arm, python3-venv and libraries of LLVM. With rustup and its target none of this is needed
# to build.
set -euo pipefail

GX_DIR=${GX_DIR:-$HOME/.cache/gx}
NEED=$(cd "$(dirname "$0")/.." && pwd)/tests/need.sh

die() { echo "cross/prepare.sh: $*" >&2; exit 1; }

# Builds for two targets may call this at the same time.
exec 8<"$0"
flock 8

# mark FOLDER PACKAGE: the file that marks PACKAGE as unpacked there.
mark() { echo "$1/.have-${2//[:\/]/_}"; }

# unpack FOLDER PACKAGE…: downloads and unpacks missing packages. The folder name contains no package versions.
unpack() {
    local folder=$1 package name deb
    shift
    mkdir -p "$GX_DIR/debs" "$folder"
    for package; do
        [ ! -e "$(mark "$folder" "$package")" ] || continue
        name=${package%%:*}
        # Remove all files of an older version.
        rm -f "$GX_DIR/debs/$name"_*.deb
        (cd "$GX_DIR/debs" && flock "$NEED" apt-get download -q "$package" >/dev/null) || die "cannot download $package; run apt-get update and try again"
        for deb in "$GX_DIR/debs/$name"_*.deb; do dpkg -x "$deb" "$folder"; done
        touch "$(mark "$folder" "$package")"
    done
}

# update [OPTION…]: downloads the package lists, while tests/need.sh is not installing.
update() {
    flock "$NEED" apt-get update -q "$@" >/dev/null || echo "cross/prepare.sh: apt-get update failed; trying with the package lists that are there" >&2
}

# dependency PACKAGE PATTERN: the name of PACKAGE's dependency that begins with PATTERN.
dependency() { apt-cache depends "$1" | sed -n "s/.*Depends: \\($2[^ ]*\\).*/\\1/p" | grep -v '<' | head -n 1; }

toolchain() {
    local rust=$GX_DIR/rust std llvm
    if [ ! -x "$rust/usr/bin/cargo" ]; then
        # Only this machine's own package lists: another architecture's list that is just changing would keep all of them old.
        update -o "APT::Architectures=$(dpkg --print-architecture)"
        std=$(dependency libstd-rust-web-dev 'libstd-rust-web-[0-9]')
        [ -n "$std" ] || die "Debian's package libstd-rust-web-dev is not known here; run apt-get update, or use rustup target add"
        llvm=$(dependency "$std" libllvm)
        unpack "$rust" rustc-web cargo-web "$std" libstd-rust-web-dev rust-web-src "$llvm" libgit2-1.5 libhttp-parser2.9 \
            libssh2-1 libmbedcrypto7 libmbedtls14 libmbedx509-1
    fi
    # Of LLVM, with dependencies of their own.
    "$NEED" lib:libedit.so.2=libedit2 lib:libxml2.so.2=libxml2 lib:libz3.so.4=libz3-4
    if [ ! -x "$GX_DIR/venv/bin/cargo-zigbuild" ]; then
        "$NEED" python3=python3 python3:ensurepip=python3-venv
        python3 -m venv "$GX_DIR/venv"
        "$GX_DIR/venv/bin/pip" install -q ziglang cargo-zigbuild
    fi
}

vm() {
    local root=$GX_DIR/root-armhf kernel package missing=
    local packages=(bash dash busybox-static can-utils dbus-daemon dbus-bin daemontools libapparmor1 libaudit1 libc6 libcap-ng0 libcap2
        libdbus-1-3 libexpat1 libgcc-s1 libgcrypt20 libgpg-error0 liblz4-1 liblzma5 libpcre2-8-0 libselinux1 libsystemd0
        libtinfo6 libzstd1)
    for package in "${packages[@]}"; do [ -e "$(mark "$root" "$package:armhf")" ] || missing=1; done
    if [ -n "$missing" ] || ! ls "$root"/boot/vmlinuz-* >/dev/null 2>&1; then
        dpkg --print-foreign-architectures | grep -qx armhf || dpkg --add-architecture armhf
        update
        unpack "$root" "${packages[@]/%/:armhf}"
    fi
    if ! ls "$root"/boot/vmlinuz-* >/dev/null 2>&1; then
        kernel=$(dependency linux-image-armmp-lpae:armhf linux-image-)
        [ -n "$kernel" ] || die "Debian's armhf kernel is not known here; run apt-get update"
        unpack "$root" "${kernel%%:*}:armhf"
    fi
    [ -x "$GX_DIR/root-host/bin/busybox" ] || unpack "$GX_DIR/root-host" busybox-static
    "$NEED" qemu-system-arm=qemu-system-arm
}

case ${1:-all} in
toolchain) toolchain ;;
vm) vm ;;
all) toolchain && vm ;;
*) die "usage: cross/prepare.sh toolchain|vm|all" ;;
esac
