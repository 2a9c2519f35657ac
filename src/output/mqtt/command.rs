//! Commands that come from the broker, and what they set. Pure: they take the way of all others, by the battery's `CommandHandle`.

use super::config::Config;
use super::message::{base, level};
use crate::base::calendar::iso;
use crate::control::{ControlRequest, Override};
use crate::link::mqtt::Message;
use crate::model::{Outcome, Reply};
use crate::output::api::{LimitDetail, View};
use serde_json::{Value as Json, json};

/// A longer message is no command.
const MAX_BYTES: usize = 64;
/// The code of an answer to what is no command.
const NO_COMMAND: i32 = 1;
/// The highest temporary limit of a battery whose own limit is unknown, A.
const HIGHEST_LIMIT_A: f64 = 1000.0;

/// A request of somebody on the broker to a battery.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The battery's id.
    pub id: String,
    /// The request.
    pub request: ControlRequest,
    topic: String,
}

/// The answer of a battery, to be published.
#[derive(Debug)]
pub struct Answered(pub(super) Message);

impl Asked {
    /// The message with the answer. Not retained: it is about a moment.
    pub fn answered(&self, reply: &Reply) -> Answered {
        Answered(answer(&self.topic, &self.request.to_string(), reply))
    }
}

fn answer(topic: &str, request: &str, Reply { code, text }: &Reply) -> Message {
    Message::passing(format!("{topic}/answer"), json!({"request": request, "code": code, "text": text}).to_string())
}

/// What a message to `battery/set/what` asks for.
///
/// # Errors
/// The answer to what is not allowed or no command; `None` if no battery of these has this name.
pub(super) fn parse(
    config: &Config,
    views: &[std::sync::Arc<View>],
    (battery, what): (&str, &str),
    (payload, is_kept): (&[u8], bool),
) -> Result<Asked, Option<Message>> {
    let view = views.iter().find(|view| level(&view.identity.id) == battery).ok_or(None)?;
    let topic = base(config, &view.identity.id);
    let refuse = |reply: &Reply| Some(answer(&topic, what, reply));
    let wrong = |text: &str| refuse(&Reply { code: NO_COMMAND, text: text.to_owned() });
    let offered = &view.switches.commands;
    if !offered.iter().any(|offered| offered == what) {
        let outcome = if !offered.is_empty() {
            Outcome::NotSupported
        } else if view.is_fresh() {
            Outcome::Off
        } else {
            Outcome::Unreachable
        };
        return Err(refuse(&outcome.into()));
    }
    // It may have any age.
    if is_kept {
        return Err(wrong(
            "the broker had kept this command, so it is ignored: publish it without retain, and delete the kept one",
        ));
    }
    let value = std::str::from_utf8(payload).ok().filter(|value| value.len() <= MAX_BYTES);
    let Some(value) = value else { return Err(wrong("a command is a text of at most 64 letters")) };
    match ControlRequest::parse(what, value.trim()) {
        Ok(request) => Ok(Asked { id: view.identity.id.clone(), request, topic }),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

/// The highest temporary limit that makes sense, A: what the battery allows without any rule.
pub(super) fn highest(limit: Option<&LimitDetail>) -> f64 {
    limit.and_then(|limit| limit.max).filter(|max| *max > 0.0).map_or(HIGHEST_LIMIT_A, |max| max.min(HIGHEST_LIMIT_A))
}

/// What is set at present, with `null` for what is not.
pub(super) fn controls(view: &View) -> Json {
    let switches = &view.switches;
    let set = |kind: &str| switches.overrides_set.iter().find(|set| set.kind == kind);
    let amps = |kind: &str, limit: &Option<LimitDetail>| {
        set(kind).and_then(|set| set.value_a).map(|amps| amps.min(highest(limit.as_ref())))
    };
    let until = |kind: &str| set(kind).and_then(|set| set.until).map(iso);
    json!({
        "charge": switches.charge_switch.or(switches.charge_fet),
        "discharge": switches.discharge_switch.or(switches.discharge_fet),
        "balance": switches.balance_allowed,
        "ccl_a": amps("ccl", &view.limits.ccl),
        "ccl_until": until("ccl"),
        "dcl_a": amps("dcl", &view.limits.dcl),
        "dcl_until": until("dcl"),
        "full": set("full").is_some(),
    })
}

/// The message of Home Assistant's number to `…/set/override`: a template of the limit in A.
pub(super) fn limit_template(kind: &str, config: &Config) -> String {
    let seconds = config.limit_time.as_secs().min(Override::MAX_SECONDS);
    format!("{kind} {{{{ value }}}} for {seconds}")
}
