#!/usr/bin/env bash
# cross/deb.sh ARCH PROGRAM MADE FOLDER   packs a Debian package into FOLDER
#
#   ARCH      armhf, arm64 or amd64
#   PROGRAM   dbus-bms for this processor
#   MADE      folder with man pages and completions, made by the example `cli_files`
#
# The units and the D-Bus policy are those of the Linux archive, with the paths of a package. DEB_COMPRESSION is xz, or none, which is
# faster. The same input gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -eq 4 ] || { echo "usage: cross/deb.sh ARCH PROGRAM MADE FOLDER" >&2; exit 2; }
ARCH=$1 PROGRAM=$2 MADE=$3 FOLDER=$4
tests/need.sh dpkg-deb=dpkg
# A version such as 1.0.0-rc1 comes before 1.0.0.
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1 | tr - '~')
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
doc=$root/usr/share/doc/dbus-bms

install -Dm755 "$PROGRAM" "$root/usr/bin/dbus-bms"
install -Dm644 config.toml "$root/etc/dbus-bms/config.toml"
install -Dm644 -t "$root/usr/share/dbus-1/system.d" cross/linux/dbus-bms.conf
install -Dm644 -t "$root/usr/lib/udev/rules.d" cross/deb/60-dbus-bms.rules
install -Dm644 -t "$root/usr/lib/systemd/system" cross/linux/*.service
install -Dm644 -t "$root/usr/share/man/man1" "$MADE"/man/*.1
install -Dm644 "$MADE/completions/dbus-bms.bash" "$root/usr/share/bash-completion/completions/dbus-bms"
install -Dm644 LICENSE "$doc/copyright"
install -Dm644 -t "$doc" cross/linux/INSTALL.md
install -Dm644 -t "$doc" docs/release-notes.md
printf 'dbus-bms (%s) stable; urgency=medium\n\n  * release-notes.md says what is different.\n\n -- dbus-bms <noreply@github.com>  %s\n' \
    "$VERSION" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$doc/changelog"
gzip -9n "$doc/changelog" "$root"/usr/share/man/man1/*.1
sed -i 's,/usr/local/,/usr/,g' "$root"/usr/lib/systemd/system/*.service

mkdir "$root/DEBIAN"
install -m755 -t "$root/DEBIAN" cross/deb/{postinst,prerm,postrm}
echo /etc/dbus-bms/config.toml >"$root/DEBIAN/conffiles"
sed "s/@VERSION@/$VERSION/; s/@ARCH@/$ARCH/; s/@SIZE@/$(du -sk --apparent-size "$root" | cut -f1)/" cross/deb/control >"$root/DEBIAN/control"
(cd "$root" && find etc usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "$FOLDER"
dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$root" "$FOLDER/dbus-bms_${VERSION}_$ARCH.deb" >/dev/null
