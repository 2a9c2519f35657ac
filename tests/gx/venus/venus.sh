# shellcheck shell=bash
# The parts of Venus OS that an installation meets, laid out on the emulated GX: sourced by the guest script.
#
# What a firmware update replaces (/opt, /etc) is read-only, /data is as small as on the smallest device, /service is in RAM.
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

# What is there before the first start script: devices and folders in RAM.
start_platform() {
    mount -t tmpfs -o size=32m data /data
    mkdir -p /data/{conf,log,var/lib} /var/volatile /var/lock /media /run/dbus
    ln -s /run /var/run
    ln -s /data/log /var/log
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

# halt: all that a power cycle ends or empties.
halt() {
    kill "$svscan" "$bus"
    # A plain list: each is gone before the next boot.
    for service in /service/*; do svc -dx "$service" "$service/log"; done 2>/dev/null
    sleep 3
    wait "$svscan" "$bus" 2>/dev/null
    umount /opt/victronenergy/service-templates 2>/dev/null
    umount /opt
    rm -rf /run/dbus-bms /run/dbus/* /run/serial-starter /var/lock/serial-starter /tmp/*.prog
}
