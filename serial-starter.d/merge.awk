# Prints our file for /data/conf/serial-starter.d. If several files define an alias, serial-starter uses the last one. Therefore
# ours, the last by name, contains everything from the others, with dbusbms after it.
#
#   awk -f merge.awk -v skip="NAMES" -v templates="FOLDERS" part=ours OURS part=stock STOCK part=others OTHERS…
#
# NAMES      programs that we replace: they are removed from the lists, and a port that a udev rule assigns to one of them is ours
# OURS       our own file as delivered: its aliases count if STOCK has none
# STOCK      the platform's configuration: its programs always stay
# OTHERS     in the order of serial-starter; their programs stay if they have a `service` line that names one of the
#            FOLDERS, or any if none are given, and no name in NAMES
BEGIN {
    me = "dbusbms"
    count = split("default rs485", aliases, " ")
    split(skip, names, " ")
    for (i in names) skipped[names[i]] = 1
    judged = split(templates, folders, " ")
    for (i in folders) exists[folders[i]] = 1
}

FNR == 1 && part == "others" { others++ }
{ sub(/\r$/, ""); sub(/#.*/, "") }
$1 == "service" && NF >= 3 { template[$2] = $3 }
$1 == "alias" && NF >= 3 {
    defined[$2] = 1
    # Within one file the last line counts.
    said[part == "others" ? others : part, $2] = $3
}

function has(list, name) { return index(":" list ":", ":" name ":") > 0 }

function stays(name, alias) {
    if (name == "" || name == me || name == alias || skipped[name]) return 0
    if (has(stock, name)) return 1
    if (name !~ /^[A-Za-z0-9_]+$/) return 0
    if (name in template) return !judged || template[name] in exists
    return name in defined
}

# Merges `more` into the list, each new name after the one that it follows there.
function merged(list, more, alias,    n, i, item, before) {
    n = split(more, item, ":")
    before = ""
    for (i = 1; i <= n; i++) {
        if (has(list, item[i])) before = item[i]
        else if (stays(item[i], alias)) {
            list = behind(list, before, item[i])
            before = item[i]
        }
    }
    return list
}

function behind(list, before, name,    at) {
    if (list == "") return name
    if (before == "") return name ":" list
    at = index(":" list ":", ":" before ":") + length(before)
    return substr(list, 1, at - 1) ":" name substr(list, at)
}

END {
    print "# Lets serial-starter try dbus-bms on USB serial ports. Written anew at every start, from all other files: do not edit."
    print "service " me " dbus-bms"
    for (i in names) if (names[i] ~ /^[A-Za-z0-9_]+$/) print "service " names[i] " dbus-bms"
    for (a = 1; a <= count; a++) {
        alias = aliases[a]
        stock = (("stock", alias) in said) ? said["stock", alias] : said["ours", alias]
        list = merged("", stock, alias)
        for (i = 1; i <= others; i++) if ((i, alias) in said) list = merged(list, said[i, alias], alias)
        print "alias " alias " " (list == "" ? me : list ":" me)
    }
}
