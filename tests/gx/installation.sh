#!/bin/bash
# Runs as root on the emulated GX: installs, updates and removes the release's archive there.
#
# A simulated JK is on ttyUSB0, nothing on ttyUSB1. Everything is real except Venus OS' own parts, which are in venus/.
# shellcheck disable=SC2317 # many functions are called by check and wait_for only
set -u
# shellcheck source=tests/gx/checks.sh
. /checks.sh
# shellcheck source=tests/gx/venus/venus.sh
. /extra/venus/venus.sh
SERVICE=com.victronenergy.battery.ttyUSB0

# All following checks need the battery.
needs_battery() {
    check "$1" wait_for "$2" is_number /Soc
    is_number /Soc || { tell_all; exit 1; }
}
tell_all() { cat /data/log/serial-starter/current /run/dbus-bms/boot.log /tmp/turns; tail -n 20 /data/log/dbus-bms.*/current; } 2>/dev/null

# A member leaves its limits to its bank.
limits_are_valid() { is_number /Bank/MaxChargeVoltage && is_number /Bank/MaxChargeCurrent && is_number /Bank/MaxDischargeCurrent; }
has_left() { [[ $(value /Soc) == *Error* ]]; }
driver() { processes "*/bin/dbus-bms run /dev/$1 --outputs-elsewhere"; }
log_of() { cat "/data/log/dbus-bms.$1/current" 2>/dev/null; }
says() { log_of "$1" | grep -q "$2"; }
programs() { sed -n 's/^alias default //p' /data/conf/serial-starter.d/zz-dbus-bms.conf 2>/dev/null; }

# ---- a device with another driver --------------------------------------------------------------------------------------
start_platform
lay_firmware v3.55
printf '#!/bin/bash\necho somebody else >>/tmp/hooks\nexit 0' >/data/rc.local
chmod 755 /data/rc.local
mkdir /data/conf/serial-starter.d
printf 'service smart smart-dbus\nalias default gps:vedirect:smart\n' >/data/conf/serial-starter.d/smart.conf
files >/tmp/files.before
cp /data/rc.local /tmp/rc.local.before

section "installed from a USB stick, at start"
mkdir /media/sda1
cp /extra/release/venus-data.tar.gz /media/sda1/
printf 'max_charge_current_a = 80\nmember_of_bank = true\n' >/media/sda1/dbus-bms.toml
templates >/tmp/templates.before
boot
booted=$(now)
sed 's/^/  | /' /media/sda1/dbus-bms.txt
check "the archive on the stick is renamed" test -f /media/sda1/dbus-bms_installed.tar.gz -a ! -e /media/sda1/venus-data.tar.gz
check "nothing is left of what was unpacked" test ! -e /data/dbus-bms-setup
check "the configuration on the stick counts" grep -q '= 80' /data/conf/dbus-bms/config.toml
check "the other project's line runs" grep -q 'somebody else' /tmp/hooks
check "the aliases are merged: $(programs)" test "$(programs)" = gps:vedirect:smart:dbusbms
check "the root file system is as it was" test ! -w /opt/victronenergy/version
check "has the ports" wait_for 30 test -c /dev/ttyUSB0 -a -c /dev/ttyUSB1

section "its turn on both ports"
needs_battery "the battery appears" 90
soc=$(since "$booted")
log_of ttyUSB0 | tail -n 3 | sed 's/^/  | /'
check "limits are valid" limits_are_valid
check "says: connected" says ttyUSB0 'connected: '
charge_is() { [[ $(value /Bank/MaxChargeCurrent) == *"double $1" ]]; }
check "the configured limit counts" wait_for 10 charge_is 80
check "the silent port is given back" wait_for 60 says ttyUSB1 'no BMS answered'
log_of ttyUSB1 | head -n 1 | sed 's/^/  | /'
took=$(log_of ttyUSB1 | sed -n '1s/.* in \([0-9.]*\) s .*/\1/p')
check "the silent port is given back after $took s" within 12 "$took"
turns=$(grep -c ttyUSB1 /tmp/turns)
silent=$(now)
more_turns() { [ "$(grep -c ttyUSB1 /tmp/turns)" -gt "$turns" ]; }
check "another program gets its turn" wait_for 20 more_turns
echo "GUEST: … after $(since "$silent") s"
dropped() { [ "$(programs)" = gps:vedirect:dbusbms ]; }

section "its bank"
BANK=com.victronenergy.battery.bank
of_bank() { SERVICE=$BANK value "$1"; }
bank_allows() { [[ $(of_bank /Info/MaxChargeCurrent) == *double\ [1-9]* ]]; }
check "is on the bus by itself" wait_for 60 bank_allows
check "the battery leaves its limits to it" not is_number /Info/MaxChargeVoltage
started_by() { /data/apps/dbus-bms/bin/dbus-bms status --json --bus system | grep -q '"started_by":"the service /service/dbus-bms.bank"'; }
check "status says what starts it" started_by

section "what it needs"
pid=$(driver ttyUSB0)
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
before=$(ticks)
sleep 60
of_status() { sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$pid/status"; }
rss=$(of_status VmRSS) own=$(of_status RssAnon)
# 4 MB in the kernel's unit, which is 1024 bytes. The kernel also maps what it happens to hold of the program's file: where that makes
# it more, the program's own memory tells what it needs.
needs_little() { [ "$rss" -le 4096 ] || [ "$own" -le 1500 ]; }
check "memory: $rss kB resident, $own kB of it its own" needs_little
echo "GUEST: … and $(($(ticks) - before))0 ms of this emulated processor in a minute"
check "the program that has no template is left out, a minute after the start" dropped

section "beside a project that installs later"
check "the folder of the templates is as it was" diff /tmp/templates.before <(templates)
check "nothing lies over it" test "$(mounts)" = 0
install_another
templates >/tmp/templates.smart
check "a service waits for the port that comes next" test -d /service/dbus-bms.ttyUSB2
halt
boot
check "after the next start its template is there" diff /tmp/templates.smart <(templates)
needs_battery "and the battery is back" 90
check "with the bank" wait_for 60 bank_allows

section "killed, and told to start again"
# Without a child process: on an emulated processor its start would dominate the measurement.
times_on_bus() {
    local text
    text=$(</data/log/dbus-bms.ttyUSB0/current)
    text=${text//"$SERVICE is on D-Bus"/$'\001'}
    text=${text//[^$'\001']/}
    echo "${#text}"
}
is_on_bus_again() { [ "$(times_on_bus)" -gt "$before" ]; }
is_new() { local new; new=$(driver ttyUSB0) && [ -n "$new" ] && [ "$new" != "$pid" ] && limits_are_valid; }
for how in "kill -9" "svc -t"; do
    # The better one counts: the host of the emulator may be busy.
    best=99
    for _ in 1 2; do
        pid=$(driver ttyUSB0)
        before=$(times_on_bus)
        start=$(now)
        case $how in
        kill*) kill -9 "$pid" ;;
        svc*) svc -t /service/dbus-bms.ttyUSB0 ;;
        esac
        check "$how: on the bus again" wait_for 20 is_on_bus_again
        took=$(since "$start")
        check "$how: with valid limits, after $took s" is_new
        within "$best" "$took" && best=$took
    done
    check "$how: within 3 s" within 3 "$best"
    check "$how: the port is still ours" test -L /var/lock/serial-starter/ttyUSB0
done
check "no other program had a turn there meanwhile" test "$(grep -c ttyUSB0 /tmp/turns)" -le 2

section "unplugged and plugged in"
port=$(readlink -f /sys/class/tty/ttyUSB0/device)
usb=${port%/*}
usb=${usb%/*}
[ -f "$usb/authorized" ] || usb=${port%/*}
start=$(now)
echo 0 >"$usb/authorized"
check "leaves the bus" wait_for 10 has_left
echo "GUEST: … after $(since "$start") s"
check "the service is gone" wait_for 15 test ! -e /service/dbus-bms.ttyUSB0
check "and the lock" wait_for 10 test ! -L /var/lock/serial-starter/ttyUSB0
echo 1 >"$usb/authorized"
plugged=$(now)
needs_battery "the battery is back" 60
adapter=$(since "$plugged")
echo "GUEST: … $adapter s from the adapter to the first valid SoC"

section "updated over the network, one line"
mkdir -p /tmp/www/dbus-bms-setup
tar xzf /extra/release/venus-data.tar.gz -C /tmp/www
# As made by hand: not of a release.
rm -f /tmp/www/dbus-bms-setup/MANIFEST*
echo 0.1.1 >/tmp/www/dbus-bms-setup/VERSION
(cd /tmp/www && tar czf venus-data.tar.gz dbus-bms-setup rc && sha256sum venus-data.tar.gz >SHA256SUMS)
httpd -p 127.0.0.1:8080 -h /tmp/www
export DBUS_BMS_URL=http://127.0.0.1:8080
pid=$(driver ttyUSB0)
start=$(now)
wget -qO- "$DBUS_BMS_URL/dbus-bms-setup/install.sh" | sh -s update 2>&1 | sed 's/^/  | /'
check "version $(cat /data/apps/dbus-bms/VERSION)" grep -qx 0.1.1 /data/apps/dbus-bms/VERSION
check "goes on with the new version" wait_for 10 is_new
check "the port is still ours" test -L /var/lock/serial-starter/ttyUSB0
check "the edited configuration stays" grep -q '= 80' /data/conf/dbus-bms/config.toml
check "and its bank goes on" wait_for 30 bank_allows
echo broken >>/tmp/www/venus-data.tar.gz
check "a damaged download is refused" not /data/apps/dbus-bms/install.sh update
check "and changes nothing" grep -qx 0.1.1 /data/apps/dbus-bms/VERSION

section "a firmware update"
files >/tmp/files.installed
halt
rm -f /tmp/hooks
lay_firmware v3.60
sed -i 's/^alias default .*/alias default gps:vedirect:newone/; $a service newone gps-dbus' /etc/venus/serial-starter.conf
boot
booted=$(now)
needs_battery "the battery is back" 90
echo "GUEST: … $(since "$booted") s after the start"
check "the bank is back" wait_for 60 bank_allows
check "the new programs are in the list: $(programs)" test "$(programs)" = gps:vedirect:smart:newone:dbusbms
check "nothing else changed" cmp /tmp/files.installed <(files)

section "uninstalled"
start=$(now)
/data/apps/dbus-bms/install.sh uninstall 2>&1 | sed 's/^/  | /'
echo "GUEST: … in $(since "$start") s"
check "has left the bus" has_left
left=$(for process in $(processes '*dbus-bms*'); do tr '\0' ' ' <"/proc/$process/cmdline"; done)
check "no process is left: $left" test -z "$left"
check "no service is left" test -z "$(ls -d /service/dbus-bms.* /var/volatile/services/dbus-bms.* /opt/victronenergy/service-templates/dbus-bms /run/dbus-bms /run/serial-starter/dbusbms 2>/dev/null)"
check "no log is left" test -z "$(ls -d /data/log/dbus-bms* 2>/dev/null)"
check "serial-starter has forgotten it" not grep -rq dbusbms /data/var/lib/serial-starter /tmp/ttyUSB0.prog /tmp/ttyUSB1.prog
check "the configuration that was edited is kept" grep -q '= 80' /data/conf/dbus-bms/config.toml
turns=$(grep -c ttyUSB0 /tmp/turns)
more_turns() { [ "$(grep -c ttyUSB0 /tmp/turns)" -gt "$turns" ]; }
check "another program gets the port" wait_for 30 more_turns
sh /tmp/www/dbus-bms-setup/install.sh uninstall --purge | sed 's/^/  | /'
files >/tmp/files.after
check "all files are as before" diff /tmp/files.before /tmp/files.after
check "the other project's hook is as it was, byte by byte" cmp /data/rc.local /tmp/rc.local.before

section "from a stick with a mistake, and taken away by a stick"
mv /media/sda1/dbus-bms_installed.tar.gz /media/sda1/venus-data.tar.gz
echo 'max_charge_curent_a = 80' >/media/sda1/dbus-bms.toml
bash /extra/venus/update-data.sh
check "the mistake is named: $(grep -m 1 curent /media/sda1/dbus-bms.txt)" grep -q max_charge_current_a /media/sda1/dbus-bms.txt
check "the configuration is the old one" cmp /data/conf/dbus-bms/config.toml /data/apps/dbus-bms/config.toml
mv /media/sda1/dbus-bms_installed.tar.gz /media/sda1/venus-data.tar.gz
touch /media/sda1/dbus-bms-uninstall
bash /extra/venus/update-data.sh
check "the stick says so: $(tail -n 1 /media/sda1/dbus-bms.txt)" test -f /media/sda1/dbus-bms-uninstalled
# The battery may have been read meanwhile, and its history is kept.
sh /tmp/www/dbus-bms-setup/install.sh uninstall --purge | sed 's/^/  | /'
files >/tmp/files.after
check "all files are as before" diff /tmp/files.before /tmp/files.after

section "in place of dbus-serialbattery, on a running device"
# After the other project by name: of two independent files the last one counts.
printf 'service sbattery dbus-serialbattery\nalias default gps:vedirect:sbattery\n' >/data/conf/serial-starter.d/zb-serialbattery.conf
for tty in ttyUSB0 ttyUSB1; do echo sbattery >"/data/var/lib/serial-starter/$tty"; done
rm -f /tmp/*.prog
svc -t /service/serial-starter
holds() { [[ $(svstat /service/dbus-serialbattery.ttyUSB0 2>/dev/null) == *': up '* ]]; }
check "the other driver has the port" wait_for 40 holds
files >/tmp/files.before
sh /tmp/www/dbus-bms-setup/install.sh install --replace-serialbattery 2>&1 | sed -n '/^$/q; s/^/  | /p'
replaced=$(now)
needs_battery "the battery appears" 60
echo "GUEST: … after $(since "$replaced") s"
check "the other driver has ended" not holds
/data/apps/dbus-bms/install.sh uninstall --purge | sed 's/^/  | /'
check "the other driver has the port again" wait_for 40 holds

section "… that a udev rule gives it for good"
echo sbattery >/tmp/ve-service.ttyUSB0
svc -d /service/dbus-serialbattery.ttyUSB0
is_given() { holds && [ ! -e /dev/serial-starter/ttyUSB0 ]; }
check "the other driver has the port, and nobody else is offered it" wait_for 40 is_given
sh /tmp/www/dbus-bms-setup/install.sh install --replace-serialbattery 2>&1 | sed -n '/^$/q; s/^/  | /p'
needs_battery "the battery appears" 60
check "the other driver has ended" not holds
/data/apps/dbus-bms/install.sh uninstall --purge | sed 's/^/  | /'
check "the other driver has the port again" wait_for 40 holds
rm /tmp/ve-service.ttyUSB0
files >/tmp/files.after
check "all files are as before" diff /tmp/files.before /tmp/files.after

[ "$failed" -eq 0 ] || tell_all
echo "GUEST: start to first SoC $soc s, adapter to first SoC $adapter s, done after $(now) s"
exit "$failed"
