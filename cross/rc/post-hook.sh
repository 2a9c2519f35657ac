#!/bin/sh
# Venus OS runs this after it has unpacked venus-data.tar.gz from a USB stick or SD card to /data.
#
# The log is written to the stick, to dbus-bms.txt. A file dbus-bms.toml beside the archive becomes the configuration; a file named
# dbus-bms-uninstall removes the driver instead. Files dbus-bms-unsigned and dbus-bms-downgrade permit just that, once.
SETUP=/data/dbus-bms-setup
CONFIG=/data/conf/dbus-bms/config.toml

# Archives of other projects have the same name.
is_ours() { tar tzf "$1" 2>/dev/null | grep -q '^dbus-bms-setup/'; }

# take_config STICK: an invalid configuration is refused, and the old one is kept.
take_config() {
    new=$1/dbus-bms.toml
    [ -f "$new" ] || return 0
    /data/apps/dbus-bms/bin/dbus-bms config check "$new" || { echo "dbus-bms.toml was not accepted: correct what is named above."; return 1; }
    if ! cmp -s "$CONFIG" /data/apps/dbus-bms/config.toml && cp "$CONFIG" "$CONFIG.old"; then
        echo "The previous configuration was saved as $CONFIG.old."
    fi
    cp "$new" "$CONFIG.new" && mv -f "$CONFIG.new" "$CONFIG" && mv -f "$new" "$1/dbus-bms_installed.toml"
    echo "dbus-bms.toml is now the configuration."
    for service in /service/dbus-bms.*; do [ ! -e "$service/run" ] || svc -t "$service" 2>/dev/null; done
}

work() {
    date
    if [ "${2:-success}" != success ]; then
        echo "Not installed: Venus OS could not unpack the archive; copy it to the stick again."
    elif [ -e "$1/dbus-bms-uninstall" ]; then
        sh "$SETUP/install.sh" uninstall && mv -f "$1/dbus-bms-uninstall" "$1/dbus-bms-uninstalled"
    else
        # No questions are possible here, and an owner with this driver on a stick wants this driver.
        DBUS_BMS_ALLOW=
        for act in unsigned downgrade; do [ ! -e "$1/dbus-bms-$act" ] || DBUS_BMS_ALLOW="$DBUS_BMS_ALLOW $act"; done
        export DBUS_BMS_ALLOW
        sh "$SETUP/install.sh" install --replace-serialbattery || return
        # Each permission is for one installation.
        for act in $DBUS_BMS_ALLOW; do mv -f "$1/dbus-bms-$act" "$1/dbus-bms-${act}_used"; done
        take_config "$1"
    fi
}

status=1
for stick in /media/*; do
    for archive in "$stick"/venus-data*.tar.gz "$stick"/venus-data*.tgz "$stick"/venus-runtime*.tar.gz "$stick"/venus-runtime*.tgz; do
        is_ours "$archive" || continue
        work "$stick" "${1:-success}" </dev/null >"$stick/dbus-bms.txt" 2>&1
        status=$?
        # Otherwise the next start would install it again.
        mv -f "$archive" "$stick/dbus-bms_installed.tar.gz"
        sync
        break 2
    done
done
rm -rf "$SETUP"
exit "$status"
