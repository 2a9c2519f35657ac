#!/bin/bash
# A replacement for serial-starter: offers every port in /dev/serial-starter to one program after the other, by the same rules as
# Venus OS (several programs: each started once; one program: permanently; one lock per port).
exec 2>&1
cd "$(dirname "$0")" || exit 1
# shellcheck disable=SC1091 # beside this file on the device
. ./functions.sh
declare -A template alias_of

read_config() {
    local keyword name value file
    while read -r keyword name value; do
        case $keyword in
        service) template[$name]=$value ;;
        alias) alias_of[$name]=$value ;;
        include) for file in "$name"/*.conf; do [ ! -r "$file" ] || read_config "$file"; done ;;
        esac
    done < <(sed 's/#.*//' "$1")
}

# programs ALIAS: its programs, with nested aliases resolved, each once.
programs() {
    local name
    for name in ${1//:/ }; do
        [[ " ${seen[*]} " == *" $name "* ]] && continue
        seen+=("$name")
        if [ -n "${alias_of[$name]:-}" ]; then programs "${alias_of[$name]}"; else echo "$name"; fi
    done
}

# offer TTY SHORT HOW: runs in the background, because the supervisor needs time to find a new service.
offer() {
    local tty=$1 folder=${template[$2]:-} instance
    instance=$folder.$tty
    # As there, the template is only needed for a service that does not exist yet.
    if [ -z "$folder" ] || { [ ! -d "/service/$instance" ] && [ ! -d "$OPT/service-templates/$folder" ]; }; then
        echo "ERROR: no service template for $2"
        unlock_tty "$tty"
        return
    fi
    if [ ! -d "/service/$instance" ]; then
        cp -a "$OPT/service-templates/$folder" "/var/volatile/services/$instance"
        sed -i "s/TTY/$tty/" "/var/volatile/services/$instance/run" "/var/volatile/services/$instance/log/run"
        ln -s "/var/volatile/services/$instance" "/service/$instance"
        sleep 6
    fi
    echo "INFO: start service $instance ($3)"
    svc -u "/service/$instance/log"
    svc "$3" "/service/$instance"
}

mkdir -p "$CACHE" /var/volatile/services
read_config /etc/venus/serial-starter.conf
echo "default ${alias_of[default]} rs485 ${alias_of[rs485]}"
while :; do
    for node in /dev/serial-starter/*; do
        [ -e "$node" ] || continue
        tty=${node##*/}
        lock_tty "$tty" || continue
        seen=()
        mapfile -t list < <(programs "$(cat "/tmp/ve-service.$tty" 2>/dev/null || echo default)")
        how=-o
        [ ${#list[@]} -gt 1 ] || { how=-u && rm "$node"; }
        short=$(cat "/tmp/$tty.prog" 2>/dev/null || cat "$CACHE/$tty" 2>/dev/null)
        [[ " ${list[*]} " == *" $short "* ]] || short=${list[0]}
        echo "$short" >"$CACHE/$tty"
        for i in "${!list[@]}"; do
            mkdir -p "/run/serial-starter/${list[$i]}" && ln -sf "/dev/$tty" "/run/serial-starter/${list[$i]}/$tty"
            [ "${list[$i]}" != "$short" ] || echo "${list[$(((i + 1) % ${#list[@]}))]}" >"/tmp/$tty.prog"
        done
        offer "$tty" "$short" "$how" &
        sleep 1
    done
    sleep 2
done
