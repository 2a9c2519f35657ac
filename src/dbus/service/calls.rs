//! Answers to method calls, from memory and without waiting.

use super::body::{ItemsBody, TextsBody, ValuesBody, VariantBody};
use super::introspect::describe;
use super::item::{Context, Writable};
use super::items::Items;
use super::written::{innermost, name_in, number_in, share_in, switch_in};
use crate::base::units::Percent;
use crate::control::ControlRequest;
use crate::dbus::names::{BUS_ITEM, COMMANDS_INTERFACE};
use crate::dbus::value::Value;
use crate::model::{Command, Reply};
use std::collections::BTreeSet;
use zbus::Variant;
use zbus::as_variant::Serialize as AsVariant;
use zbus::message::{Flags, Header, Message};

const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const PEER: &str = "org.freedesktop.DBus.Peer";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Reply of `SetValue`: accepted (or unchanged).
const ACCEPTED: i32 = 0;
/// Reply of `SetValue`: this path is read-only.
const READ_ONLY: i32 = 1;
/// Reply of `SetValue`: invalid value for this path.
const REFUSED: i32 = 2;

/// Method of a call.
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
    (COMMANDS_INTERFACE, "Ask", Method::Ask),
    (INTROSPECTABLE, "Introspect", Method::Introspect),
    (PEER, "Ping", Method::Ping),
    (PEER, "GetMachineId", Method::GetMachineId),
    (PROPERTIES, "GetAll", Method::GetProperties),
    (PROPERTIES, "Get", Method::GetProperty),
];

/// Kind of a path.
#[derive(Clone, Copy)]
enum Place {
    Leaf(usize),
    Node,
    Nowhere,
}

/// An accepted write with consequences outside of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AcceptedWrite {
    CustomName(String),
    ClearHistory,
}

/// An error reply: its D-Bus name and text.
struct Refusal(&'static str, String);

/// Result of a call.
#[derive(Default)]
pub(crate) struct Answer {
    /// The reply to send, unless the caller wants none.
    pub(crate) reply: Option<Message>,
    /// The item that the call has changed.
    pub(crate) changed: Option<usize>,
    /// A request to the battery; the reply follows when its outcome is known.
    pub(crate) request: Option<ControlRequest>,
}

/// Result of a write.
enum Write {
    /// The reply code, and the item if its value changed.
    Answered(i32, Option<usize>),
    /// A request to the battery.
    Asked(ControlRequest),
}

/// The reply to a call with a request to the battery.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn request_reply(call: &Message, answer: &Reply) -> zbus::Result<Option<Message>> {
    let header = call.header();
    if header.primary().flags().contains(Flags::NO_REPLY_EXPECTED) {
        return Ok(None);
    }
    let reply = Message::method_return(&header);
    let asked = header.member().is_some_and(|member| member.as_str() == "Ask");
    Ok(Some(if asked { reply.build(&(answer.code, &answer.text))? } else { reply.build(&answer.code)? }))
}

/// Items of a service and the data they are computed from.
pub(crate) struct ServiceState {
    pub(crate) context: Context,
    pub(crate) items: Items,
}

impl ServiceState {
    /// Answers `call`. `pass_on` forwards an accepted write; if that fails, the write is refused.
    ///
    /// # Errors
    /// When a reply cannot be built.
    pub(crate) fn answer(&mut self, call: &Message, pass_on: &mut dyn FnMut(AcceptedWrite) -> bool) -> zbus::Result<Answer> {
        let header = call.header();
        let path = header.path().map_or("/", |path| path.as_str()).to_owned();
        let mut changed = None;
        let reply = match method(&header) {
            Ok(Method::SetValue) => match self.set_value(&path, call, pass_on) {
                Ok(Write::Answered(code, number)) => {
                    changed = number;
                    Ok(Message::method_return(&header).build(&code)?)
                }
                Ok(Write::Asked(request)) => return Ok(Answer { request: Some(request), ..Answer::default() }),
                Err(refusal) => Err(refusal),
            },
            Ok(Method::Ask) => match request_in(&path, call) {
                Ok(request) => return Ok(Answer { request: Some(request), ..Answer::default() }),
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
        Ok(Answer { reply: wanted.then_some(reply), changed, request: None })
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
            (Method::GetItems, _) if path == "/" => reply().build(&ItemsBody { items, numbers: 0..items.len() })?,
            (Method::GetValue, Place::Leaf(number)) => match items.get(number) {
                Some((_, value)) => reply().build(&VariantBody(value))?,
                None => return Ok(Err(unknown_object(path))),
            },
            (Method::GetText, Place::Leaf(number)) => {
                let mut text = String::new();
                items.write_text(number, &mut text);
                reply().build(&text)?
            }
            (Method::GetValue, Place::Node) => reply().build(&AsVariant(&ValuesBody { items, node: path }))?,
            (Method::GetText, Place::Node) => reply().build(&AsVariant(&TextsBody { items, node: path }))?,
            (Method::Introspect, place) => reply().build(&describe(path, matches!(place, Place::Leaf(_)), &self.children(path)))?,
            (Method::GetProperties, _) => reply().build(&std::collections::HashMap::<&str, Variant<'_>>::new())?,
            (Method::GetProperty, _) => {
                return Ok(Err(Refusal("org.freedesktop.DBus.Error.UnknownProperty", "items are read by GetValue".into())));
            }
            (Method::GetItems | Method::SetValue | Method::Ask, _) => return Ok(Err(unknown_method("GetItems is a method of /"))),
        }))
    }

    /// Writes an item.
    fn set_value(&mut self, path: &str, call: &Message, pass_on: &mut dyn FnMut(AcceptedWrite) -> bool) -> Result<Write, Refusal> {
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
                Some(name) if pass_on(AcceptedWrite::CustomName(name.to_owned())) => (ACCEPTED, self.rename(name)),
                _ => (REFUSED, None),
            },
            Writable::ClearHistory => match switch_in(innermost(&value)) {
                Some(false) => (ACCEPTED, None),
                Some(true) if pass_on(AcceptedWrite::ClearHistory) => (ACCEPTED, None),
                _ => (REFUSED, None),
            },
            Writable::ShareCharge => match share_in(innermost(&value)) {
                Some(amps) => {
                    self.context.share.charge = Some(amps);
                    (ACCEPTED, self.items.set("/Bank/ShareCharge", Value::Double(amps)))
                }
                None => (REFUSED, None),
            },
            Writable::ShareDischarge => match share_in(innermost(&value)) {
                Some(amps) => {
                    self.context.share.discharge = Some(amps);
                    (ACCEPTED, self.items.set("/Bank/ShareDischarge", Value::Double(amps)))
                }
                None => (REFUSED, None),
            },
            Writable::Off(switch) => match switch_in(innermost(&value)) {
                Some(off) => return Ok(Write::Asked(ControlRequest::Command(switch.to(!off)))),
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
                    return Ok(Write::Asked(ControlRequest::Command(Command::SetSoc(Percent::new(f64::from(soc))))));
                }
                // No SoC was selected, or the value is invalid.
                (Some(true), None) | (None, _) => (REFUSED, None),
                (Some(false), _) => (ACCEPTED, None),
            },
        };
        Ok(Write::Answered(code, changed))
    }

    /// Applies a new custom name; the item if it changes.
    pub(crate) fn rename(&mut self, name: &str) -> Option<usize> {
        self.context.custom_name = name.to_owned();
        self.items.set("/CustomName", Value::text(Some(name)))
    }

    /// Names directly below a path.
    fn children(&self, path: &str) -> BTreeSet<&str> {
        let prefix = path.trim_end_matches('/').len().saturating_add(1);
        let below = self.items.below(path).filter_map(|number| self.items.get(number));
        below.filter_map(|(path, _)| path.get(prefix..)?.split('/').next()).collect()
    }
}

/// The method of a call. D-Bus allows a call without an interface.
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

/// The request in a call of `Ask` on `/`.
fn request_in(path: &str, call: &Message) -> Result<ControlRequest, Refusal> {
    let wrong = |text: String| Refusal("org.freedesktop.DBus.Error.InvalidArgs", text);
    if path != "/" {
        return Err(unknown_method("Ask is a method of /"));
    }
    let body = call.body();
    let (what, value) = body.deserialize::<(&str, &str)>().map_err(|_| wrong("Ask takes two texts".to_owned()))?;
    ControlRequest::parse(what, value).map_err(|error| wrong(error.to_string()))
}

fn machine_id() -> Option<String> {
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"].iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call of `SetValue` for the custom name, on a service with no other items.
    fn rename(flags: Flags) -> (ServiceState, Answer) {
        let mut memory = ServiceState { context: Context::default(), items: Items::with_paths_only(&Context::default()) };
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
