#!/usr/bin/env bash
# tests/install.sh   installs, updates and uninstalls in scratch roots, and runs the service's script with drivers that fail
#
# What a running device adds (services, D-Bus, boot) is in tests/gx/installation.sh.
# shellcheck disable=SC2016 # code for awk and sh in single quotes
set -euo pipefail
cd "$(dirname "$0")/.."
set +e # from here on a failure is counted
DRIVER=${CARGO_TARGET_DIR:-$PWD/target}/debug/dbus-bms
tests/need.sh curl=curl busybox=busybox-static systemd-analyze=systemd
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

# package FOLDER VERSION: a payload as it is in the archive, with the driver for this computer.
package() {
    mkdir -p "$1/bin"
    cp -r install.sh rc.local config.toml LICENSE service hub serial-starter.d "$1/"
    cp "$DRIVER" "$1/bin/dbus-bms"
    echo "$2" >"$1/VERSION"
}
package "$work/one" 1.0
package "$work/two" 2.0

# device: a new scratch root in $root, like a GX device that somebody else has used.
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

# installer ARGUMENT…: with the smallest shell that a device has.
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

echo "-- with the owner's configuration and history"
device
tree "$root" >"$work/before"
installer one install >/dev/null 2>&1
check "an old default gives way to a new one" sh -c 'echo "# new" >>"$1/two/config.toml" && busybox sh "$1/two/install.sh" install --root "$2" && grep -qx "# new" "$2/data/conf/dbus-bms/config.toml"' - "$work" "$root"
echo 'max_charge_current_a = 80' >>"$root/data/conf/dbus-bms/config.toml"
echo '{}' >"$root/data/conf/dbus-bms/jk_1.json"
check "updates" installer one install
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
# The function by itself, as a scratch root has no D-Bus; tests/old_driver.rs and tests/venus/takeover.py see what the command does.
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

echo "-- cut off"
device
installer one install >/dev/null 2>&1
bytes "$root/data/apps/dbus-bms/" >"$work/one.bytes"
installer two install >/dev/null 2>&1
bytes "$root/data/apps/dbus-bms/" >"$work/two.bytes"
one_or_two() { cmp "$work/one.bytes" <(bytes "$root/data/apps/dbus-bms/") || cmp "$work/two.bytes" <(bytes "$root/data/apps/dbus-bms/"); }
# Every program that changes files counts its calls, and at one of them all that belongs to the installation is killed.
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
    CUT=$1 PATH=$work/tools:$PATH setsid --wait sh "$work/one/install.sh" install --root "$root" >/dev/null 2>&1
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

echo "-- what cannot be installed"
check "outside a GX device nothing is touched" not sh "$work/one/install.sh" install
check "an unknown word is refused" not installer one instal
check "purge is for uninstall" not installer one install --purge

# The service's script with a driver that ends as `ends` says, on a port that is always there.
echo "-- a driver that ends"
mkdir -p "$work/app/bin" "$work/app/service" "$work/locks" "$work/bin" "$work/starter"
sed 's/TTY/null/' service/run >"$work/app/service/run"
printf '#!/bin/sh\necho "$*" >>"%s/runs"\necho $$ >"%s/pid"\ntrap "exit 0" TERM\nread -r code <"%s/ends"\n[ "$code" = stay ] || exit "$code"\nwhile :; do sleep 0.1; done\n' \
    "$work" "$work" "$work" >"$work/app/bin/dbus-bms"
printf '#!/bin/sh\ncat "%s/svstat"\n' "$work" >"$work/bin/svstat"
chmod +x "$work/app/bin/dbus-bms" "$work/app/service/run" "$work/bin/svstat"

# serve ENDS SVSTAT: starts it, with the port's lock taken as serial-starter does.
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
runs() { grep -cx 'run /dev/null --sinks-elsewhere' "$work/runs"; }
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

echo "-- with systemd"
for unit in dbus-bms.service dbus-bms@.service; do
    sed 's|/usr/local/bin/dbus-bms|/bin/true|; /^Documentation/d' "cross/linux/$unit" >"$work/$unit"
    check "$unit is valid" systemd-analyze verify "$work/$unit"
    check "without a complaint" test ! -s "$work/said"
    check "and lets the driver do little" systemd-analyze security --offline=true --threshold=25 "$work/$unit"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
