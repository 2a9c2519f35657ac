# shellcheck shell=bash
# The parts of Venus OS needed by an installation, created on the emulated GX: sourced by the guest script.
#
# Everything that a firmware update replaces (/opt, /etc) is read-only, /data is as small as on the smallest device, /service is in
# RAM.
VENUS=/extra/venus
PROBERS="gps-dbus vedirect-interface dbus-cgwacs dbus-fzsonick-48tl dbus-imt-si-rs485tc dbus-modbus-client"

# lay_firmware VERSION
lay_firmware() {
    rm -rf /opt/victronenergy /etc/venus
    mkdir -p /opt/victronenergy/{serial-starter,service-templates,service/serial-starter/log} /etc/venus
    echo "$1" >/opt/victronenergy/version
    cp "$VENUS/serial-starter.conf" /etc/venus/
    cp "$VENUS"/{serial-starter,functions,run-service,cleanup}.sh /opt/victronenergy/serial-starter/
    for prober in $PROBERS dbus-serialbattery; do
        mkdir -p "/opt/victronenergy/service-templates/$prober/log"
        cp "$VENUS/prober.run" "/opt/victronenergy/service-templates/$prober/run"
        [ "$prober" != dbus-serialbattery ] || cp "$VENUS/holder.run" "/opt/victronenergy/service-templates/$prober/run"
        printf '#!/bin/sh\nexec multilog t s25000 n4 /var/log/%s.TTY\n' "$prober" >"/opt/victronenergy/service-templates/$prober/log/run"
        touch "/opt/victronenergy/service-templates/$prober"/{,log/}down
        chmod +x "/opt/victronenergy/service-templates/$prober"/{,log/}run
    done
    printf '#!/bin/sh\nexec /opt/victronenergy/serial-starter/serial-starter.sh\n' >/opt/victronenergy/service/serial-starter/run
    printf '#!/bin/sh\nexec multilog t s25000 n4 /data/log/serial-starter\n' >/opt/victronenergy/service/serial-starter/log/run
    chmod +x /opt/victronenergy/service/serial-starter{,/log}/run /opt/victronenergy/serial-starter/*.sh
    mount --bind /opt /opt && mount -o remount,ro,bind /opt
}

# Present before the first start script: devices and folders in RAM.
start_platform() {
    mount -t tmpfs -o size=32m data /data
    mkdir -p /data/{conf,log,var/lib} /var/volatile /var/lock /media /run/dbus
    ln -s /run /var/run
    ln -s /data/log /var/log
    cp "$VENUS/udevadm" /usr/bin/ && chmod +x /usr/bin/udevadm
    bash "$VENUS/udev.sh" &
}

# boot: the hooks and services in the order of Venus OS.
boot() {
    rm -rf /service /var/volatile/services
    cp -a /opt/victronenergy/service /service
    [ ! -x /data/rcS.local ] || /data/rcS.local
    dbus-daemon --config-file=/etc/bus.conf --nofork --nopidfile &
    bus=$!
    while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.2; done
    bash "$VENUS/update-data.sh"
    svscan /service &
    svscan=$!
    [ ! -x /data/rc.local ] || /data/rc.local
}

# halt: everything that a power cycle ends or clears.
halt() {
    kill "$svscan" "$bus"
    # A plain list: all of them are gone before the next boot.
    for service in /service/*; do svc -dx "$service" "$service/log"; done 2>/dev/null
    # Of the start scripts: what they left in the background.
    for process in $(processes '*/rc.local late'); do kill "$process"; done
    sleep 3
    wait "$svscan" "$bus" 2>/dev/null
    umount /opt
    rm -rf /run/dbus-bms /run/dbus/* /run/serial-starter /var/lock/serial-starter /tmp/*.prog
}

# ---- for the checks of a guest script: SERVICE is the D-Bus service that they ask ----------------------------------------

now() { cut -d' ' -f1 /proc/uptime; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f", to - from }'; }
# within SECONDS TIME
within() { awk -v limit="$1" -v time="$2" 'BEGIN { exit !(time <= limit) }'; }
not() { ! "$@"; }
value() { dbus-send --system --print-reply=literal --dest="$SERVICE" "$1" com.victronenergy.BusItem.GetValue 2>&1; }
is_number() { [[ $(value "$1") == *double\ [0-9]* ]]; }
# processes PATTERN: process ids with a matching command line.
processes() {
    local file words
    for file in /proc/[0-9]*/cmdline; do
        # A process that has ended meanwhile must not be taken for the one before.
        mapfile -d '' -t words <"$file" || continue
        # shellcheck disable=SC2053 # a pattern
        [[ "${words[*]}" != $1 ]] || { file=${file%/*} && echo "${file##*/}"; }
    done 2>/dev/null
}
files() { (cd /data && find . ! -path './log*' ! -path './var*' | sort); }

# Another project installs its template on the root file system and registers it with serial-starter.
install_another() {
    mount -o remount,rw,bind /opt
    rm -rf /opt/victronenergy/service-templates/smart-dbus
    cp -r /opt/victronenergy/service-templates/gps-dbus /opt/victronenergy/service-templates/smart-dbus
    mount -o remount,ro,bind /opt
}
templates() { (cd /opt/victronenergy/service-templates && find . | sort); }
mounts() { grep -c service-templates /proc/self/mountinfo; }

section() { echo "GUEST: -- $* ($(now) s)"; }
