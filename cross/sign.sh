#!/usr/bin/env bash
# cross/sign.sh [FOLDER [KEYS]]   signs the release in FOLDER (default cross/out/release) in place
#
# MINISIGN_KEY names the file of the secret key, made with `minisign -G` (docs/releasing.md). MINISIGN_PASSWORD is its password; without
# it, minisign asks if the key has one. Needs nothing but the archives: neither Rust nor the project's programs are run, so this can be
# done on another computer than the build.
#
#   venus-data.tar.gz            its MANIFEST is signed inside, for installations from a stick; then the archive
#   DbusBms-install.tar.gz       has the same MANIFEST, and gets the same signature
#   *.tar.gz, *.deb, SHA256SUMS  each gets a file .minisig
#
# KEYS (default cross/release-keys.txt) are the public keys of installed programs: a signature that they do not accept is refused here.
# The same archives and the same key give the same bytes.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
FOLDER=${1:-$ROOT/cross/out/release}
KEYS=${2:-$ROOT/cross/release-keys.txt}

die() { echo "cross/sign.sh: $*" >&2; exit 1; }

[ -r "${MINISIGN_KEY:-}" ] || die "MINISIGN_KEY must name the file of the secret key"
[ -f "$FOLDER/venus-data.tar.gz" ] || die "$FOLDER/venus-data.tar.gz is missing: run cross/package.sh first"
"$ROOT/tests/need.sh" minisign=minisign

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
tar xzf "$FOLDER/venus-data.tar.gz" -C "$stage"
setup=$stage/dbus-bms-setup
VERSION=$(head -n 1 "$setup/VERSION")

# sign FILE: and checks it as an installed program will; sets `known` to the key.
sign() {
    local key
    rm -f "$1.minisig"
    set -- "$1" minisign -S -s "$MINISIGN_KEY" -m "$1" -t "dbus-bms $VERSION ${1##*/}" -c "release of dbus-bms"
    if [ -n "${MINISIGN_PASSWORD:-}" ]; then "${@:2}" <<<"$MINISIGN_PASSWORD" >/dev/null; else "${@:2}"; fi
    known=
    while read -r key; do
        case $key in '' | '#'* | 'untrusted comment:'*) continue ;; esac
        ! minisign -Vq -P "$key" -m "$1" 2>/dev/null || known=$key
    done <"$KEYS"
    [ -n "$known" ] || die "installed programs would refuse this signature: its key is not in $KEYS"
}

sign "$setup/MANIFEST"
# A program that was built without the key could not be updated by what the key signs.
for program in "$setup"/bin/*; do
    grep -qaF "$known" "$program" || die "${program##*/} was built without the key $known"
done
"$ROOT/cross/pack.sh" "$(stat -c %Y "$setup/VERSION")" "$stage/venus-data.tar.gz" "$stage" dbus-bms-setup rc
mv "$stage/venus-data.tar.gz" "$FOLDER/venus-data.tar.gz"
if [ -f "$FOLDER/DbusBms-install.tar.gz" ]; then
    tar xzf "$FOLDER/DbusBms-install.tar.gz" -C "$stage"
    cmp -s "$setup/MANIFEST" "$stage/DbusBms/payload/MANIFEST" || die "DbusBms-install.tar.gz has other files than venus-data.tar.gz"
    cp -p "$setup/MANIFEST.minisig" "$stage/DbusBms/payload/"
    "$ROOT/cross/pack.sh" "$(stat -c %Y "$setup/VERSION")" "$FOLDER/DbusBms-install.tar.gz" "$stage" DbusBms
fi
for file in "$FOLDER"/*.tar.gz "$FOLDER"/*.deb; do [ ! -f "$file" ] || sign "$file"; done
(cd "$FOLDER" && find . -maxdepth 1 -type f ! -name 'SHA256SUMS*' ! -name '*.minisig' -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum -- >SHA256SUMS)
sign "$FOLDER/SHA256SUMS"
echo "dbus-bms $VERSION in $FOLDER is signed with the key $known"
