#!/usr/bin/env bash
# cross/package.sh   packs a release into cross/out/release, from the binaries that cross/build.sh made for both targets
#
#   venus-data.tar.gz        for GX devices: USB stick, SFTP, and what install.sh downloads
#   dbus-bms-linux.tar.gz    for a Raspberry Pi with systemd
#   dbus-bms_VERSION_ARCH.deb  for Debian, Raspberry Pi OS and Ubuntu
#   DbusBms-install.tar.gz   for SetupHelper's PackageManager, on a stick
#   install.sh               alone, for the one line over SSH
#   dbus-bms.cdx.json        bill of materials (CycloneDX)
#   SHA256SUMS
#
# The same sources and binaries give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

RELEASE=cross/out/release
TARGETS=(armv7-unknown-linux-musleabihf aarch64-unknown-linux-musl)
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# Time of the last change; a fixed one outside of a checkout.
EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)}

die() { echo "cross/package.sh: $*" >&2; exit 1; }

tests/need.sh python3=python3

# pack ARCHIVE FOLDER MEMBER…: stores members under these names, because Venus OS expects rc/ and not ./rc/.
pack() {
    local archive=$1 folder=$2
    shift 2
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$EPOCH" --format=ustar --mode='u=rwX,go=rX' \
        -C "$folder" -cf - "$@" | gzip -9n >"$archive"
}

# binaries FOLDER: both, under the names expected by install.sh.
binaries() {
    mkdir -p "$1"
    for target in "${TARGETS[@]}"; do
        [ -x "cross/out/$target/dbus-bms" ] || die "cross/out/$target/dbus-bms is missing: run cross/build.sh $target first"
        install -m755 "cross/out/$target/dbus-bms" "$1/dbus-bms-${target%%-*}"
    done
}

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
rm -rf "$RELEASE"
mkdir -p "$RELEASE"

setup=$stage/venus/dbus-bms-setup
binaries "$setup/bin"
cp -r install.sh rc.local config.toml LICENSE service ports hub bank configured serial-starter.d "$setup/"
echo "$VERSION" >"$setup/VERSION"
mkdir "$setup/gui-v2"
gui-v2/build.py "$VERSION" "$setup/gui-v2/dbus-bms.json"
cp -r cross/rc "$stage/venus/rc"
pack "$RELEASE/venus-data.tar.gz" "$stage/venus" dbus-bms-setup rc

linux=$stage/linux/dbus-bms-$VERSION
binaries "$linux/bin"
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
python3 cross/sbom.py "${TARGETS[@]}" >"$RELEASE/dbus-bms.cdx.json"
(cd "$RELEASE" && sha256sum -- * >SHA256SUMS)
echo "dbus-bms $VERSION in $RELEASE:"
(cd "$RELEASE" && stat -c '%9s  %n' -- *)
