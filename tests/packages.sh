#!/usr/bin/env bash
# tests/packages.sh [container]   the Debian package, installed with dpkg on a throwaway copy of this computer: driver on the system
# bus, D-Bus policy, update, removal. `container` builds and starts the container image instead.
#
# The copy is an overlay over /, in a mount and process namespace of its own, which needs root and mounts (in a container:
# --privileged). Without them the package is built and looked at, and a line says that it was not installed.
# shellcheck disable=SC2016 # code for other shells in single quotes
set -euo pipefail
cd "$(dirname "$0")/.."
DRIVER=${DRIVER:-${CARGO_TARGET_DIR:-$PWD/target}/debug/dbus-bms}
[ -x "$DRIVER" ] || { echo "$DRIVER is missing: run cargo build first" >&2; exit 2; }
case ${1:-} in
'' | container | inside) ;;
*) echo "usage: tests/packages.sh [container]" >&2; exit 2 ;;
esac

if [ "${1:-}" != inside ]; then
    tests/need.sh dpkg-deb=dpkg adduser=adduser dbus-daemon=dbus-daemon dbus-send=dbus-bin systemd-analyze=systemd strip=binutils setpriv=util-linux
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    strip -o "$work/dbus-bms" "$DRIVER"
fi

if [ "${1:-}" = container ]; then
    tests/need.sh buildah=buildah ldd=libc-bin
    storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
    "$work/dbus-bms" simulate jbd --link "$work/battery" &
    board=$!
    trap 'kill "$board"; buildah "${storage[@]}" rm --all >/dev/null 2>&1; rm -rf "$work"' EXIT
    context=$work/context
    install -D "$work/dbus-bms" "$context/dbus-bms-amd64"
    mkdir "$context/state"
    cp cross/container/Containerfile "$context/"
    # A released program is static; the one of the tests may need the C library.
    { ldd "$work/dbus-bms" || true; } | grep -o '/[^ ]*' | while read -r library; do install -D "$(readlink -f "$library")" "$context/lib$library"; done
    [ ! -d "$context/lib" ] || echo 'COPY lib/ /' >>"$context/Containerfile"
    buildah "${storage[@]}" build --isolation chroot --build-arg TARGETARCH=amd64 -t dbus-bms "$context" >/dev/null
    box=$(buildah "${storage[@]}" from dbus-bms)
    start() { buildah "${storage[@]}" run --isolation chroot --volume /dev/pts:/dev/pts "$box" -- /usr/bin/dbus-bms "$@"; }
    for _ in $(seq 100); do [ ! -e "$work/battery" ] || break; sleep 0.1; done
    port=$(readlink -f "$work/battery")
    chmod 666 "$port"
    start --version
    start read "$port" --json | grep '"bms":"jbd"'
    # Without a configuration it says what is missing.
    if start run --no-dbus >"$work/said" 2>&1 || ! grep 'ports' "$work/said"; then
        cat "$work/said"
        exit 1
    fi
    echo "the container image works"
    exit
fi

if [ "${1:-}" != inside ]; then
    export DEB_COMPRESSION=none
    made=$work/made
    mkdir "$made"
    cargo run --quiet --locked --all-features --example cli_files -- "$made"
    cross/deb.sh amd64 "$work/dbus-bms" "$made" "$work/one"
    cross/deb.sh amd64 "$work/dbus-bms" "$made" "$work/same"
    cmp "$work"/one/*.deb "$work"/same/*.deb
    # The same as a newer version.
    dpkg-deb -R "$work"/one/*.deb "$work/newer"
    sed -i 's/^Version: .*/&+1/' "$work/newer/DEBIAN/control"
    echo '# newer default' >>"$work/newer/etc/dbus-bms/config.toml"
    dpkg-deb --root-owner-group -Znone -b "$work/newer" "$work/two.deb" >/dev/null

    dpkg-deb -f "$work"/one/*.deb Package Version Architecture Depends
    mkdir "$work/try"
    if ! unshare --mount --pid --fork sh -c 'cd "$1" && mount -t tmpfs tmpfs . && mkdir u w m && mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w m' \
        sh "$work/try"; then
        echo "SKIPPED: installing the Debian package. It needs root and mounts; in a container: --privileged" >&2
        exit
    fi
    unshare --mount --pid --fork --kill-child tests/packages.sh inside "$work"
    exit
fi

# ---- on the copy ---------------------------------------------------------------------------------------------------------------
work=$2
mkdir "$work/layer"
mount -t tmpfs -o size=600m tmpfs "$work/layer"
mkdir "$work"/layer/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/layer/upper,workdir=$work/layer/work" "$work/layer/root"
root=$work/layer/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
cp "$work"/one/*.deb "$root/tmp/one.deb"
cp "$work/two.deb" "$root/tmp/two.deb"
on() { chroot "$root" "$@"; }
as() { local user=$1; shift; on setpriv --reuid "$user" --regid "$(on id -g "$user")" --init-groups "$@"; }
not() { ! "$@"; }
say() { echo "package: $*"; }
die() { echo "package: FAILED: $*" >&2; [ ! -s "$work/driver" ] || tail -n 20 "$work/driver" >&2; exit 1; }
wait_for() {
    local what=$1 _
    shift
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    die "$what: $*"
}
files() { (cd "$root" && find etc usr var/lib -xdev ! -path 'var/lib/dpkg/*' ! -name __pycache__ | sort); }

on dpkg --force-depends -P dbus-bms >/dev/null 2>&1 || true
files >"$work/before"
on dpkg --force-confold -i /tmp/one.deb >/dev/null || die "dpkg -i"
on id dbus-bms >/dev/null || die "there is no user dbus-bms"
[ "$(on stat -c '%a %G' /etc/dbus-bms/config.toml)" = '640 dbus-bms' ] || die "others can read the configuration"
on systemd-analyze verify --man=no /usr/lib/systemd/system/dbus-bms.service /usr/lib/systemd/system/dbus-bms-{bank,hub}.service \
    /usr/lib/systemd/system/dbus-bms@ttyUSB0.service 2>&1 | grep dbus-bms && die "a unit is wrong"
say "installed; units are right"

# A battery, and the driver as its unit starts it.
mkdir -p "$root/run/dbus" "$root/var/lib/dbus-bms"
on chown dbus-bms /var/lib/dbus-bms
on dbus-daemon --system --fork --nopidfile
as dbus-bms /usr/bin/dbus-bms simulate jbd --link /tmp/ttySIM >/dev/null 2>&1 &
wait_for "the simulated battery" test -L "$root/tmp/ttySIM"
port=/tmp/ttySIM
sed -i "1i ports = [\"$port\"]" "$root/etc/dbus-bms/config.toml"
on dbus-bms config check /etc/dbus-bms/config.toml >/dev/null || die "the configuration"
unit=$root/usr/lib/systemd/system/dbus-bms.service
read -ra command <<<"$(sed -n 's/^ExecStart=//p' "$unit")"
read -ra environment <<<"$(sed -n 's/^Environment=//p' "$unit")"
as dbus-bms env "${environment[@]}" "${command[@]}" >"$work/driver" 2>&1 &
service=com.victronenergy.battery.$(basename "$port")
ask() { local user=$1; shift; as "$user" dbus-send --system --print-reply --dest="$service" "$@"; }
wait_for "a user reads the battery" ask nobody /Soc com.victronenergy.BusItem.GetValue
ask nobody /Soc com.victronenergy.BusItem.GetValue | grep -E 'double|int32' >/dev/null || die "no SoC"
ask nobody /CustomName com.victronenergy.BusItem.SetValue variant:string:mine 2>/dev/null && die "anybody may write"
ask root /CustomName com.victronenergy.BusItem.SetValue variant:string:mine >/dev/null || die "root may not write"
ask nobody /CustomName com.victronenergy.BusItem.GetValue | grep mine >/dev/null || die "the name is not set"
say "the driver is on the system bus as user dbus-bms; others read, root writes"

on dpkg --force-confold -i /tmp/two.deb >/dev/null 2>&1 || die "the update"
grep -q "$port" "$root/etc/dbus-bms/config.toml" || die "the update took the configuration"
wait_for "it goes on during an update" ask nobody /Soc com.victronenergy.BusItem.GetValue
say "updated; the configuration is kept"

# Of this process namespace only.
on pkill -x dbus-bms || true
wait_for 'the driver has ended' not on pgrep -x dbus-bms
on dpkg -r dbus-bms >/dev/null 2>&1 || die "dpkg -r"
[ ! -e "$root/usr/bin/dbus-bms" ] || die "the program is left"
grep -q "$port" "$root/etc/dbus-bms/config.toml" || die "removal took the configuration"
on dpkg -P dbus-bms >"$work/driver" 2>&1 || die "dpkg -P"
files >"$work/after"
diff "$work/before" "$work/after" | grep '^[<>]' && die "left behind"
on id dbus-bms >/dev/null 2>&1 && die "the user is left"
say "removed without a trace"
