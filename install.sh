#!/bin/sh
# install.sh [install|update|uninstall] [OPTIONS]   dbus-bms on a Victron GX device
#
#   install                  (or nothing) installs the driver, or repairs an incomplete installation
#   update                   downloads and installs the newest version
#   uninstall                removes the driver; configuration and history stay
#     --purge                removes these, too
#   --root DIR               works on the file system in DIR; starts and stops nothing
#   --replace-serialbattery  disables dbus-serialbattery without asking; its files stay, uninstall enables it again
#   --keep-serialbattery     lets both drivers try the ports
#   --allow-unsigned         replaces a signed version by a package that no known release key has signed
#   --allow-downgrade        replaces the installed version by an older one
#
# Runs from an unpacked venus-data.tar.gz, from a source folder with a build in it, or alone: then it downloads the package from
# DBUS_BMS_URL. Plain sh, which every GX device has.
# shellcheck disable=SC2015 # `… && … || die`: nothing goes on behind die
set -u

URL=${DBUS_BMS_URL:-https://github.com/dbus-bms/dbus-bms/releases/latest/download}
ARCHIVE=venus-data.tar.gz
OLDEST=2.90
# Minimum free space on /data, kB: both versions during an update, and the device's own needs.
SPACE=8192
MARK='# dbus-bms'

say() { echo "$*"; }
warn() { echo "install.sh: $*" >&2; }
die() {
    warn "$*"
    exit 1
}
# unless_scratch SENTENCE: fails on a device, only warns in a scratch root.
unless_scratch() { if [ -n "$ROOT" ]; then warn "$*"; else die "$*"; fi; }

show_help() {
    cat <<'END'
usage: install.sh [install|update|uninstall] [OPTIONS]

  install     (default) installs dbus-bms on this GX device, or repairs an installation
  update      downloads and installs the latest version
  uninstall   removes dbus-bms; your configuration and history stay

  --purge                  uninstall: also deletes configuration and history
  --replace-serialbattery  disables dbus-serialbattery without asking; its files stay, uninstall enables it again
  --keep-serialbattery     lets both drivers try the ports
  --allow-unsigned         replaces a signed version by a package that no known release key has signed
  --allow-downgrade        replaces the installed version by an older one
  --root DIR               works on the file system in DIR; starts and stops nothing
  --help                   shows this text

The environment variable DBUS_BMS_URL sets where the package is downloaded from.
END
}

usage() {
    show_help >&2
    exit 2
}

read_arguments() {
    COMMAND='' ROOT='' PURGE='' BESIDE=''
    while [ $# -gt 0 ]; do
        case $1 in
        install | update | uninstall)
            [ -z "$COMMAND" ] || usage
            COMMAND=$1
            ;;
        --root)
            [ $# -ge 2 ] && [ -d "$2" ] || die "--root needs an existing folder"
            ROOT=$(cd "$2" && pwd)
            [ "$ROOT" != / ] || ROOT=
            shift
            ;;
        --root=*)
            [ -d "${1#--root=}" ] || die "--root needs an existing folder"
            ROOT=$(cd "${1#--root=}" && pwd)
            [ "$ROOT" != / ] || ROOT=
            ;;
        --purge) PURGE=1 ;;
        --replace-serialbattery) BESIDE=replace ;;
        --keep-serialbattery) BESIDE=keep ;;
        --allow-unsigned | --allow-downgrade) DBUS_BMS_ALLOW="${DBUS_BMS_ALLOW:-} ${1#--allow-}" ;;
        -h | --help)
            show_help
            exit 0
            ;;
        *) usage ;;
        esac
        shift
    done
    COMMAND=${COMMAND:-install}
    [ -z "$PURGE" ] || [ "$COMMAND" = uninstall ] || usage
    DATA=$ROOT/data
    APPS=$DATA/apps
    APP=$APPS/dbus-bms
    CONF=$DATA/conf/dbus-bms
    CONFIG=$CONF/config.toml
    # List of the folders that did not exist before the installation, to be removed with it.
    MADE=$CONF/.made
    REPLACED=$CONF/replaced-programs
}

# ---- the device ----------------------------------------------------------------------------------------------------------

# Prints which binary this device needs.
cpu() {
    case $(uname -m) in
    armv7l | armv8l) echo armv7 ;;
    aarch64) echo aarch64 ;;
    *) echo ;;
    esac
}

check_device() {
    [ -n "$ROOT" ] || [ "$(id -u)" -eq 0 ] || die "this needs root: log in as root"
    version_file=$ROOT/opt/victronenergy/version
    if [ -r "$version_file" ]; then
        version=$(head -n 1 "$version_file")
        if ! echo "$version" | awk -v oldest="$OLDEST" '
            { sub(/^v/, ""); split($0, is, /[.~-]/); split(oldest, least, ".")
              exit !(is[1] > least[1] + 0 || (is[1] == least[1] + 0 && is[2] + 0 >= least[2] + 0)) }'; then
            unless_scratch "Venus OS $version is too old: dbus-bms needs v$OLDEST or newer. Update the firmware first (Settings, Firmware, Online updates)."
        fi
    else
        unless_scratch "this is not Venus OS: $version_file is missing. On other computers see INSTALL.md in dbus-bms-linux.tar.gz."
    fi
    [ -n "$(cpu)" ] || unless_scratch "no binary for this processor ($(uname -m)): dbus-bms comes for armv7l and aarch64."
    # A scratch root may be empty.
    place=$DATA
    [ -d "$place" ] || place=$ROOT/
    space=$(df -Pk "$place" | awk 'NR == 2 { print $4 }')
    [ "${space:-0}" -ge "$SPACE" ] ||
        unless_scratch "only ${space:-0} kB are free on /data, but $SPACE kB are needed: delete something there (the largest files are usually in /data/log)."
}

# ---- the payload: all files to install ----------------------------------------------------------------------------------

# The folder of this script, if it exists and was not piped into a shell.
find_here() {
    HERE=
    case $0 in
    */install.sh) HERE=$(cd "$(dirname "$0")" && pwd -P) ;;
    install.sh) HERE=$(pwd -P) ;;
    esac
    [ -n "$HERE" ] && [ -f "$HERE/install.sh" ] && [ -f "$HERE/service/run" ] || HERE=
}

is_installed_copy() { [ -n "$HERE" ] && [ "$HERE" = "$(cd "$APP" 2>/dev/null && pwd -P)" ]; }

# Prints the driver file for this device, if there is one.
find_binary() {
    cpu=$(cpu)
    # In a scratch root on a computer: the file for nearly all GX devices.
    for file in "$HERE/bin/dbus-bms-${cpu:-armv7}" "$HERE/bin/dbus-bms"; do
        [ ! -f "$file" ] || { echo "$file"; return; }
    done
    case $cpu in
    armv7) targets="cross/out/armv7-unknown-linux-musleabihf" ;;
    aarch64) targets="cross/out/aarch64-unknown-linux-musl" ;;
    *) targets="cross/out/armv7-unknown-linux-musleabihf ${CARGO_TARGET_DIR:-target}/release ${CARGO_TARGET_DIR:-target}/debug" ;;
    esac
    for target in $targets; do
        case $target in /*) ;; *) target=$HERE/$target ;; esac
        [ ! -f "$target/dbus-bms" ] || { echo "$target/dbus-bms"; return; }
    done
}

find_version() {
    if [ -f "$HERE/VERSION" ]; then head -n 1 "$HERE/VERSION"; else sed -n 's/^version = "\(.*\)"/\1/p' "$HERE/Cargo.toml" | head -n 1; fi
}

# An incomplete payload, or one without a version, is refused before anything is changed: it could not be distinguished from
# another.
check_payload() {
    binary=$(find_binary)
    [ -n "$binary" ] || die "$HERE has no driver for this device; build one with cross/build.sh"
    case $(find_version 2>/dev/null) in
    '' | *[!0-9A-Za-z.+~-]*) die "$HERE has no version, so the package is incomplete; unpack $ARCHIVE again" ;;
    esac
}

# ---- whether a package may replace the installed version ------------------------------------------------------------------

# allowed unsigned|downgrade: by an option, or by an empty file on the stick (rc/post-hook.sh).
allowed() { case " ${DBUS_BMS_ALLOW:-} " in *" $1 "*) true ;; *) false ;; esac; }

# judge FILE: sets `said` to what the installed program says about the file's signature; returns 0 for a valid one, 1 for a wrong one,
# 3 if nothing known has signed it.
judge() {
    said="nothing is installed that could check it"
    [ -x "$APP/bin/dbus-bms" ] || return 3
    said=$("$APP/bin/dbus-bms" verify "$1" 2>&1)
    code=$?
    said=${said#"$1: "}
    case $code in 0 | 1 | 3) return "$code" ;; esac
    said="the installed version cannot check signatures"
    return 3
}

# require_released FILE: fails unless FILE may replace the installed version. A signed version is replaced by a signed one only.
require_released() {
    if [ -f "$1" ]; then
        judge "$1"
        verdict=$?
    else
        said="the package has no ${1##*/}"
        verdict=3
    fi
    case $verdict in
    0) say "Signature: $said" ;;
    1) die "not installed: the package is refused, $said" ;;
    *)
        [ -f "$APP/SIGNED" ] || { say "Signature: not checked: $said" && return; }
        allowed unsigned ||
            die "not installed: the installed version is signed, this package is not known to be: $said. If you trust its source and want it nevertheless: option --allow-unsigned, or an empty file dbus-bms-unsigned on the stick."
        say "Signature: not valid, and you allowed that: $said"
        ;;
    esac
}

# is_older VERSION OTHER: by the rules of semantic versioning (1.2.0-rc.1 comes before 1.2.0).
is_older() {
    awk -v one="$1" -v two="$2" '
        function compare(a, b) {
            if (a ~ /^[0-9]+$/ && b ~ /^[0-9]+$/) return (a + 0 > b + 0) - (a + 0 < b + 0)
            return (a "" > b "") - (a "" < b "")
        }
        function order(a, b,    i, n, m, x, y, result) {
            n = split(a, x, "."); m = split(b, y, ".")
            for (i = 1; i <= n || i <= m; i++) {
                if (i > n) return -1
                if (i > m) return 1
                if ((result = compare(x[i], y[i])) != 0) return result
            }
            return 0
        }
        function early(v) { return v ~ /-/ ? substr(v, index(v, "-") + 1) : "" }
        BEGIN {
            sub(/[+].*/, "", one); sub(/[+].*/, "", two)
            a = early(one); b = early(two)
            sub(/-.*/, "", one); sub(/-.*/, "", two)
            result = order(one, two)
            if (result == 0 && a != b) result = a == "" ? 1 : b == "" ? -1 : order(a, b)
            exit !(result < 0)
        }' </dev/null
}

# require_newer VERSION: fails if that is older than the installed one.
require_newer() {
    present=$(head -n 1 "$APP/VERSION" 2>/dev/null)
    [ -n "$present" ] && is_older "$1" "$present" || return 0
    allowed downgrade ||
        die "not installed: version $1 is older than the installed $present. If you want it nevertheless: option --allow-downgrade, or an empty file dbus-bms-downgrade on the stick."
    say "Version $1 is older than the installed $present, and you allowed that."
}

sum_of() { { sha256sum "$1" || openssl dgst -sha256 -r "$1"; } 2>/dev/null | cut -d' ' -f1; }

# The files of a package must be those in its MANIFEST, no more and no less. A source folder has none.
check_manifest() {
    [ -f "$HERE/MANIFEST" ] || return 0
    present=$(cd "$HERE" && find . ! -type d ! -name 'MANIFEST*' | sort)
    listed=$(sed 's/^[^ ]*  //' "$HERE/MANIFEST" | sort)
    [ "$present" = "$listed" ] || die "not installed: the package is damaged, its files are not those in its MANIFEST. Copy or download it again."
    while read -r right file; do
        [ "$right" = "$(sum_of "$HERE/$file")" ] || die "not installed: the package is damaged or was altered: $file is not as in its MANIFEST. Copy or download it again."
    done <"$HERE/MANIFEST"
}

check_origin() {
    check_manifest
    require_released "$HERE/MANIFEST"
    require_newer "$(find_version)"
}

# mark_signed FOLDER: a version that recognises its own package as signed is replaced by a signed one only.
mark_signed() {
    own=$("$1/bin/dbus-bms" verify "$HERE/MANIFEST" 2>/dev/null) || return 0
    echo "${own#"$HERE/MANIFEST: "}" >"$1/SIGNED"
}

# ---- download --------------------------------------------------------------------------------------------------------------

get() { if command -v curl >/dev/null; then curl -fsSL -o "$2" "$1"; else wget -q -O "$2" "$1"; fi; }

fetch() {
    get "$1" "$2" ||
        die "cannot download $1. Check that the device is online and its clock is correct, or copy $ARCHIVE to it (see the README)."
}

# Downloads the package, and runs its own installer.
download_and_run() {
    folder=$DATA/.dbus-bms-download
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 1' HUP INT TERM
    rm -rf "$folder"
    mkdir -p "$folder" || die "cannot write to $DATA"
    say "Downloading $URL/$ARCHIVE"
    fetch "$URL/SHA256SUMS" "$folder/SHA256SUMS"
    fetch "$URL/$ARCHIVE" "$folder/$ARCHIVE"
    # Releases before the first signed one have none.
    get "$URL/$ARCHIVE.minisig" "$folder/$ARCHIVE.minisig" 2>/dev/null || rm -f "$folder/$ARCHIVE.minisig"
    right=$(awk -v name="$ARCHIVE" '$2 == name || $2 == "*" name { print $1 }' "$folder/SHA256SUMS")
    got=$(sum_of "$folder/$ARCHIVE")
    [ -n "$right" ] && [ "$right" = "$got" ] || die "the download is damaged: its checksum is $got, expected ${right:-one in SHA256SUMS}. Try again."
    # Before any part of it is unpacked or run. The version is that of the signed archive.
    require_released "$folder/$ARCHIVE"
    require_newer "$(tar xzOf "$folder/$ARCHIVE" dbus-bms-setup/VERSION 2>/dev/null | head -n 1)"
    # Not by its name: the platform defines the member names, and rc is for the stick.
    tar xzf "$folder/$ARCHIVE" -C "$folder" dbus-bms-setup || die "cannot unpack the download; try again"
    rm -f "$folder/$ARCHIVE"
    set -- "$COMMAND"
    [ -z "$ROOT" ] || set -- "$@" --root "$ROOT"
    [ -z "$BESIDE" ] || set -- "$@" "--$BESIDE-serialbattery"
    # Not as options: an older installer would not know them.
    export DBUS_BMS_ALLOW="${DBUS_BMS_ALLOW:-}"
    sh "$folder/dbus-bms-setup/install.sh" "$@" </dev/null
    exit
}

# ---- coexistence with another driver -------------------------------------------------------------------------------------

# The names of dbus-serialbattery in serial-starter, one per line; empty without it.
serialbattery_program() {
    for file in "$ROOT/etc/venus/serial-starter.conf" "$DATA"/conf/serial-starter.d/*.conf; do
        [ -r "$file" ] && awk '{ sub(/\r$/, "") } $1 == "service" && $3 == "dbus-serialbattery" && !seen[$2]++ { print $2 }' "$file"
    done | sort -u
}

decide_on_serialbattery() {
    program=$(serialbattery_program)
    [ -n "$program" ] || return 0
    [ "$BESIDE" != keep ] || rm -f "$REPLACED"
    [ ! -e "$REPLACED" ] || return 0
    if [ -z "$BESIDE" ] && [ -z "$ROOT" ] && (: </dev/tty) 2>/dev/null; then
        say "dbus-serialbattery is installed. Both drivers would search for the same batteries, and the first one keeps them."
        printf 'Disable dbus-serialbattery? Its files stay, and uninstalling dbus-bms enables it again. [Y/n] '
        read -r answer </dev/tty
        case $answer in [nN]*) BESIDE=keep ;; *) BESIDE=replace ;; esac
    fi
    case $BESIDE in
    replace)
        echo "$program" >"$REPLACED"
        say "dbus-serialbattery is now disabled on serial ports (its Bluetooth and CAN batteries are not affected)."
        ;;
    keep) ;;
    *)
        say "dbus-serialbattery is installed and remains enabled: the driver that finds a battery first keeps it."
        say "To disable it: $APP/install.sh install --replace-serialbattery"
        ;;
    esac
}

# Its settings are offered as long as ours are unedited.
offer_settings() {
    for old in "$APPS/dbus-serialbattery/config.ini" "$DATA/etc/dbus-serialbattery/config.ini"; do
        [ ! -r "$old" ] || break
    done
    [ -r "$old" ] && cmp -s "$APP/config.toml" "$CONFIG" || return 0
    if [ -z "$ROOT" ] && (: </dev/tty) 2>/dev/null; then
        printf 'Import the settings of dbus-serialbattery? All differences will be listed. [Y/n] '
        read -r answer </dev/tty
        case $answer in [nN]*) return 0 ;; esac
        rm -f "$CONFIG.new"
        if "$APP/bin/dbus-bms" config migrate "$old" --to "$CONFIG.new" && mv -f "$CONFIG.new" "$CONFIG"; then
            say "The settings are now in ${CONFIG#"$ROOT"}, with the list of differences at its end."
            return 0
        fi
    fi
    say "To import the settings of dbus-serialbattery, first preview the result:"
    say "  /data/apps/dbus-bms/bin/dbus-bms config migrate ${old#"$ROOT"}"
}

# ---- installing ----------------------------------------------------------------------------------------------------------

make_folders() {
    [ -d "$DATA" ] || mkdir -p "$DATA" || die "cannot write to $DATA"
    # Old releases of serial-starter had this as a file.
    if [ -f "$DATA/conf/serial-starter.d" ]; then
        mv "$DATA/conf/serial-starter.d" "$DATA/conf/serial-starter.d.file"
        mkdir "$DATA/conf/serial-starter.d" && mv "$DATA/conf/serial-starter.d.file" "$DATA/conf/serial-starter.d/serial-starter.conf"
    fi
    made=$(cat "$MADE" 2>/dev/null)
    for place in apps conf conf/serial-starter.d rc.local rcS.local; do
        [ -e "$DATA/$place" ] || was_made "$place" || made="$made $place"
    done
    mkdir -p "$APPS" "$CONF" "$DATA/conf/serial-starter.d" || die "cannot write to $DATA"
    keep_made "$made"
}

was_made() { grep -qx "$1" "$MADE" 2>/dev/null; }

# keep_made PLACES: records what to remove with the driver.
keep_made() {
    for place in $1; do echo "$place"; done >"$MADE.new" && mv -f "$MADE.new" "$MADE" || die "cannot write to $CONF"
}

# Fills a folder with the new version, which is not in use yet.
fill() {
    slot=$1 binary=$2
    rm -rf "$slot"
    mkdir -p "$slot/bin" "$slot/service/log" "$slot/ports" "$slot/hub/log" "$slot/bank/log" "$slot/configured/log" \
        "$slot/serial-starter.d" &&
        cp "$binary" "$slot/bin/dbus-bms" &&
        cp "$HERE/install.sh" "$HERE/rc.local" "$HERE/config.toml" "$HERE/LICENSE" "$slot/" &&
        cp "$HERE/service/run" "$HERE/service/down" "$HERE/service/drive.sh" "$slot/service/" &&
        cp "$HERE/service/log/run" "$HERE/service/log/down" "$slot/service/log/" &&
        cp "$HERE/ports/run" "$slot/ports/" &&
        cp "$HERE/hub/run" "$slot/hub/" &&
        cp "$HERE/hub/log/run" "$slot/hub/log/" &&
        cp "$HERE/bank/run" "$slot/bank/" &&
        cp "$HERE/bank/log/run" "$slot/bank/log/" &&
        cp "$HERE/configured/run" "$slot/configured/" &&
        cp "$HERE/configured/log/run" "$slot/configured/log/" &&
        fill_plugin "$slot" &&
        cp "$HERE/serial-starter.d/merge.awk" "$HERE/serial-starter.d/zz-dbus-bms.conf" "$slot/serial-starter.d/" &&
        find_version >"$slot/VERSION" &&
        chmod 755 "$slot/bin/dbus-bms" "$slot/install.sh" "$slot/rc.local" "$slot/service/run" "$slot/service/log/run" \
            "$slot/ports/run" "$slot/hub/run" "$slot/hub/log/run" "$slot/bank/run" "$slot/bank/log/run" \
            "$slot/configured/run" "$slot/configured/log/run" &&
        mark_signed "$slot" &&
        sync
}

# The pages for the GX's own screen: part of a release; in a source folder gui-v2/build.py creates them.
fill_plugin() {
    [ -f "$HERE/gui-v2/dbus-bms.json" ] || return 0
    mkdir -p "$1/gui-v2" && cp "$HERE/gui-v2/dbus-bms.json" "$1/gui-v2/"
}

# Whether the new version runs here, and accepts the present configuration.
try_out() {
    says=$("$1/bin/dbus-bms" --version 2>&1) || { unless_scratch "the new version does not run on this device: $says"; return 0; }
    # A recorded reply of a JBD board.
    says=$(echo dd03001d060b000001ed01f400002c7c00000000100080630204030ba00b9d0b98fa5577 | "$1/bin/dbus-bms" decode --bms jbd 2>&1) ||
        { unless_scratch "the new version fails its test on this device: $says"; return 0; }
    [ ! -f "$CONFIG" ] || says=$("$1/bin/dbus-bms" config check "$CONFIG" 2>&1) ||
        unless_scratch "the new version rejects your configuration: $says. Nothing was changed; correct $CONFIG first."
}

# Names and contents of all files below a folder.
contents() { (cd "$1" && find . -type f | sort | xargs md5sum); }

# Activates the new version with one rename: other processes see either the old or the new version, complete.
put_in_place() {
    current=$(readlink "$APP" 2>/dev/null)
    case $current in *-a) next=.dbus-bms-b ;; *) next=.dbus-bms-a ;; esac
    fill "$APPS/$next" "$1" || { rm -rf "${APPS:?}/$next"; die "cannot copy the new version to $APPS; check that /data is neither full nor read-only"; }
    if [ -n "$current" ] && [ "$(contents "$APP/")" = "$(contents "$APPS/$next")" ]; then
        rm -rf "${APPS:?}/$next"
        say "dbus-bms $(cat "$APP/VERSION") is already installed."
        return
    fi
    (try_out "$APPS/$next") || { rm -rf "${APPS:?}/$next"; exit 1; }
    [ -z "$current" ] || say "Replacing version $(cat "$APP/VERSION")."
    # An earlier kind of installation had a folder here.
    [ -L "$APP" ] || rm -rf "$APP"
    rm -rf "$APPS/.dbus-bms-link"
    mkdir "$APPS/.dbus-bms-link" && ln -s "$next" "$APPS/.dbus-bms-link/dbus-bms" && mv -f "$APPS/.dbus-bms-link/dbus-bms" "$APPS/" ||
        die "cannot activate the new version in $APPS; run install.sh again"
    sync
    rmdir "$APPS/.dbus-bms-link"
    [ -z "$current" ] || rm -rf "${APPS:?}/$current"
    say "Installed dbus-bms $(cat "$APP/VERSION") in $APP."
    CHANGED=1
}

# The default configuration; a newer one only replaces one that was not edited.
put_config() {
    if [ ! -e "$CONFIG" ] || { [ -n "${OLD_CONFIG:-}" ] && [ "$OLD_CONFIG" = "$(cat "$CONFIG")" ]; }; then
        cmp -s "$APP/config.toml" "$CONFIG" || { cp "$APP/config.toml" "$CONFIG.new" && mv -f "$CONFIG.new" "$CONFIG"; }
    fi
}

# hook FILE WHEN: one line right after the first one, before any `exit` of other code.
hook() {
    line="[ ! -x /data/apps/dbus-bms/rc.local ] || /data/apps/dbus-bms/rc.local $2 || true $MARK"
    if [ ! -e "$1" ]; then
        printf '#!/bin/bash\n%s\n' "$line" >"$1.dbus-bms" && chmod 755 "$1.dbus-bms" && mv -f "$1.dbus-bms" "$1" || die "cannot write $1"
        return
    fi
    [ -x "$1" ] || warn "$1 is not executable, so Venus OS does not run it: chmod +x $1"
    ! grep -qxF "$line" "$1" || return 0
    unhook "$1"
    cp -p "$1" "$1.dbus-bms" &&
        case $(head -n 1 "$1") in
        '#!'*) { head -n 1 "$1" && echo "$line" && tail -n +2 "$1"; } >"$1.dbus-bms" ;;
        *) { echo "$line" && cat "$1"; } >"$1.dbus-bms" ;;
        esac && mv -f "$1.dbus-bms" "$1" || die "cannot write $1"
}

# unhook FILE: removes our lines. All others stay byte by byte, even a last one without line end.
unhook() {
    [ -e "$1" ] || return 0
    while number=$(grep -n "/data/apps/dbus-bms/rc.local .*$MARK\$" "$1" | head -n 1 | cut -d: -f1) && [ -n "$number" ]; do
        cp -p "$1" "$1.dbus-bms" &&
            { head -n $((number - 1)) "$1" && tail -n +$((number + 1)) "$1"; } >"$1.dbus-bms" &&
            mv -f "$1.dbus-bms" "$1" || die "cannot write $1"
    done
}

# remove_hook FILE: also removes the file, if we created it and it has no other content.
remove_hook() {
    unhook "$1"
    name=${1#"$DATA"/}
    if was_made "${name%.disabled}" && [ "$(cat "$1" 2>/dev/null)" = '#!/bin/bash' ]; then rm -f "$1"; fi
}

install() {
    check_device
    is_installed_copy || { check_payload && check_origin; }
    make_folders
    # Left over from an interrupted installation.
    rm -rf "$APPS/.dbus-bms-link"
    decide_on_serialbattery
    OLD_CONFIG=$(cat "$APP/config.toml" 2>/dev/null)
    CHANGED=
    # The hooks come first: without the driver they do nothing, and the driver is complete once it exists.
    hook "$DATA/rcS.local" early
    hook "$DATA/rc.local" late
    if ! is_installed_copy; then
        put_in_place "$binary"
    fi
    put_config
    offer_settings
    sh "$APP/rc.local" ${ROOT:+--root "$ROOT"} now || die "cannot set up serial-starter; see the messages above"
    [ -n "$ROOT" ] || { stop_replaced; renew_services; }
    tell
}

# ---- services on a running device -----------------------------------------------------------------------------------------

LOCKS=/var/lock/serial-starter
CACHE=/data/var/lib/serial-starter

is_supervised() { case $(svstat "$1" 2>/dev/null) in *': up '* | *': down '*) true ;; *) false ;; esac; }

# stop_service NAME: NAME is as in /service, program.tty. Frees the port's lock if the service ended without doing so.
stop_service() {
    tty=${1##*.}
    place=$(readlink "/service/$1") || place=/service/$1
    lock=$(ls -di "$LOCKS/$tty" 2>/dev/null)
    rm -f "/service/$1"
    svc -dx "$place" 2>/dev/null
    [ ! -d "$place/log" ] || svc -dx "$place/log" 2>/dev/null
    wait=0
    while is_supervised "$place" && [ "$wait" -lt 10 ]; do
        sleep 1
        wait=$((wait + 1))
    done
    # Still the same lock: no other process can have taken it meanwhile.
    [ -z "$lock" ] || [ "$lock" != "$(ls -di "$LOCKS/$tty" 2>/dev/null)" ] || rm -f "$LOCKS/$tty"
    case $place in /var/volatile/services/*) rm -rf "$place" ;; esac
}

# offer TTY: a port that a udev rule assigns to one program permanently is not offered again when that program ends. This offers it
# again, as udev does when it is plugged in.
offer() {
    [ -d /dev/serial-starter ] && [ -e "/dev/$1" ] || return 0
    [ -e "/dev/serial-starter/$1" ] || ln -sfn "../$1" "/dev/serial-starter/$1"
}

is_up() { case $(svstat "$1" 2>/dev/null) in *': up '*) true ;; *) false ;; esac; }

# The other driver's services end; its ports are ours in their next turn.
stop_replaced() {
    [ -s "$REPLACED" ] || return 0
    for cached in "$CACHE"/*; do
        [ -f "$cached" ] && grep -qxF -f "$REPLACED" "$cached" || continue
        echo dbusbms >"$cached"
        rm -f "/tmp/${cached##*/}.prog"
    done
    for service in /service/dbus-serialbattery.*; do
        [ -e "$service" ] || [ -L "$service" ] || continue
        up=
        ! is_up "$service" || up=1
        stop_service "${service##*/}"
        [ -z "$up" ] || offer "${service##*.}"
    done
}

# Running services switch to the new version without releasing their ports.
renew_services() {
    [ -n "$CHANGED" ] || return 0
    for service in /service/dbus-bms.*; do
        [ ! -e "$service/run" ] || svc -t "$service" 2>/dev/null
    done
}

stop_ours() {
    served=
    for service in /service/dbus-bms.*; do
        [ -e "$service" ] || [ -L "$service" ] || continue
        ! is_up "$service" || served="$served ${service##*.}"
        stop_service "${service##*/}"
    done
    # A driver whose supervisor was killed, and hooks that are still waiting.
    for process in /proc/[0-9]*; do
        case $(readlink "$process/exe" 2>/dev/null),$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) in
        /data/apps/.dbus-bms-?/bin/dbus-bms* | *" /data/apps/dbus-bms/rc.local late "* | *" /data/apps/dbus-bms/rc.local watch "*) kill "${process##*/}" 2>/dev/null ;;
        esac
    done
    for file in "$CACHE"/* /tmp/*.prog; do
        [ -f "$file" ] && [ "$(cat "$file")" = dbusbms ] || continue
        if [ -s "$REPLACED" ]; then head -n 1 "$REPLACED" >"$file"; else rm -f "$file"; fi
    done
    rm -rf /run/serial-starter/dbusbms /var/volatile/services/dbus-bms.*
    for tty in $served; do offer "$tty"; done
}

# ---- uninstalling ----------------------------------------------------------------------------------------------------------

uninstall() {
    setup=$APP
    [ -f "$setup/rc.local" ] || setup=$HERE
    if [ -n "$setup" ] && [ -f "$setup/rc.local" ]; then
        sh "$setup/rc.local" ${ROOT:+--root "$ROOT"} remove
    else
        rm -f "$DATA/conf/serial-starter.d/zz-dbus-bms.conf"
    fi
    [ -n "$ROOT" ] || { stop_ours; give_back; }
    offer_release
    # The device's settings pages can disable both files, which renames them.
    for file in rcS.local rc.local; do
        remove_hook "$DATA/$file"
        remove_hook "$DATA/$file.disabled"
    done
    # A folder that is a link belongs to someone else: --purge removes the link and does not follow it.
    linked=
    [ -z "$PURGE" ] || linked=$(readlink "$CONF")
    [ ! -e "$REPLACED" ] || say "dbus-serialbattery is enabled again."
    if [ -z "$linked" ]; then
        if [ -f "$CONFIG" ] && { cmp -s "$APP/config.toml" "$CONFIG" || [ -n "$PURGE" ]; }; then rm -f "$CONFIG"; fi
        rm -f "$REPLACED"
        rm -rf "${CONF:?}/flight-recorder"
    fi
    rm -f "$APP"
    rm -rf "$APPS/.dbus-bms-a" "$APPS/.dbus-bms-b" "$APPS/.dbus-bms-link" "$DATA/.dbus-bms-download"
    # Not in a scratch root such as /var/log: it may point outside of it.
    rm -rf "$DATA"/log/dbus-bms.*
    [ -n "$ROOT" ] || rm -rf /var/log/dbus-bms.*
    if [ -n "$PURGE" ]; then
        forget_settings
        [ -n "$linked" ] || rm -rf "${CONF:?}"/*
    fi
    was_made conf/serial-starter.d && rmdir "$DATA/conf/serial-starter.d" 2>/dev/null
    was_made apps && rmdir "$APPS" 2>/dev/null
    kept=$(ls "$CONF" 2>/dev/null)
    if [ -z "$kept" ] || [ -n "$linked" ]; then
        made=$(cat "$MADE" 2>/dev/null)
        if [ -n "$linked" ]; then
            say "${CONF#"$ROOT"} was a link: its target $linked stays. Delete it yourself if it is not needed."
            rm -f "$CONF"
        else
            rm -rf "$CONF"
        fi
        case " $(echo "$made" | tr '\n' ' ') " in *' conf '*) rmdir "$DATA/conf" 2>/dev/null ;; esac
        say "dbus-bms is uninstalled."
        return 0
    fi
    keep_made "$(while read -r place; do [ ! -e "$DATA/$place" ] || echo "$place"; done <"$MADE")"
    say "dbus-bms is uninstalled. These files stay in /data/conf/dbus-bms:"
    for file in $kept; do say "  $file"; done
    [ -n "$ROOT" ] || say "The batteries' names and instance numbers stay in the device's settings."
    say "To delete all of this: install.sh uninstall --purge"
}

# Parts switched off through the driver stay off in the BMS without the driver: the owner is informed and can switch them on here.
offer_release() {
    releases=$(sed -n 's/^ *"release": "\(.*\)",\{0,1\}$/\1/p' "$CONF"/commands-*.json 2>/dev/null)
    [ -n "$releases" ] || return 0
    say "Switched off through dbus-bms; this stays off without it:"
    echo "$releases" | while read -r release; do say "  to release: $release"; done
    if [ -n "$ROOT" ] || [ ! -t 0 ]; then
        say "Switch it on with this command before you uninstall, or later with the app of the BMS's manufacturer."
        return 0
    fi
    printf 'Switch all of it on now? [Y/n] '
    read -r answer
    case $answer in [nN]*) return 0 ;; esac
    # Each is a line made by this program, with the port at that time.
    echo "$releases" | while read -r release; do
        # shellcheck disable=SC2086
        set -- $release
        shift
        "$APP/bin/dbus-bms" "$@" </dev/null || say "That did not work: use the app of the BMS's manufacturer."
    done
}

# Gives everything taken over from dbus-serialbattery back: its instances and entries are restored before it gets the ports again.
give_back() {
    ls "$CONF"/old-*.json >/dev/null 2>&1 || return 0
    "$APP/bin/dbus-bms" config migrate --undo </dev/null ||
        warn "not all was given back, see above: set the missing numbers in Settings, VRM, VRM device instances"
}

# The batteries' DeviceInstances and names; each has a state file with its name.
forget_settings() {
    [ -z "$ROOT" ] || return 0
    for file in "$CONF"/*.json; do
        name=${file##*/}
        name=${name%.json}
        case $name in port-* | commands-* | health-* | old-* | '*') continue ;; esac
        device=/Settings/Devices/$(echo "$name" | sed 's/[^A-Za-z0-9]/_/g; s/^_*//')
        dbus-send --system --print-reply --dest=com.victronenergy.settings / com.victronenergy.Settings.RemoveSettings \
            "array:string:$device/ClassAndVrmInstance,$device/CustomName,$device/MaxChargeCurrent,$device/MaxDischargeCurrent,$device/MaxCellVoltage,$device/FloatCellVoltage,$device/TimeToGoSocFloor" \
            >/dev/null 2>&1
    done
}

# ---- the end -----------------------------------------------------------------------------------------------------------------

tell() {
    cat <<END

What you should see now:
  * A minute or two after you plug in the adapter, the battery appears in the device list. dbus-bms takes its turn on
    every USB serial port on which no other device answers.
  * tail -F /var/log/dbus-bms.ttyUSB0/current shows "connected: ..." with the BMS's model, or "no BMS answered ..." and
    what was received instead.
  * Switch DVCC on (Settings, DVCC): only then do the charge limits take effect.

Your settings:  /data/conf/dbus-bms/config.toml   (to apply: svc -t /service/dbus-bms.*)
Update:         /data/apps/dbus-bms/install.sh update
Uninstall:      /data/apps/dbus-bms/install.sh uninstall
END
    # During the start of the device there is nothing to check yet.
    if [ -z "$ROOT" ] && is_supervised /service/serial-starter && "$APP/bin/dbus-bms" doctor --help >/dev/null 2>&1; then
        say
        # Batteries that were just restarted need a moment to return.
        [ -z "$CHANGED" ] || sleep 5
        "$APP/bin/dbus-bms" doctor || true
    fi
}

# In one function: a script that is piped into a shell and truncated must do nothing.
main() {
    read_arguments "$@"
    find_here
    if [ "$COMMAND" = uninstall ]; then
        uninstall
    elif [ -z "$HERE" ] || { [ "$COMMAND" = update ] && is_installed_copy; }; then
        check_device
        download_and_run
    else
        install
    fi
}

main "$@"
exit
