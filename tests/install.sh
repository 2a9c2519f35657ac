#!/usr/bin/env bash
# tests/install.sh   installs, updates and uninstalls in scratch roots, and runs the service's script with failing drivers
#
# Tests that need a running device (services, D-Bus, boot) are in tests/gx/installation.sh.
# shellcheck disable=SC2016 # code for awk and sh in single quotes
set -euo pipefail
cd "$(dirname "$0")/.."
set +e # from here on a failure is counted
DRIVER=${CARGO_TARGET_DIR:-$PWD/target}/debug/dbus-bms
tests/need.sh curl=curl python3=python3 busybox=busybox-static systemd-analyze=systemd dbus-daemon=dbus \
    minisign=minisign
[ -x "$DRIVER" ] || { echo "$DRIVER is missing: run cargo build first" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# check WHAT COMMAND…
check() {
    local what=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $what"
        sed 's/^/    /' "$work/said"
    fi
}
not() { ! "$@"; }

# package FOLDER VERSION: a payload as in the archive, with the driver for this computer.
package() {
    mkdir -p "$1/bin"
    cp -r install.sh rc.local config.toml LICENSE service ports hub bank configured serial-starter.d "$1/"
    cp "$DRIVER" "$1/bin/dbus-bms"
    mkdir "$1/gui-v2"
    gui-v2/build.py "$2" "$1/gui-v2/dbus-bms.json"
    echo "$2" >"$1/VERSION"
}
package "$work/one" 1.0
package "$work/two" 2.0

# device: a new scratch root in $root, like a GX device in use.
device() {
    root=$(mktemp -d -p "$work")
    mkdir -p "$root"/data/conf/serial-starter.d "$root"/etc/venus "$root"/opt/victronenergy/service-templates/{gps-dbus,smart-dbus}
    echo v3.55 >"$root/opt/victronenergy/version"
    printf 'service gps gps-dbus\nalias default gps:vedirect\nalias rs485 cgwacs:modbus\ninclude /data/conf/serial-starter.d\n' \
        >"$root/etc/venus/serial-starter.conf"
    printf 'service smart smart-dbus\r\nalias default gps:vedirect:smart # mine' >"$root/data/conf/serial-starter.d/smart.conf"
    printf '#!/bin/bash\n\n  echo "mine"\t# \\n stays\nexit 0' >"$root/data/rc.local"
    chmod 750 "$root/data/rc.local"
}

# installer ARGUMENT…: with the smallest shell of any device.
installer() { busybox sh "$work/$1/install.sh" "${@:2}" --root "$root"; }
tree() { (cd "$1" && find . -printf '%p %y %m %l\n' | sort); }
bytes() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
alias_is() { [ "$(sed -n "s/^alias $1 //p" "$root/data/conf/serial-starter.d/zz-dbus-bms.conf")" = "$2" ] || { cat "$root/data/conf/serial-starter.d/zz-dbus-bms.conf"; false; }; }
hooks() { busybox sh "$root/data/apps/dbus-bms/rc.local" --root "$root" "$1"; }

echo "-- installed twice beside others"
device
tree "$root" >"$work/before"
bytes "$root" >"$work/bytes"
cp "$root/data/rc.local" "$work/rc.local"
check "installs" installer one install
tree "$root" >"$work/installed"
bytes "$root" >"$work/installed.bytes"
check "the driver runs" "$root/data/apps/dbus-bms/bin/dbus-bms" --version
check "the driver takes the configuration" "$root/data/apps/dbus-bms/bin/dbus-bms" config check "$root/data/conf/dbus-bms/config.toml"
check "other files are as they were" diff <(grep -v rc.local "$work/bytes") <(grep -F "$(cut -d' ' -f3 "$work/bytes")" "$work/installed.bytes" | grep -v rc.local)
check "foreign lines stay as they are" cmp "$work/rc.local" <(grep -v '# dbus-bms$' "$root/data/rc.local" | head -c -1)
check "rights stay as they are" test "$(stat -c %a "$root/data/rc.local")" = 750
check "our line comes before an exit" test "$(sed -n 2p "$root/data/rc.local" | grep -c 'rc.local late || true # dbus-bms$')" = 1
check "the early hook runs" test -x "$root/data/rcS.local"
check "hooks are valid shell" sh -n "$root/data/rcS.local"
check "the default alias is merged" alias_is default gps:vedirect:smart:dbusbms
check "the rs485 alias is merged" alias_is rs485 cgwacs:modbus:dbusbms
check "installs again" installer one install
check "the same files are there" diff "$work/installed" <(tree "$root")
check "with the same contents" diff "$work/installed.bytes" <(bytes "$root")
check "one line in each hook file" test "$(cat "$root"/data/rc*.local | grep -c dbus-bms/rc.local)" = 2

echo "-- updated and uninstalled"
check "updates" installer two update
check "to the new version" grep -qx 2.0 "$root/data/apps/dbus-bms/VERSION"
check "and leaves nothing of the old one" test "$(find "$root/data/apps" -mindepth 1 -maxdepth 1 | wc -l)" = 2
check "repairs from the installed copy" busybox sh "$root/data/apps/dbus-bms/install.sh" install --root "$root"
check "uninstalls itself" busybox sh "$root/data/apps/dbus-bms/install.sh" uninstall --root "$root"
check "no file is left" diff "$work/before" <(tree "$root")
check "no byte is changed" diff "$work/bytes" <(bytes "$root")
check "uninstalls what is not there" installer one uninstall
check "which changes nothing" diff "$work/before" <(tree "$root")

echo "-- into an empty root"
root=$(mktemp -d -p "$work")
mkdir "$root/data"
check "installs" installer one install
check "without the platform's file, its known aliases" alias_is rs485 cgwacs:fzsonick:imt:modbus:dbusbms
check "uninstalls" installer one uninstall
check "no file is left" test -z "$(find "$root/data" -mindepth 1)"
check "a folder that is not there is named" not busybox sh "$work/one/install.sh" install --root "$root/none"

echo "-- where not all is as it should be"
device
tree "$root" >"$work/before"
echo v2.87~4 >"$root/opt/victronenergy/version"
installer one install >"$work/list" 2>&1
check "an old release is named" grep -q 'v2.87~4 is too old: .* v2.90 or newer' "$work/list"
echo v3.70~12 >"$root/opt/victronenergy/version"
installer one install >"$work/list" 2>&1
check "a new one is not" not grep -q 'too old' "$work/list"
for file in rc.local rcS.local; do mv "$root/data/$file" "$root/data/$file.disabled"; done
check "uninstalls where the hooks are disabled" installer one uninstall
mv "$root/data/rc.local.disabled" "$root/data/rc.local"
check "and leaves nothing" diff "$work/before" <(tree "$root")

echo "-- pages for the GX's own screen"
device
plugin=$root/data/apps/available/dbus-bms/gui-v2/dbus-bms.json
enabled=$root/data/apps/enabled/dbus-bms
tree "$root" >"$work/before"
echo v3.79 >"$root/opt/victronenergy/version"
check "installs on a firmware without plugins" installer one install
check "where nothing is laid" test ! -e "$root/data/apps/available"
echo 'v3.80~21' >"$root/opt/victronenergy/version"
check "after a firmware update they are there" hooks now
check "whole" cmp "$work/one/gui-v2/dbus-bms.json" "$plugin"
check "and switched on" cmp "$plugin" "$enabled/gui-v2/dbus-bms.json"
check "updates" installer two update
check "with the new pages" cmp "$work/two/gui-v2/dbus-bms.json" "$enabled/gui-v2/dbus-bms.json"
check "uninstalls" installer two uninstall
check "and leaves nothing" diff "$work/before" <(tree "$root")
mkdir -p "$root"/data/apps/{available/other/gui-v2,enabled}
ln -s ../available/other "$root/data/apps/enabled/other"
tree "$root" >"$work/before"
echo v4.1 >"$root/opt/victronenergy/version"
check "installs beside another plugin" installer one install
check "and is on" test -e "$enabled/gui-v2/dbus-bms.json"
rm "$enabled"
check "updates where the owner switched the pages off" installer two update
check "and they stay off" test ! -e "$enabled"
check "but are the new ones" cmp "$work/two/gui-v2/dbus-bms.json" "$plugin"
check "uninstalls" installer two uninstall
check "and leaves the other plugin" diff "$work/before" <(tree "$root")

echo "-- with the owner's configuration and history"
device
tree "$root" >"$work/before"
installer one install >/dev/null 2>&1
check "an old default gives way to a new one" sh -c 'echo "# new" >>"$1/two/config.toml" && busybox sh "$1/two/install.sh" install --root "$2" && grep -qx "# new" "$2/data/conf/dbus-bms/config.toml"' - "$work" "$root"
echo 'max_charge_current_a = 80' >>"$root/data/conf/dbus-bms/config.toml"
echo '{}' >"$root/data/conf/dbus-bms/jk_1.json"
check "updates" installer two install
check "what was edited stays" grep -q '= 80' "$root/data/conf/dbus-bms/config.toml"
printf '{\n  "off": {\n    "charge": {\n      "by": "x",\n      "release": "dbus-bms set charge on /dev/ttyUSB0"\n    }\n  }\n}\n' \
    >"$root/data/conf/dbus-bms/commands-jbd_1.json"
installer one uninstall >"$work/list" 2>&1
check "uninstall tells what stays switched off" grep -q 'to release: dbus-bms set charge on /dev/ttyUSB0' "$work/list"
check "uninstall keeps and lists it" grep -q '^  config.toml$' "$work/list"
check "and the history" grep -q '^  jk_1.json$' "$work/list"
check "nothing else is left" diff "$work/before" <(tree "$root" | grep -v 'conf/dbus-bms')
check "both are still there" cat "$root"/data/conf/dbus-bms/{config.toml,jk_1.json}
echo 'max_charge_curent_a = 80' >>"$root/data/conf/dbus-bms/config.toml"
installer one install >"$work/list" 2>&1
check "a configuration with a mistake is named" grep -q 'max_charge_current_a' "$work/list"
check "purges" installer one uninstall --purge
check "nothing at all is left" diff "$work/before" <(tree "$root")

echo "-- what was taken over from dbus-serialbattery goes back"
# The function by itself, because a scratch root has no D-Bus; tests/service/takeover_dbus.rs and tests/venus/takeover.py test the command.
sed -n '/^give_back() {/,/^}/p' install.sh >"$work/give_back.sh"
mkdir -p "$work/app/bin" "$work/took"
printf '#!/bin/sh\necho "$*" >>"%s/asked"\nexit "${STUB:-0}"\n' "$work" >"$work/app/bin/dbus-bms"
chmod 755 "$work/app/bin/dbus-bms"
give_back() { busybox sh -c 'warn() { echo "$*"; }; APP=$1/app CONF=$1/took; . "$1/give_back.sh"; give_back' - "$work"; }
check "nothing was taken over" sh -c '"$@" && [ ! -e "$0/asked" ]' "$work" busybox sh -c 'APP=$1/app CONF=$1/took; . "$1/give_back.sh"; give_back' - "$work"
touch "$work/took/old-serialbattery_X.json"
check "the driver gives back" give_back
check "and was asked for that" grep -qx 'config migrate --undo' "$work/asked"
STUB=1 give_back >"$work/list"
check "if it cannot, the owner learns of it" grep -q 'not all was given back' "$work/list"

echo "-- beside projects that come and go"
device
installer one install >/dev/null 2>&1
others=$root/data/conf/serial-starter.d
starter() { stat -c %Y.%i "$others/zz-dbus-bms.conf"; }
before=$(starter)
check "nothing is written at a start like any other" hooks early
check "" test "$before" = "$(starter)"
printf 'service new new-dbus\nalias default gps:new:vedirect\n' >"$others/new.conf"
check "a new project's program" hooks early
check "is in the list, in its place" alias_is default gps:new:vedirect:smart:dbusbms
check "once all have started" hooks now
check "a program without template is out" alias_is default gps:vedirect:smart:dbusbms
check "at the next start" hooks early
check "it stays out" alias_is default gps:vedirect:smart:dbusbms
mkdir "$root/opt/victronenergy/service-templates/new-dbus"
check "its template comes" hooks now
check "and it is in again" alias_is default gps:new:vedirect:smart:dbusbms
rm "$others/smart.conf"
check "a project goes" hooks early
check "and its program" alias_is default gps:new:vedirect:dbusbms
sed -i 's/gps:vedirect/gps:vedirect:mkx/' "$root/etc/venus/serial-starter.conf"
check "a firmware update adds a program" hooks early
check "that stays without our looking" alias_is default gps:new:vedirect:mkx:dbusbms
printf 'service ghost ghost-dbus\nalias default default:ghost:bad$(name):unknown:dbusbms\n' >"$others/odd.conf"
mkdir "$root/opt/victronenergy/service-templates/ghost-dbus"
check "a strange line" hooks now
check "adds what is sound" alias_is default ghost:gps:new:vedirect:mkx:dbusbms

echo "-- beside dbus-serialbattery"
device
printf 'service sbattery dbus-serialbattery\nalias default gps:vedirect:sbattery\nalias rs485 cgwacs:modbus:sbattery\n' \
    >"$root/data/conf/serial-starter.d/dbus-serialbattery.conf"
mkdir -p "$root/data/apps/dbus-serialbattery" "$root/opt/victronenergy/service-templates/dbus-serialbattery"
printf '[DEFAULT]\nMAX_CELL_VOLTAGE = 3.45\n' >"$root/data/apps/dbus-serialbattery/config.ini"
tree "$root" >"$work/before"
bytes "$root" >"$work/bytes"
installer one install >"$work/list" 2>&1
check "unasked it stays" alias_is default gps:vedirect:smart:sbattery:dbusbms
check "and we say how to leave it out" grep -q -- '--replace-serialbattery' "$work/list"
check "and we say how to take its settings over" \
    grep -q 'dbus-bms config migrate /data/apps/dbus-serialbattery/config.ini' "$work/list"
check "replaces it" installer one install --replace-serialbattery
check "in one alias" alias_is default gps:vedirect:smart:dbusbms
check "and the other" alias_is rs485 cgwacs:modbus:dbusbms
check "its files stay" test -d "$root/data/apps/dbus-serialbattery"
check "keeps it again" installer one install --keep-serialbattery
check "in the alias" alias_is default gps:vedirect:smart:sbattery:dbusbms
check "replaces it once more" installer one install --replace-serialbattery
check "uninstalls" installer one uninstall
check "all is as before" diff "$work/before" <(tree "$root")
check "byte by byte" diff "$work/bytes" <(bytes "$root")

echo "-- beside projects that install a template of their own"
# powered: additional parts of a running device: services in RAM, an adapter, and serial-starter's link to it.
powered() {
    mkdir -p "$root"/service "$root"/run "$root"/var/volatile/services "$root"/sys/class/tty/ttyUSB0 "$root"/dev/serial-starter
    touch "$root/dev/ttyUSB0"
    ln -sfn ../ttyUSB0 "$root/dev/serial-starter/ttyUSB0"
}
# next_start: RAM is empty, then the hooks run.
next_start() {
    rm -rf "$root"/run "$root"/service "$root"/var/volatile
    powered
    hooks early && DBUS_BMS_SETTLED=0 hooks late && sleep 1
}
# started PROGRAM TTY: by serial-starter's rules: the last `service` line counts, and an existing service needs no template.
started() {
    local line template
    line=$(cat "$root/etc/venus/serial-starter.conf" "$root"/data/conf/serial-starter.d/*.conf | tr -d '\r' | awk -v name="$1" '$1 == "service" && $2 == name { print $3 }' | tail -n 1)
    template=$root/opt/victronenergy/service-templates/$line
    [ -n "$line" ] || { echo "unknown service $1"; return 1; }
    [ ! -d "$root/service/$line.$2" ] || { echo "$line: in /service"; return 0; }
    [ -d "$template" ] && echo "$line: from its template"
}
# smartbms_setup: the steps of a project in SetupHelper's list: template, `service` line and udev rule on the root file system.
smartbms_setup() {
    local templates=$root/opt/victronenergy/service-templates
    rm -rf "$templates/smartbms-dbus"
    mkdir "$templates/smartbms-dbus" && mkdir -p "$work/smartbms/log" && touch "$work/smartbms/run" "$work/smartbms/log/run" &&
        cp -r "$work/smartbms"/* "$templates/smartbms-dbus"
    echo 'service smartbms        smartbms-dbus' >>"$root/etc/venus/serial-starter.conf"
    mkdir -p "$root/etc/udev/rules.d"
    echo 'ACTION=="add", ENV{ID_BUS}=="usb", ENV{ID_MODEL}=="SmartBMSToUSB", ENV{VE_SERVICE}="smartbms"' >>"$root/etc/udev/rules.d/serial-starter.rules"
}
# serialbattery_enable: the steps of dbus-serialbattery's enable.sh.
serialbattery_enable() {
    rm -rf "$root/opt/victronenergy/service-templates/dbus-serialbattery"
    mkdir -p "$root/data/apps/dbus-serialbattery/service/log"
    cp -rf "$root/data/apps/dbus-serialbattery/service" "$root/opt/victronenergy/service-templates/dbus-serialbattery"
    printf 'service   sbattery    dbus-serialbattery\nalias     default     gps:vedirect:sbattery\nalias     rs485       cgwacs:modbus:sbattery\n' \
        >"$root/data/conf/serial-starter.d/dbus-serialbattery.conf"
}
templates() { tree "$root/opt/victronenergy/service-templates"; }
places() { (cd "$root/service" && echo *); }
is_taken() { started "$1" ttyUSB0 | grep -qx "$2"; }
device
powered
serialbattery_enable
templates >"$work/templates"
tree "$root" >"$work/before"
check "installs" installer one install
check "the folder of the templates is as it was" diff "$work/templates" <(templates)
check "its own services are beside it" test "$(places)" = "dbus-bms.bank dbus-bms.configured dbus-bms.hub dbus-bms.ports dbus-bms.ttyUSB0 dbus-bms.ttyUSB1"
check "made for their port" grep -qx 'tty=${1:-ttyUSB0}' "$root/service/dbus-bms.ttyUSB0/run"
check "and so is the log" grep -q 'dbus-bms.ttyUSB0' "$root/service/dbus-bms.ttyUSB0/log/run"
check "serial-starter can start us" is_taken dbusbms 'dbus-bms: in /service'
check "and the other project" is_taken sbattery 'dbus-serialbattery: from its template'
check "another one installs later" smartbms_setup
templates >"$work/templates"
check "and can be started" is_taken smartbms 'smartbms-dbus: from its template'
check "the next start" next_start
check "hides no template" diff "$work/templates" <(templates)
check "the later project can still be started" is_taken smartbms 'smartbms-dbus: from its template'
check "the earlier one, too" is_taken sbattery 'dbus-serialbattery: from its template'
check "and we" is_taken dbusbms 'dbus-bms: in /service'
check "with the services beside" test "$(places)" = "dbus-bms.bank dbus-bms.configured dbus-bms.hub dbus-bms.ports dbus-bms.ttyUSB0 dbus-bms.ttyUSB1"
check "the other project installs again" serialbattery_enable
check "and again a start" next_start
check "hides no template" diff "$work/templates" <(templates)
check "an update" installer two install
check "hides none either" diff "$work/templates" <(templates)
DBUS_BMS_SETTLED=2 hooks late
check "the hooks are removed while one of them still waits" hooks remove
sleep 3
check "which then writes nothing" test ! -e "$root/data/conf/serial-starter.d/zz-dbus-bms.conf"
check "uninstalls" installer two uninstall
check "all templates are there" diff "$work/templates" <(templates)
check "the later project can be started without us" is_taken smartbms 'smartbms-dbus: from its template'
check "nothing of ours is left" diff "$work/before" <(tree "$root" | grep -v 'smartbms\|./etc/udev')

echo "-- ports that udev gives to a program by name"
# Output of udev and the supervisor, and the commands sent to it.
mkdir -p "$work/words"
printf '#!/bin/sh\nfor name in "$@"; do case $name in --name=*) cat "%s/words/${name#--name=}" ;; esac; done 2>/dev/null\nexit 0\n' "$work" >"$work/words/udevadm"
printf '#!/bin/sh\ncase $1 in */serial-starter) echo "$1: up (pid 77) 9 seconds" ;; *) echo "$1: down 9 seconds" ;; esac\n' >"$work/words/svstat"
printf '#!/bin/sh\necho "$*" >>"%s/words/svc.log"\n' "$work" >"$work/words/svc"
chmod +x "$work"/words/{udevadm,svstat,svc}
pinned_hooks() { PATH=$work/words:$PATH hooks "$1"; }
place_of() { [ -d "$root/service/dbus-bms.$1" ]; }
device
powered
serialbattery_enable
tree "$root" >"$work/before"
bytes "$root" >"$work/bytes"
mkdir -p "$root"/sys/class/tty/{ttyUSB1,ttyUSB2,ttyS3,ttyS4}
touch "$root"/dev/{ttyUSB1,ttyUSB2,ttyS3,ttyS4}
for tty in ttyUSB1 ttyUSB2 ttyS3; do ln -s "../$tty" "$root/dev/serial-starter/$tty"; done
echo VE_SERVICE=sbattery >"$work/words/ttyUSB0"
echo VE_SERVICE=vedirect >"$work/words/ttyUSB1"
printf 'ID_MODEL=X\nVE_SERVICE=rs485:default\n' >"$work/words/ttyUSB2"
echo VE_SERVICE=sbattery >"$work/words/ttyS3"
PATH=$work/words:$PATH installer one install >/dev/null 2>&1
check "a port of the other driver stays its own" is_taken sbattery 'dbus-serialbattery: from its template'
check "and gets no service of ours" not place_of ttyUSB0
check "nor does one of another program" not place_of ttyUSB1
check "one of several programs does" place_of ttyUSB2
check "the other driver is replaced" env PATH="$work/words:$PATH" busybox sh "$work/one/install.sh" install --replace-serialbattery --root "$root"
check "then its port is ours" is_taken sbattery 'dbus-bms: in /service'
check "also one that is built in" place_of ttyS3
check "but none that nobody named" not place_of ttyS4
check "and not that of another program" not place_of ttyUSB1
next_start_pinned() { PATH=$work/words:$PATH next_start; }
check "the next start" next_start_pinned
check "it stays ours" is_taken sbattery 'dbus-bms: in /service'
echo 'ACTION=="add", ENV{VE_SERVICE}="dbusbms"' >"$root/data/conf/dbus-bms/ports.rules"
check "the owner's own rules" next_start_pinned
check "are told to udev" cmp "$root/data/conf/dbus-bms/ports.rules" "$root/run/udev/rules.d/zz-dbus-bms-ports.rules"
rm "$root/data/conf/dbus-bms/ports.rules"
check "it is given back" env PATH="$work/words:$PATH" busybox sh "$work/one/install.sh" install --keep-serialbattery --root "$root"
check "udev is told that these are gone" test ! -e "$root/run/udev/rules.d/zz-dbus-bms-ports.rules"
rm -r "$root/run/udev"
check "to the other driver" is_taken sbattery 'dbus-serialbattery: from its template'
PATH=$work/words:$PATH installer one install --replace-serialbattery >/dev/null 2>&1
check "uninstalls" installer one uninstall
check "the other driver has it" is_taken sbattery 'dbus-serialbattery: from its template'
rm -rf "$root"/sys/class/tty/tty{USB1,USB2,S3,S4} "$root"/dev/tty{USB1,USB2,S3,S4} "$root"/dev/serial-starter/tty{USB1,USB2,S3}
check "all is as before" diff "$work/before" <(tree "$root")
check "byte by byte" diff "$work/bytes" <(bytes "$root")

echo "-- ports that come and go"
device
powered
rm -f "$work"/words/tty*
PATH=$work/words:$PATH installer one install >/dev/null 2>&1
rm "$work/words/svc.log" 2>/dev/null
mkdir -p "$root/tmp" "$root/data/var/lib/serial-starter"
# Not with busybox, which has its own svc.
PATH=$work/words:$PATH DBUS_BMS_LOOK=0.2 sh "$root/data/apps/dbus-bms/rc.local" --root "$root" watch &
watcher=$!
# soon COMMAND…
soon() { for _ in $(seq 50); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; "$@"; }
unplug() { rm -rf "${root:?}/sys/class/tty/$1" "${root:?}/dev/$1" "$root/dev/serial-starter/$1" "$root/service"/*."$1" "$root/var/volatile/services"/*."$1"; }
plug() { mkdir -p "$root/sys/class/tty/$1" && touch "$root/dev/$1" && ln -sfn "../$1" "$root/dev/serial-starter/$1"; }
check "the next port finds its service waiting" place_of ttyUSB1
plug ttyUSB1
check "then there is one for the port behind it" soon place_of ttyUSB2
unplug ttyUSB1
echo dbusbms >"$root/data/var/lib/serial-starter/ttyUSB1"
check "whoever cleans up takes the service along" soon not place_of ttyUSB1
check "it is back before the port is" soon place_of ttyUSB1
unplug ttyUSB1
plug ttyUSB1
check "one that is back before its service" soon place_of ttyUSB1
check "gets its next turn" soon grep -qx dbusbms "$root/tmp/ttyUSB1.prog"
plug ttyACM0
check "a port of another kind" soon place_of ttyACM0
mkdir -p "$root/var/lock/serial-starter" "$root/data/var/lib/serial-starter"
echo gps >"$root/data/var/lib/serial-starter/ttyACM0"
ln -s 77 "$root/var/lock/serial-starter/ttyACM0"
sleep 1
check "another program that is about to start is left alone" not grep -q ttyACM0 "$work/words/svc.log"
rm "$root/var/lock/serial-starter/ttyACM0"
ln -s 99 "$root/var/lock/serial-starter/ttyACM0"
echo dbusbms >"$root/data/var/lib/serial-starter/ttyACM0"
sleep 1
check "so is somebody who wants the port for himself" not grep -q ttyACM0 "$work/words/svc.log"
rm "$root/var/lock/serial-starter/ttyACM0"
ln -s 77 "$root/var/lock/serial-starter/ttyACM0"
check "a start that came too early is done again" soon grep -qx -- "-o $root/service/dbus-bms.ttyACM0" "$work/words/svc.log"
echo VE_SERVICE=dbusbms >"$work/words/ttyACM1"
echo dbusbms >"$root/data/var/lib/serial-starter/ttyACM1"
plug ttyACM1
rm "$root/dev/serial-starter/ttyACM1"
check "a port of ours that serial-starter gave up is offered again" soon test -e "$root/dev/serial-starter/ttyACM1"
kill "$watcher"
wait "$watcher" 2>/dev/null

echo "-- after a version that mounted over the templates"
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    device
    powered
    templates >"$work/templates"
    # mounted COMMAND…: with the copy of such a version mounted over the folder, and a project installed into it.
    cat >"$work/mounted" <<'END'
set -e
root=$1 app=$2
shift 2
mkdir -p "$root/run/dbus-bms"
cp -a "$root/opt/victronenergy/service-templates" "$root/run/dbus-bms/"
mount --bind "$root/run/dbus-bms/service-templates" "$root/opt/victronenergy/service-templates"
mkdir "$root/opt/victronenergy/service-templates/dbus-bms" "$root/opt/victronenergy/service-templates/later-dbus"
echo later >"$root/opt/victronenergy/service-templates/later-dbus/run"
"$@"
busybox sh "$app/install.sh" install --root "$root"
! grep -q " $root/opt/victronenergy/service-templates " /proc/self/mountinfo
END
    check "an update takes the mount away" unshare -m bash "$work/mounted" "$root" "$work/two" true
    check "what was installed into it gets its right place" grep -qx later "$root/opt/victronenergy/service-templates/later-dbus/run"
    check "nothing else is there" diff "$work/templates" <(templates | grep -v later-dbus)
    check "nor is the copy" test ! -e "$root/run/dbus-bms/service-templates"
else
    echo "skipped: only root can mount"
fi

echo "-- cut off"
device
installer one install >/dev/null 2>&1
bytes "$root/data/apps/dbus-bms/" >"$work/one.bytes"
installer two install >/dev/null 2>&1
bytes "$root/data/apps/dbus-bms/" >"$work/two.bytes"
one_or_two() { cmp "$work/one.bytes" <(bytes "$root/data/apps/dbus-bms/") || cmp "$work/two.bytes" <(bytes "$root/data/apps/dbus-bms/"); }
# Every program that changes files counts its calls; at one of them the whole installation is killed.
mkdir "$work/tools"
for tool in chmod cp ln mkdir mv rm rmdir sync; do
    printf '#!/bin/sh\nread -r n <"%s/count"\necho $((n + 1)) >"%s/count"\n[ "$n" != "$CUT" ] || kill -KILL 0\nexec %s "$@"\n' \
        "$work" "$work" "$(command -v "$tool")" >"$work/tools/$tool"
done
chmod +x "$work/tools"/*
cuts=0 broken=0
cp "$root/data/rc.local" "$work/rc.local.two"
cp -a "$root" "$work/root.two"
cut_at() {
    echo 1 >"$work/count"
    rm -rf "$root"
    cp -a "$work/root.two" "$root"
    CUT=$1 PATH=$work/tools:$PATH setsid --wait sh "$work/one/install.sh" install --allow-downgrade --root "$root" >/dev/null 2>&1
}
while [ "$cuts" -lt 100 ] && ! cut_at $((cuts + 1)); do
    cuts=$((cuts + 1))
    one_or_two >/dev/null 2>&1 || { broken=$((broken + 1)) && echo "broken at step $cuts"; }
    cmp -s "$work/rc.local.two" "$root/data/rc.local" || { broken=$((broken + 1)) && echo "hook broken at step $cuts"; }
done 2>/dev/null
check "killed at each of $cuts steps, it is whole" test "$broken" = 0 -a "$cuts" -gt 15 -a "$cuts" -lt 100
check "the update that was not killed is there" cmp "$work/one.bytes" <(bytes "$root/data/apps/dbus-bms/")
check "the next installation puts it right" installer two install
check "whole" cmp "$work/two.bytes" <(bytes "$root/data/apps/dbus-bms/")
check "with nothing beside" test "$(find "$root/data/apps" -mindepth 1 -maxdepth 1 | wc -l)" = 2
head -c 9000 install.sh >"$work/cut.sh"
device
tree "$root" >"$work/before"
check "a script that breaks off" not sh "$work/cut.sh" install --root "$root"
check "does nothing" diff "$work/before" <(tree "$root")

echo "-- cut off while the link was made"
device
installer one install >/dev/null 2>&1
tree "$root/data/apps" | grep -v ' d ' >"$work/installed"
mkdir "$root/data/apps/.dbus-bms-link"
ln -s .dbus-bms-b "$root/data/apps/.dbus-bms-link/dbus-bms"
check "the same version is installed again" installer one install
check "with nothing beside" test ! -e "$root/data/apps/.dbus-bms-link"
mkdir "$root/data/apps/.dbus-bms-link"
check "repairs from the installed copy" busybox sh "$root/data/apps/dbus-bms/install.sh" install --root "$root"
check "and leaves nothing beside" diff "$work/installed" <(tree "$root/data/apps" | grep -v ' d ')
check "not even an empty folder" test ! -e "$root/data/apps/.dbus-bms-link"

echo "-- a configuration that is kept elsewhere"
device
tree "$root" >"$work/before"
mkdir -p "$work/elsewhere" "$root/data/conf"
ln -s "$work/elsewhere" "$root/data/conf/dbus-bms"
installer one install >/dev/null 2>&1
echo precious >"$work/elsewhere/of-somebody-else"
echo 'max_charge_current_a = 80' >>"$work/elsewhere/config.toml"
bytes "$work/elsewhere" >"$work/kept"
installer one uninstall --purge >"$work/list" 2>&1
check "purge follows no link" diff "$work/kept" <(bytes "$work/elsewhere")
check "and says what stays" grep -q "$work/elsewhere" "$work/list"
check "the link and all else is gone" diff "$work/before" <(tree "$root")

echo "-- downloaded"
device
mkdir -p "$work/web/dbus-bms-setup"
cp -r "$work/two/." "$work/web/dbus-bms-setup/"
(cd "$work/web" && tar czf venus-data.tar.gz dbus-bms-setup && sha256sum venus-data.tar.gz >SHA256SUMS)
export DBUS_BMS_URL=file://$work/web
check "one line" sh -c 'cat "$1" | sh -s -- --root "$2"' - install.sh "$root"
check "installs what is there" grep -qx 2.0 "$root/data/apps/dbus-bms/VERSION"
tree "$root" >"$work/installed"
echo 3.0 >"$work/web/dbus-bms-setup/VERSION"
(cd "$work/web" && tar czf venus-data.tar.gz dbus-bms-setup)
check "a checksum that does not fit is refused" not sh "$root/data/apps/dbus-bms/install.sh" update --root "$root"
check "and nothing is changed" diff "$work/installed" <(tree "$root")
(cd "$work/web" && sha256sum venus-data.tar.gz >SHA256SUMS)
check "updates itself" sh "$root/data/apps/dbus-bms/install.sh" update --root "$root"
check "to what is there now" grep -qx 3.0 "$root/data/apps/dbus-bms/VERSION"
rm "$work/web/SHA256SUMS"
check "without network it says so" not sh "$root/data/apps/dbus-bms/install.sh" update --root "$root"
unset DBUS_BMS_URL

echo "-- signed releases"
for key in ours other; do minisign -G -W -p "$work/$key.pub" -s "$work/$key.key" >/dev/null; done
cat "$work/other.pub" "$work/ours.pub" >"$work/both.pub"
# made FOLDER: MANIFEST and archive of the package in FOLDER, as cross/package.sh makes them.
made() {
    (cd "$1/stage/dbus-bms-setup" && find . -type f ! -name 'MANIFEST*' | LC_ALL=C sort | xargs sha256sum >"$1/MANIFEST" && mv "$1/MANIFEST" .)
    packed "$1"
}
packed() {
    cross/pack.sh 1700000000 "$1/venus-data.tar.gz" "$1/stage" dbus-bms-setup rc
    (cd "$1" && sha256sum venus-data.tar.gz >SHA256SUMS)
}
# release NAME VERSION KNOWN [SIGNER]: a release in $work/NAME whose program knows the keys KNOWN. Its program stands for one with
# these keys built in: this needs no variable or feature of the build that a release could be made with by mistake.
release() {
    local folder=$work/$1
    package "$folder/stage/dbus-bms-setup" "$2"
    printf '#!/bin/sh\n# %s\n[ "$1" != verify ] || { shift && set -- verify --key %s "$@"; }\nexec %s "$@"\n' \
        "$(grep -v comment "$work/$3.pub" | tr '\n' ' ')" "$work/$3.pub" "$DRIVER" >"$folder/stage/dbus-bms-setup/bin/dbus-bms"
    cp -r cross/rc "$folder/stage/rc"
    made "$folder"
    [ -n "${4:-}" ] || return 0
    MINISIGN_KEY=$work/$4.key cross/sign.sh "$folder" "$work/$3.pub" >/dev/null || return
    # As it is in the archive.
    rm -r "$folder/stage" && mkdir "$folder/stage" && tar xzf "$folder/venus-data.tar.gz" -C "$folder/stage"
}
check "a release is made and signed" release first 1.0 ours ours
check "and a newer one" release second 2.0 ours ours
check "one with a new key beside the old one" release rotating 3.0 both ours
check "one with the new key" release rotated 4.0 both other
check "one of somebody else" release stranger 3.0 other other
check "one that is not signed" release unsigned 3.0 ours
check "a key that installed programs do not know is not signed with" not env MINISIGN_KEY="$work/other.key" cross/sign.sh "$work/unsigned" "$work/ours.pub"
made "$work/unsigned"
cp -r "$work/second" "$work/altered"
echo '# altered' >>"$work/altered/stage/dbus-bms-setup/rc.local"
packed "$work/altered"
cp -r "$work/altered" "$work/manifest"
made "$work/manifest"
cp -r "$work/manifest" "$work/stripped"
rm "$work/stripped/stage/dbus-bms-setup/MANIFEST.minisig" "$work/stripped/venus-data.tar.gz.minisig"
packed "$work/stripped"
cp -r "$work/second" "$work/added"
cp "$DRIVER" "$work/added/stage/dbus-bms-setup/bin/dbus-bms-armv7"
packed "$work/added"
cp -r "$work/second" "$work/truncated"
head -c 150 "$work/second/stage/dbus-bms-setup/MANIFEST.minisig" >"$work/truncated/stage/dbus-bms-setup/MANIFEST.minisig"
packed "$work/truncated"
head -c 150 "$work/second/venus-data.tar.gz.minisig" >"$work/truncated/venus-data.tar.gz.minisig"

# stick NAME [EMPTY_FILE]: what Venus OS does with a stick; the hook as it is, but with the paths of the scratch root.
stick() {
    rm -rf "${root:?}/media"
    mkdir -p "$root/media/sda1"
    cp "$work/$1/venus-data.tar.gz" "$root/media/sda1/"
    [ -z "${2:-}" ] || touch "$root/media/sda1/$2"
    tar xzf "$work/$1/venus-data.tar.gz" -C "$root/data" || return
    sed "s|/data/|$root/data/|g; s|/media/|$root/media/|; s|/install.sh\"|& --root \"$root\"|" "$root/data/rc/post-hook.sh" >"$work/hook.sh"
    rm -r "$root/data/rc"
    busybox sh "$work/hook.sh" success
}
report() { grep -qF -- "$1" "$root/media/sda1/dbus-bms.txt" || { cat "$root/media/sda1/dbus-bms.txt"; false; }; }
over_ssh() { busybox sh "$work/$1/stage/dbus-bms-setup/install.sh" install "${@:2}" --root "$root"; }
# Works as well through a pipe: what is installed judges then, too.
update() { DBUS_BMS_URL=file://$work/$1 busybox sh "$root/data/apps/dbus-bms/install.sh" update "${@:2}" --root "$root"; }
one_line() { DBUS_BMS_URL=file://$work/$1 busybox sh -s -- "${@:2}" --root "$root" <install.sh; }
version_is() { grep -qx "$1" "$root/data/apps/dbus-bms/VERSION" || { cat "$root/data/apps/dbus-bms/VERSION"; false; }; }
is_signed() { [ -f "$root/data/apps/dbus-bms/SIGNED" ]; }
# refuses HOW NAME WORDS: with these words in what it says, and nothing is changed.
refuses() {
    tree "$root/data" >"$work/before"
    bytes "$root/data/apps/dbus-bms/" >"$work/before.bytes"
    if "$1" "$2" >"$work/list" 2>&1; then echo "accepted"; return 1; fi
    [ "$1" != stick ] || cat "$root/media/sda1/dbus-bms.txt" >>"$work/list"
    cat "$work/list"
    grep -qF -- "$3" "$work/list" && diff "$work/before" <(tree "$root/data") && diff "$work/before.bytes" <(bytes "$root/data/apps/dbus-bms/")
}
device
check "the first installation, from a stick" stick first
check "was not checked, and the report says so" report 'Signature: not checked: nothing is installed that could check it'
check "it knows that it is signed" is_signed
check "a newer release" stick second
check "is checked, and the report says so" report 'Signature: signed as "dbus-bms 2.0 MANIFEST" with the key'
check "and is there" version_is 2.0
for how in stick over_ssh; do
    check "$how: an altered file" refuses "$how" altered './rc.local is not as in its MANIFEST'
    check "$how: one more file" refuses "$how" added 'its files are not those in its MANIFEST'
    check "$how: an altered MANIFEST" refuses "$how" manifest 'it is not the file that was signed'
    check "$how: a signature that was cut off" refuses "$how" truncated 'its signature file is damaged'
    check "$how: a signature that was taken away" refuses "$how" stripped 'the installed version is signed, this package is not known to be: not signed: '
    check "$how: a package that is not signed" refuses "$how" unsigned '--allow-unsigned'
    check "$how: somebody else's key" refuses "$how" stranger 'signed with a key that this program does not know'
    check "$how: an older release" refuses "$how" first 'version 1.0 is older than the installed 2.0'
done
for how in update one_line; do
    check "$how: an altered archive" refuses "$how" altered 'it is not the file that was signed'
    check "$how: a signature that was cut off" refuses "$how" truncated 'its signature file is damaged'
    check "$how: no signature" refuses "$how" stripped 'venus-data.tar.gz.minisig is missing'
    check "$how: somebody else's key" refuses "$how" stranger 'signed with a key that this program does not know'
    check "$how: an older release" refuses "$how" first 'version 1.0 is older than the installed 2.0'
done
cp -r "$work/second" "$work/cut"
head -c 20000 "$work/second/venus-data.tar.gz" >"$work/cut/venus-data.tar.gz"
check "update: half an archive" refuses update cut 'the download is damaged'
(cd "$work/cut" && sha256sum venus-data.tar.gz >SHA256SUMS)
check "update: half an archive with its checksum" refuses update cut 'it is not the file that was signed'
check "refused ones are not kept" test ! -e "$root/data/.dbus-bms-download"
check "an older one, if the owner allows it" update first --allow-downgrade
check "is there" version_is 1.0
check "updates" update second
check "to the newer one" version_is 2.0
check "an older one from a stick, with the owner's file" stick first dbus-bms-downgrade
check "is there" version_is 1.0
check "and the file counts once" test -e "$root/media/sda1/dbus-bms-downgrade_used" -a ! -e "$root/media/sda1/dbus-bms-downgrade"
check "the file for another purpose does not help" not stick unsigned dbus-bms-downgrade
check "an altered package is refused in any case" not stick manifest dbus-bms-unsigned
check "" version_is 1.0
check "one that is not signed, with the owner's file" stick unsigned dbus-bms-unsigned
check "is there" version_is 3.0
check "the report says so" report 'you allowed that'
check "and from then on" not is_signed
sed -i 's/3.0/3.1/' "$work/unsigned/stage/dbus-bms-setup/VERSION" && made "$work/unsigned"
check "another one needs no permission" update unsigned
check "is there" version_is 3.1
check "a release makes it signed again" update rotated --allow-unsigned
check "" is_signed
check "nobody is locked out: uninstalls" busybox sh "$root/data/apps/dbus-bms/install.sh" uninstall --root "$root"
check "and installs what he likes" over_ssh stranger
check "" version_is 3.0
busybox sh "$root/data/apps/dbus-bms/install.sh" uninstall --purge --root "$root" >/dev/null 2>&1

echo "-- a signed update that is cut off"
device
over_ssh first >/dev/null 2>&1
bytes "$root/data/apps/dbus-bms/" >"$work/one.bytes"
over_ssh second >/dev/null 2>&1
bytes "$root/data/apps/dbus-bms/" >"$work/two.bytes"
over_ssh first --allow-downgrade >/dev/null 2>&1
cuts=0 broken=0
for cut in 1 2 3 4 6 9 12 15; do
    echo 1 >"$work/count"
    CUT=$cut PATH=$work/tools:$PATH DBUS_BMS_URL=file://$work/second setsid --wait sh "$root/data/apps/dbus-bms/install.sh" update --root "$root" >/dev/null 2>&1 ||
        cuts=$((cuts + 1))
    one_or_two >/dev/null 2>&1 || broken=$((broken + 1))
done 2>/dev/null
check "killed at $cuts steps, one version is there, whole and still signed" test "$broken" = 0 -a "$cuts" -ge 6
check "" is_signed
check "the next update puts it right" update second
check "whole" cmp "$work/two.bytes" <(bytes "$root/data/apps/dbus-bms/")
check "with nothing beside" test ! -e "$root/data/.dbus-bms-download"
busybox sh "$root/data/apps/dbus-bms/install.sh" uninstall --purge --root "$root" >/dev/null 2>&1

echo "-- a new key"
check "an installation" over_ssh second
check "does not take the new key" refuses update rotated 'signed with a key that this program does not know'
check "but the release that has both" update rotating
check "and then the new one" update rotated
check "" version_is 4.0
check "with a program that does not run, it says so" sh -c 'printf "#!/bin/sh\nexit 139\n" >"$1/data/apps/dbus-bms/bin/dbus-bms"' - "$root"
check "and takes nothing" refuses over_ssh rotating 'the installed version cannot check signatures'

echo "-- what cannot be installed"
device
tree "$root" >"$work/before"
cp -r "$work/one" "$work/part"
refused() { not busybox sh "$work/part/install.sh" install --root "$root" && diff "$work/before" <(tree "$root"); }
rm "$work/part/VERSION"
check "a package without its version is refused, and nothing is changed" refused
for version in '' ' ' '<html>not found</html>' '1.0 beta'; do
    echo "$version" >"$work/part/VERSION"
    check "so is one whose version is '$version'" refused
done
installer one install >/dev/null 2>&1
check "one beside an installation" not busybox sh "$work/part/install.sh" install --root "$root"
check "leaves that alone" grep -qx 1.0 "$root/data/apps/dbus-bms/VERSION"
check "outside a GX device nothing is touched" not sh "$work/one/install.sh" install
check "an unknown word is refused" not installer one instal
check "help is no failure" sh -c 'busybox sh "$1" --help >"$2"' - "$work/one/install.sh" "$work/list"
for option in update uninstall --purge --root --replace-serialbattery --keep-serialbattery --allow-unsigned --allow-downgrade; do
    check "and names $option" grep -q -- "$option" "$work/list"
done
check "purge is for uninstall" not installer one install --purge

# The service's script with a driver that ends according to `ends`, on a port that always exists. Its process id is written before it
# counts as a run.
echo "-- a driver that ends"
mkdir -p "$work/app/bin" "$work/app/service" "$work/locks" "$work/bin" "$work/starter"
sed 's/TTY/null/' service/run >"$work/app/service/run"
printf '#!/bin/sh\necho $$ >"%s/pid"\necho "$*" >>"%s/runs"\ntrap "exit 0" TERM\nread -r code <"%s/ends"\n[ "$code" = stay ] || exit "$code"\nwhile :; do sleep 0.1; done\n' \
    "$work" "$work" "$work" >"$work/app/bin/dbus-bms"
printf '#!/bin/sh\ncat "%s/svstat"\n' "$work" >"$work/bin/svstat"
chmod +x "$work/app/bin/dbus-bms" "$work/app/service/run" "$work/bin/svstat"

# serve ENDS SVSTAT: starts it, with the port's lock taken as by serial-starter.
serve() {
    echo "$1" >"$work/ends"
    echo ".: up (pid 1) 1 seconds, normally down$2" >"$work/svstat"
    rm -f "$work/runs"
    ln -sfn 1 "$work/locks/null"
    PATH=$work/bin:$PATH DBUS_BMS_APP=$work/app SERIAL_STARTER=$work/starter SERIAL_STARTER_LOCKS=$work/locks \
        bash "$work/app/service/run" >"$work/log" 2>&1 &
    service=$!
}
ended() { wait "$service"; }
runs() { grep -cx 'run /dev/null --outputs-elsewhere' "$work/runs"; }
wait_runs() { for _ in $(seq 100); do [ "$(runs 2>/dev/null)" = "$1" ] && return; sleep 0.1; done; false; }
is_locked() { [ -L "$work/locks/null" ]; }

for shell in none trap; do
    rm -f "$work/starter/run-service.sh"
    [ "$shell" = none ] || echo 'tty=$1; trap '\''rm -f "$SERIAL_STARTER_LOCKS/$tty"; echo freed by run-service.sh'\'' EXIT' >"$work/starter/run-service.sh"
    serve 3 ''
    ended
    check "no BMS: once ($shell)" test "$(runs)" = 1
    check "no BMS: the port is free ($shell)" not is_locked
    [ "$shell" = none ] || check "by run-service.sh's own hand" grep -q 'freed by' "$work/log"
done
serve 0 ''
ended
check "done: once" test "$(runs)" = 1
serve 1 ''
sleep 2.5
check "a failure: the port stays ours" is_locked
ended
check "five failures within a minute: given up" test "$(runs)" = 5
check "and said" grep -q 'given back' "$work/log"
check "the port is free" not is_locked
serve stay ''
check "starts" wait_runs 1
kill -TERM "$service"
check "svc -t: starts again" wait_runs 2
check "svc -t: the port stays ours" is_locked
kill -KILL "$(cat "$work/pid")"
check "killed: starts again" wait_runs 3
check "killed: the port stays ours" is_locked
echo '.: up (pid 1) 1 seconds, normally down, want down' >"$work/svstat"
kill -TERM "$service"
ended
check "svc -d: ends" test "$(runs)" = 3
check "svc -d: the port is free" not is_locked
sed 's/TTY/absent/' service/run >"$work/app/service/run"
serve 4 ''
ended
check "the port is gone: once" test "$(wc -l <"$work/runs")" = 1

echo "-- the services beside the ports'"
cp service/drive.sh "$work/app/service/"
for name in hub bank configured; do
    # The command that the service starts.
    command=$name
    [ "$name" != configured ] || command=run
    # beside ENDS: the script with a driver that ends according to `ends`.
    beside() {
        echo "$1" >"$work/ends"
        rm -f "$work/runs"
        DBUS_BMS_APP=$work/app sh "$name/run" >"$work/log" 2>&1 &
        service=$!
    }
    wait_starts() { for _ in $(seq 100); do [ "$(grep -c "^$command" "$work/runs" 2>/dev/null)" = "$1" ] && return; sleep 0.1; done; false; }
    sleeps() { for _ in $(seq 100); do [ "$(tr '\0' ' ' <"/proc/$service/cmdline")" = 'sleep 2000000000 ' ] && return; sleep 0.1; done; false; }
    ends_soon() { for _ in $(seq 100); do kill -0 "$service" 2>/dev/null || return 0; sleep 0.1; done; false; }
    beside 0
    check "$name: nothing to do: sleeps" sleeps
    check "$name: after asking once" wait_starts 1
    kill -TERM "$service"
    check "$name: told to look again, it ends for the supervisor to start it" ends_soon
    beside stay
    check "$name: runs" wait_starts 1
    kill -TERM "$service"
    check "$name: told to start again while it runs, it ends as well" ends_soon
    wait "$service"
    check "$name: as one that did what it was told" test $? = 0
done

echo "-- with systemd"
for unit in dbus-bms.service dbus-bms@.service dbus-bms-bank.service dbus-bms-hub.service; do
    sed 's|/usr/local/bin/dbus-bms|/bin/true|; /^Documentation/d' "cross/linux/$unit" >"$work/$unit"
    check "$unit is valid" systemd-analyze verify "$work/$unit"
    check "without a complaint" test ! -s "$work/said"
    check "and lets the driver do little" systemd-analyze security --offline=true --threshold=25 "$work/$unit"
done


echo "-- who may do what on the system bus of a computer with systemd"
# The bus itself stands in for the driver: it rejects calls that the policy permits as unknown, and others earlier.
sed 's/user="dbus-bms"/user="daemon"/' cross/linux/dbus-bms.conf >"$work/policy.conf"
cat >"$work/bus.conf" <<END
<busconfig>
  <type>system</type><listen>unix:path=$work/bus</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><deny own="*"/><deny send_type="method_call"/><allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/><allow receive_type="method_return"/><allow receive_type="error"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
  </policy>
  <include>$work/policy.conf</include>
</busconfig>
END
chmod 755 "$work"
dbus-daemon --config-file="$work/bus.conf" --nofork --nopidfile 2>"$work/bus.log" &
bus=$!
for _ in $(seq 100); do [ -S "$work/bus" ] && break; sleep 0.1; done
# call USER METHOD: whether the policy permits it.
call() {
    setpriv --reuid "$1" --clear-groups dbus-send --bus="unix:path=$work/bus" --print-reply --dest=org.freedesktop.DBus / "$2" >"$work/call" 2>&1
    cat "$work/call"
    ! grep -q AccessDenied "$work/call" && grep -q 'UnknownMethod\|UnknownInterface' "$work/call"
}
denied() { call "$@"; grep -q AccessDenied "$work/call"; }
own() { setpriv --reuid "$1" --clear-groups dbus-send --bus="unix:path=$work/bus" --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.RequestName "string:$2" uint32:4; }
if [ "$(id -u)" = 0 ]; then
    for user in root daemon; do
        for method in com.victronenergy.BusItem.SetValue com.victronenergy.BusItem.GetItems com.github.dbus_bms.Commands.Ask dbus_bms.Battery.{View,BankLives}; do
            check "$user may call $method" call "$user" "$method"
        done
    done
    for method in com.victronenergy.BusItem.{GetItems,GetValue,GetText} dbus_bms.Battery.View; do
        check "everybody may read: $method" call nobody "$method"
    done
    for method in com.victronenergy.BusItem.{SetValue,SetDefault} com.github.dbus_bms.Commands.Ask dbus_bms.Battery.BankLives; do
        check "nobody else may write: $method" denied nobody "$method"
    done
    # A bank announces itself under a second name before it takes that of its battery.
    for name in com.victronenergy.battery.ttyUSB0 com.victronenergy.battery.bank dbus_bms.bank.bank; do
        check "not everybody may own $name" not own nobody "$name"
        check "the driver's user may" own daemon "$name"
        check "and so may root" own root "$name"
    done
else
    echo "skipped: only root can be somebody else"
fi
kill "$bus"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
