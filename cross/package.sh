#!/usr/bin/env bash
# cross/package.sh   packs a release into cross/out/release, from the binaries that cross/build.sh made
#
#   venus-data.tar.gz        for GX devices (armv7, aarch64): USB stick, SFTP, and what install.sh downloads
#   dbus-bms-linux.tar.gz    for computers with systemd: the same two, and those for ARMv6 and x86-64 if they were built
#   dbus-bms_VERSION_ARCH.deb  for Debian, Raspberry Pi OS and Ubuntu
#   DbusBms-install.tar.gz   for SetupHelper's PackageManager, on a stick
#   install.sh               alone, for the one line over SSH
#   dbus-bms.cdx.json        bill of materials (CycloneDX)
#   SHA256SUMS
#
# If MINISIGN_KEY names the file of the secret key, cross/sign.sh signs it. The same sources and binaries give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

RELEASE=cross/out/release
GX_TARGETS=(armv7-unknown-linux-musleabihf aarch64-unknown-linux-musl)
# ALL_TARGETS=1, as for a release: those that are not for a GX must be there, too.
LINUX_TARGETS=("${GX_TARGETS[@]}")
for target in arm-unknown-linux-musleabihf x86_64-unknown-linux-musl; do
    if [ -n "${ALL_TARGETS:-}" ] || [ -x "cross/out/$target/dbus-bms" ]; then LINUX_TARGETS+=("$target"); fi
done
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Time of the last change; a fixed one outside of a checkout.
EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)}

die() { echo "cross/package.sh: $*" >&2; exit 1; }

tests/need.sh python3=python3

pack() { cross/pack.sh "$EPOCH" "$@"; }

# binaries FOLDER TARGET…: under the names expected by install.sh.
binaries() {
    local folder=$1 target cpu
    shift
    mkdir -p "$folder"
    for target; do
        [ -x "cross/out/$target/dbus-bms" ] || die "cross/out/$target/dbus-bms is missing: run cross/build.sh $target first"
        case $target in arm-*) cpu=armv6 ;; *) cpu=${target%%-*} ;; esac
        install -m755 "cross/out/$target/dbus-bms" "$folder/dbus-bms-$cpu"
    done
}

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
rm -rf "$RELEASE"
mkdir -p "$RELEASE"

setup=$stage/venus/dbus-bms-setup
binaries "$setup/bin" "${GX_TARGETS[@]}"
cp -r install.sh rc.local config.toml LICENSE service ports hub bank configured serial-starter.d "$setup/"
echo "$VERSION" >"$setup/VERSION"
mkdir "$setup/gui-v2"
gui-v2/build.py "$VERSION" "$setup/gui-v2/dbus-bms.json"
# What install.sh compares the files with, and what is signed.
(cd "$setup" && find . -type f | LC_ALL=C sort | xargs sha256sum >"$stage/MANIFEST" && mv "$stage/MANIFEST" .)
cp -r cross/rc "$stage/venus/rc"
pack "$RELEASE/venus-data.tar.gz" "$stage/venus" dbus-bms-setup rc

linux=$stage/linux/dbus-bms-$VERSION
binaries "$linux/bin" "${LINUX_TARGETS[@]}"
cp cross/linux/* config.toml LICENSE "$linux/"
# With the features and the profile of the tests, which have built nearly all of it.
cargo run --quiet --locked --all-features --example cli_files -- "$linux"
echo "$VERSION" >"$linux/VERSION"
pack "$RELEASE/dbus-bms-linux.tar.gz" "$stage/linux" "dbus-bms-$VERSION"

# Packages, and the folder that the container image is built in (not part of the release).
image=cross/out/container
rm -rf "$image"
mkdir -p "$image/state"
cp cross/container/Containerfile "$image/"
for program in "$linux"/bin/*; do
    case $program in
    *-armv7) debian=armhf docker=arm ;;
    *-aarch64) debian=arm64 docker=arm64 ;;
    *-x86_64) debian=amd64 docker=amd64 ;;
    *) continue ;;
    esac
    SOURCE_DATE_EPOCH=$EPOCH cross/deb.sh "$debian" "$program" "$linux" "$RELEASE"
    cp "$program" "$image/dbus-bms-$docker"
done

helper=$stage/helper/DbusBms
mkdir -p "$helper"
cp cross/setup-helper/* "$helper/"
echo "v$VERSION" >"$helper/version"
cp -r "$setup" "$helper/payload"
pack "$RELEASE/DbusBms-install.tar.gz" "$stage/helper" DbusBms

cp install.sh "$RELEASE/install.sh"
python3 cross/sbom.py "${LINUX_TARGETS[@]}" >"$RELEASE/dbus-bms.cdx.json"
(cd "$RELEASE" && sha256sum -- * >SHA256SUMS)
if [ -n "${MINISIGN_KEY:-}" ]; then
    cross/sign.sh "$PWD/$RELEASE"
else
    echo "cross/package.sh: THIS RELEASE IS NOT SIGNED. A signed installation accepts it only if its owner permits that." >&2
fi
echo "dbus-bms $VERSION in $RELEASE:"
(cd "$RELEASE" && stat -c '%9s  %n' -- *)
