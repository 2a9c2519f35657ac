//! Answers to method calls, from memory and without waiting.

use super::item::{Context, Writable};
use super::items::Items;
use super::value::Value;
use super::wire::{Listing, Shown, Texts, Values};
use crate::commands::Wish;
use crate::model::{Command, Outcome};
use crate::units::Percent;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use zbus::Variant;
use zbus::as_variant::Serialize as AsVariant;
use zbus::message::{Flags, Header, Message};

/// Victron's interface, on every path.
pub(crate) const BUS_ITEM: &str = "com.victronenergy.BusItem";
/// Our own interface, on `/`.
pub(crate) const COMMANDS: &str = "com.github.dbus_bms.Commands";
const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const PEER: &str = "org.freedesktop.DBus.Peer";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// `SetValue`: taken over (or so already).
const ACCEPTED: i32 = 0;
/// `SetValue`: this path is not for writing.
const READ_ONLY: i32 = 1;
/// `SetValue`: this value is not one that the path takes.
const REFUSED: i32 = 2;

/// The longest custom name; GUIs let people type 32 characters.
const LONGEST_NAME: usize = 64;

/// What a client asks of us.
#[derive(Clone, Copy)]
enum Method {
    GetItems,
    GetValue,
    GetText,
    SetValue,
    Ask,
    Introspect,
    Ping,
    GetMachineId,
    GetProperties,
    GetProperty,
}

const METHODS: [(&str, &str, Method); 10] = [
    (BUS_ITEM, "GetItems", Method::GetItems),
    (BUS_ITEM, "GetValue", Method::GetValue),
    (BUS_ITEM, "GetText", Method::GetText),
    (BUS_ITEM, "SetValue", Method::SetValue),
    (COMMANDS, "Ask", Method::Ask),
    (INTROSPECTABLE, "Introspect", Method::Introspect),
    (PEER, "Ping", Method::Ping),
    (PEER, "GetMachineId", Method::GetMachineId),
    (PROPERTIES, "GetAll", Method::GetProperties),
    (PROPERTIES, "Get", Method::GetProperty),
];

/// What a path is.
#[derive(Clone, Copy)]
enum Place {
    Leaf(usize),
    Node,
    Nowhere,
}

/// A write that was accepted and has consequences elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    CustomName(String),
    ClearHistory,
}

/// The highest current that anybody could tell a member, A.
const HIGHEST_SHARE: f64 = 10_000.0;

/// An error reply: its D-Bus name and what to tell the caller.
struct Refusal(&'static str, String);

/// The answer to one call.
#[derive(Default)]
pub(crate) struct Answer {
    /// To be sent, unless the caller wants none.
    pub(crate) reply: Option<Message>,
    /// The item that the call has changed.
    pub(crate) changed: Option<usize>,
    /// What is asked of the battery: the reply follows when it is known what became of it.
    pub(crate) wish: Option<Wish>,
}

/// What a write comes to.
enum Write {
    /// The code to answer, and the item if that changed its value.
    Answered(i32, Option<usize>),
    /// Something for the battery.
    Asked(Wish),
}

/// The reply to a call that asked something of the battery.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn outcome_reply(call: &Message, outcome: Outcome) -> zbus::Result<Option<Message>> {
    let header = call.header();
    if header.primary().flags().contains(Flags::NO_REPLY_EXPECTED) {
        return Ok(None);
    }
    let reply = Message::method_return(&header);
    let asked = header.member().is_some_and(|member| member.as_str() == "Ask");
    Ok(Some(if asked { reply.build(&(outcome.code(), outcome.to_string()))? } else { reply.build(&outcome.code())? }))
}

/// The items of a service and what they are made from.
pub(crate) struct Memory {
    pub(crate) context: Context,
    pub(crate) items: Items,
}

impl Memory {
    /// Answers `call`. `pass_on` hands an accepted write to whoever acts on it; when it cannot, the write is refused.
    ///
    /// # Errors
    /// When a reply cannot be built.
    pub(crate) fn answer(&mut self, call: &Message, pass_on: &mut dyn FnMut(Written) -> bool) -> zbus::Result<Answer> {
        let header = call.header();
        let path = header.path().map_or("/", |path| path.as_str()).to_owned();
        let mut changed = None;
        let reply = match method(&header) {
            Ok(Method::SetValue) => match self.set_value(&path, call, pass_on) {
                Ok(Write::Answered(code, number)) => {
                    changed = number;
                    Ok(Message::method_return(&header).build(&code)?)
                }
                Ok(Write::Asked(wish)) => return Ok(Answer { wish: Some(wish), ..Answer::default() }),
                Err(refusal) => Err(refusal),
            },
            Ok(Method::Ask) => match wish_in(&path, call) {
                Ok(wish) => return Ok(Answer { wish: Some(wish), ..Answer::default() }),
                Err(refusal) => Err(refusal),
            },
            Ok(method) => self.look_up(method, &path, &header)?,
            Err(refusal) => Err(refusal),
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(Refusal(name, text)) => Message::error(&header, name).build(&text)?,
        };
        let wanted = !header.primary().flags().contains(Flags::NO_REPLY_EXPECTED);
        Ok(Answer { reply: wanted.then_some(reply), changed, wish: None })
    }

    fn place(&self, path: &str) -> Place {
        match self.items.find(path) {
            Some(number) => Place::Leaf(number),
            None if self.items.below(path).is_empty() => Place::Nowhere,
            None => Place::Node,
        }
    }

    /// The reply to a call that changes nothing.
    fn look_up(&self, method: Method, path: &str, header: &Header<'_>) -> zbus::Result<Result<Message, Refusal>> {
        let items = &self.items;
        let reply = || Message::method_return(header);
        Ok(Ok(match (method, self.place(path)) {
            (Method::Ping, _) => reply().build(&())?,
            (Method::GetMachineId, _) => match machine_id() {
                Some(id) => reply().build(&id)?,
                None => return Ok(Err(Refusal("org.freedesktop.DBus.Error.FileNotFound", "there is no machine id".into()))),
            },
            (_, Place::Nowhere) => return Ok(Err(unknown_object(path))),
            (Method::GetItems, _) if path == "/" => reply().build(&Listing::new(items, 0..items.len()))?,
            (Method::GetValue, Place::Leaf(number)) => match items.get(number) {
                Some((_, value)) => reply().build(&Shown(value))?,
                None => return Ok(Err(unknown_object(path))),
            },
            (Method::GetText, Place::Leaf(number)) => {
                let mut text = String::new();
                items.write_text(number, &mut text);
                reply().build(&text)?
            }
            (Method::GetValue, Place::Node) => reply().build(&AsVariant(&Values { items, node: path }))?,
            (Method::GetText, Place::Node) => reply().build(&AsVariant(&Texts { items, node: path }))?,
            (Method::Introspect, place) => reply().build(&self.describe(path, place))?,
            (Method::GetProperties, _) => reply().build(&std::collections::HashMap::<&str, Variant<'_>>::new())?,
            (Method::GetProperty, _) => {
                return Ok(Err(Refusal("org.freedesktop.DBus.Error.UnknownProperty", "items are read by GetValue".into())));
            }
            (Method::GetItems | Method::SetValue | Method::Ask, _) => return Ok(Err(unknown_method("GetItems is a method of /"))),
        }))
    }

    /// Writes an item.
    fn set_value(&mut self, path: &str, call: &Message, pass_on: &mut dyn FnMut(Written) -> bool) -> Result<Write, Refusal> {
        let number = match self.place(path) {
            Place::Nowhere => return Err(unknown_object(path)),
            Place::Node => return Ok(Write::Answered(READ_ONLY, None)),
            Place::Leaf(number) => number,
        };
        let body = call.body();
        let Ok(value) = body.deserialize::<Variant<'_>>() else {
            return Err(Refusal("org.freedesktop.DBus.Error.InvalidArgs", "SetValue takes one variant".into()));
        };
        let (code, changed) = match self.items.writable(number) {
            Writable::No => (READ_ONLY, None),
            Writable::CustomName => match name_in(innermost(&value)) {
                Some(name) if name == self.context.custom_name => (ACCEPTED, None),
                Some(name) if pass_on(Written::CustomName(name.to_owned())) => (ACCEPTED, self.rename(name)),
                _ => (REFUSED, None),
            },
            Writable::ClearHistory => match switch_in(innermost(&value)) {
                Some(false) => (ACCEPTED, None),
                Some(true) if pass_on(Written::ClearHistory) => (ACCEPTED, None),
                _ => (REFUSED, None),
            },
            Writable::ShareCharge => match share_in(innermost(&value)) {
                Some(amps) => {
                    self.context.share.0 = Some(amps);
                    (ACCEPTED, self.items.set("/Bank/ShareCharge", Value::Double(amps)))
                }
                None => (REFUSED, None),
            },
            Writable::ShareDischarge => match share_in(innermost(&value)) {
                Some(amps) => {
                    self.context.share.1 = Some(amps);
                    (ACCEPTED, self.items.set("/Bank/ShareDischarge", Value::Double(amps)))
                }
                None => (REFUSED, None),
            },
            Writable::Off(switch) => match switch_in(innermost(&value)) {
                Some(off) => return Ok(Write::Asked(Wish::Command(switch.to(!off)))),
                None => (REFUSED, None),
            },
            Writable::ResetSocTo => match number_in(innermost(&value)).filter(|soc| (0..=100).contains(soc)) {
                Some(soc) => {
                    self.context.soc_to_set = Some(soc);
                    (ACCEPTED, self.items.set("/Settings/ResetSocTo", Value::Int(soc)))
                }
                None => (REFUSED, None),
            },
            Writable::ResetSocToApply => match (switch_in(innermost(&value)), self.context.soc_to_set) {
                (Some(true), Some(soc)) => {
                    return Ok(Write::Asked(Wish::Command(Command::SetSoc(Percent::new(f64::from(soc))))));
                }
                // Nobody has said to what.
                (Some(true), None) | (None, _) => (REFUSED, None),
                (Some(false), _) => (ACCEPTED, None),
            },
        };
        Ok(Write::Answered(code, changed))
    }

    /// Takes over a new custom name; the item if that is a change.
    pub(crate) fn rename(&mut self, name: &str) -> Option<usize> {
        self.context.custom_name = name.to_owned();
        self.items.set("/CustomName", Value::text(Some(name)))
    }

    /// The introspection text of a path, for people who look at the bus.
    fn describe(&self, path: &str, place: Place) -> String {
        let mut xml = String::from(concat!(
            "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n",
            " \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n"
        ));
        let shape = match place {
            Place::Leaf(_) => ("v", "s"),
            Place::Node | Place::Nowhere => ("v", "v"),
        };
        let root = if path == "/" { ROOT_METHODS } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(
            xml,
            " <interface name=\"{BUS_ITEM}\">\n\
             \x20 <method name=\"GetValue\"><arg type=\"{}\" direction=\"out\"/></method>\n\
             \x20 <method name=\"GetText\"><arg type=\"{}\" direction=\"out\"/></method>\n\
             \x20 <method name=\"SetValue\"><arg name=\"value\" type=\"v\" direction=\"in\"/>\
             <arg type=\"i\" direction=\"out\"/></method>\n{root} </interface>\n{STANDARD_INTERFACES}",
            shape.0, shape.1
        );
        let prefix = path.trim_end_matches('/').len().saturating_add(1);
        let below = self.items.below(path).filter_map(|number| self.items.get(number));
        let children: BTreeSet<&str> = below.filter_map(|(path, _)| path.get(prefix..)?.split('/').next()).collect();
        for child in children {
            xml.push_str(" <node name=\"");
            xml.push_str(child);
            xml.push_str("\"/>\n");
        }
        xml.push_str("</node>\n");
        xml
    }
}

const ROOT_METHODS: &str = "  <method name=\"GetItems\"><arg type=\"a{sa{sv}}\" direction=\"out\"/></method>\n\
                            \x20 <signal name=\"ItemsChanged\"><arg type=\"a{sa{sv}}\"/></signal>\n";

const STANDARD_INTERFACES: &str = " <interface name=\"org.freedesktop.DBus.Introspectable\">\n\
     \x20 <method name=\"Introspect\"><arg type=\"s\" direction=\"out\"/></method>\n </interface>\n\
     \x20<interface name=\"org.freedesktop.DBus.Peer\">\n  <method name=\"Ping\"/>\n\
     \x20 <method name=\"GetMachineId\"><arg type=\"s\" direction=\"out\"/></method>\n </interface>\n";

/// The method that a call names. The interface may be left out, as D-Bus allows.
fn method(header: &Header<'_>) -> Result<Method, Refusal> {
    let member = header.member().map_or("", |member| member.as_str());
    let Some(interface) = header.interface() else {
        return METHODS
            .iter()
            .find(|(_, name, _)| *name == member)
            .map(|row| row.2)
            .ok_or_else(|| unknown_method(&format!("there is no method {member}")));
    };
    let mut rows = METHODS.iter().filter(|(name, _, _)| *name == interface.as_str()).peekable();
    if rows.peek().is_none() {
        return Err(Refusal("org.freedesktop.DBus.Error.UnknownInterface", format!("there is no interface {interface}")));
    }
    rows.find(|(_, name, _)| *name == member)
        .map(|row| row.2)
        .ok_or_else(|| unknown_method(&format!("{interface} has no method {member}")))
}

fn unknown_object(path: &str) -> Refusal {
    Refusal("org.freedesktop.DBus.Error.UnknownObject", format!("there is no {path}"))
}

fn unknown_method(text: &str) -> Refusal {
    Refusal("org.freedesktop.DBus.Error.UnknownMethod", text.to_owned())
}

/// The value inside the variants that some clients wrap around it once more.
fn innermost<'a>(value: &'a Variant<'a>) -> &'a Variant<'a> {
    let mut value = value;
    while let Variant::Variant(inner) = value {
        value = inner;
    }
    value
}

/// A name that a person could have typed.
fn name_in<'a>(value: &'a Variant<'_>) -> Option<&'a str> {
    let Variant::Str(name) = value else { return None };
    let name = name.as_str();
    (name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control)).then_some(name)
}

/// A current that a battery could have.
fn share_in(value: &Variant<'_>) -> Option<f64> {
    let Variant::F64(amps) = *value else { return None };
    (0.0..=HIGHEST_SHARE).contains(&amps).then_some(amps)
}

/// What `Ask` asks, on `/`.
fn wish_in(path: &str, call: &Message) -> Result<Wish, Refusal> {
    let wrong = |text: String| Refusal("org.freedesktop.DBus.Error.InvalidArgs", text);
    if path != "/" {
        return Err(unknown_method("Ask is a method of /"));
    }
    let body = call.body();
    let (what, value) = body.deserialize::<(&str, &str)>().map_err(|_| wrong("Ask takes two texts".to_owned()))?;
    Wish::parse(what, value).map_err(|error| wrong(error.to_string()))
}

/// 0 or 1 in any of the types that clients send.
fn switch_in(value: &Variant<'_>) -> Option<bool> {
    match number_in(value) {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}

/// A whole number in any of the types that clients send.
fn number_in(value: &Variant<'_>) -> Option<i32> {
    let number = match *value {
        Variant::Bool(flag) => i64::from(flag),
        Variant::U8(n) => i64::from(n),
        Variant::I16(n) => i64::from(n),
        Variant::U16(n) => i64::from(n),
        Variant::I32(n) => i64::from(n),
        Variant::U32(n) => i64::from(n),
        Variant::I64(n) => n,
        Variant::U64(n) => i64::try_from(n).ok()?,
        _ => return None,
    };
    i32::try_from(number).ok()
}

fn machine_id() -> Option<String> {
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"].iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_understood_in_any_type_and_wrapping() {
        let wrapped = Variant::Variant(Box::new(Variant::U8(1)));
        assert_eq!(switch_in(innermost(&wrapped)), Some(true));
        assert_eq!(switch_in(&Variant::U64(u64::MAX)), None);
        assert_eq!(switch_in(&Variant::F64(1.0)), None);
        assert_eq!(name_in(&Variant::from("x".repeat(64))), Some("x".repeat(64).as_str()));
        assert_eq!(name_in(&Variant::from("x".repeat(65))), None);
    }

    /// A call of `SetValue` on the name of a service that has nothing else.
    fn rename(flags: Flags) -> (Memory, Answer) {
        let mut memory = Memory { context: Context::default(), items: Items::with_paths_only(&Context::default()) };
        let call = Message::method_call("/CustomName", "SetValue").with_flags(flags);
        let call = call.sender(":1.7").build(&Variant::from("Shed")).unwrap();
        let answer = memory.answer(&call, &mut |_| true).unwrap();
        (memory, answer)
    }

    #[test]
    fn who_wants_no_reply_gets_none_and_is_obeyed() {
        let (memory, answer) = rename(Flags::NO_REPLY_EXPECTED);
        assert!(answer.reply.is_none() && answer.changed.is_some());
        assert_eq!(memory.context.custom_name, "Shed");
        let (_, answer) = rename(Flags::empty());
        assert!(answer.reply.is_some() && answer.changed.is_some());
    }
}
