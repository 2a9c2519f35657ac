# shellcheck shell=sh
# Sourced by the services beside those of the ports: hub, bank, configured.

# drive ARGUMENT…: runs the driver until it has ended. Returns only after a failure, with the exit status in `status`, and leaves the
# pause before the next start to the service; the supervisor starts it again.
drive() {
    driver='' asked=''
    trap 'asked=1; kill -TERM $driver 2>/dev/null' TERM INT HUP
    "${DBUS_BMS_APP:-/data/apps/dbus-bms}/bin/dbus-bms" "$@" &
    driver=$!
    # A signal arrived before the driver was started.
    [ -z "$asked" ] || kill -TERM "$driver" 2>/dev/null
    # A signal ends the wait, not the driver.
    while :; do
        wait "$driver"
        status=$?
        kill -0 "$driver" || break
    done 2>/dev/null
    trap - TERM INT HUP
    # Stopped: the supervisor starts it again after svc -t, and not after svc -d.
    [ -z "$asked" ] || exit 0
    case $status in
    # Nothing to do.
    0) exec sleep 2000000000 ;;
    # An error in the configuration: leave time to correct it.
    2) exec sleep 60 ;;
    esac
}
