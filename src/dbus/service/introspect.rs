//! Introspection of a service.

use crate::dbus::names::BUS_ITEM;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const ROOT_METHODS: &str = "  <method name=\"GetItems\"><arg type=\"a{sa{sv}}\" direction=\"out\"/></method>\n\
                            \x20 <signal name=\"ItemsChanged\"><arg type=\"a{sa{sv}}\"/></signal>\n";

const STANDARD_INTERFACES: &str = " <interface name=\"org.freedesktop.DBus.Introspectable\">\n\
     \x20 <method name=\"Introspect\"><arg type=\"s\" direction=\"out\"/></method>\n </interface>\n\
     \x20<interface name=\"org.freedesktop.DBus.Peer\">\n  <method name=\"Ping\"/>\n\
     \x20 <method name=\"GetMachineId\"><arg type=\"s\" direction=\"out\"/></method>\n </interface>\n";

/// Introspection XML of a path; `children` are the names directly below it.
pub(in crate::dbus) fn describe(path: &str, is_leaf: bool, children: &BTreeSet<&str>) -> String {
    let mut xml = String::from(concat!(
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n",
        " \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n"
    ));
    // An inner node returns the values of all paths below it, a leaf its own.
    let (value, text) = if is_leaf { ("v", "s") } else { ("v", "v") };
    let root = if path == "/" { ROOT_METHODS } else { "" };
    // Writing to a string cannot fail.
    let _ = write!(
        xml,
        " <interface name=\"{BUS_ITEM}\">\n\
         \x20 <method name=\"GetValue\"><arg type=\"{value}\" direction=\"out\"/></method>\n\
         \x20 <method name=\"GetText\"><arg type=\"{text}\" direction=\"out\"/></method>\n\
         \x20 <method name=\"SetValue\"><arg name=\"value\" type=\"v\" direction=\"in\"/>\
         <arg type=\"i\" direction=\"out\"/></method>\n{root} </interface>\n{STANDARD_INTERFACES}"
    );
    for child in children {
        xml.push_str(" <node name=\"");
        xml.push_str(child);
        xml.push_str("\"/>\n");
    }
    xml.push_str("</node>\n");
    xml
}
