//! What is published when, for any sequence of events.

use crate::mqtt::messages::{self, numbers, view};
use crate::support::snapshot;
use dbus_bms::base::units::{Moment, Volts};
use dbus_bms::model::{Freshness, Snapshot};
use dbus_bms::output::api::View;
use dbus_bms::output::devices::Devices;
use dbus_bms::output::domoticz::Numbers;
use dbus_bms::output::mqtt::{Config, Heard, Message, Publisher};
use proptest::prelude::*;
use std::sync::Arc;

const ONLINE_PROGRAM: &str = "dbus-bms/availability/1a2b3c4d";
const CLAIM: &str = "dbus-bms/jbd_0123456789/program";
const STATE: &str = "dbus-bms/jbd_0123456789/state";
const ONLINE: &str = "dbus-bms/jbd_0123456789/availability";
const CONFIG: &str = "homeassistant/device/dbus-bms_jbd_0123456789/config";

fn config() -> Config {
    Config { home_assistant: true, ..messages::config() }
}

/// A new connection, on which the broker has no claims.
fn connect(publisher: &mut Publisher) -> Vec<Message> {
    let messages = publisher.connected();
    publisher.heard(ONLINE_PROGRAM, b"online", false, &[]);
    messages
}

fn at(seconds: f64) -> Moment {
    Moment::from_secs(seconds)
}

fn step(publisher: &mut Publisher, views: &[Arc<View>], seconds: f64) -> Vec<Message> {
    publisher.step(views, &Devices::default(), |_| Numbers::default(), at(seconds))
}

fn topics(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.topic.as_str()).collect()
}

#[test]
fn states_come_at_their_interval_and_news_at_once() {
    let mut publisher = Publisher::new(config());
    let greeting = connect(&mut publisher);
    assert_eq!(greeting[0], Message::retained(ONLINE_PROGRAM, "online"));
    assert_eq!(topics(&greeting)[1..], ["homeassistant/device/dbus-bms_program_1a2b3c4d/config"]);
    let (well, alarmed, lost) = ([view(&snapshot::discharging())], [view(&snapshot::alarmed())], [view(&snapshot::lost())]);
    assert_eq!(topics(&step(&mut publisher, &well, 0.0)), [CLAIM, CONFIG, STATE, ONLINE]);
    assert_eq!(topics(&step(&mut publisher, &well, 1.0)), [""; 0]);
    assert_eq!(topics(&step(&mut publisher, &alarmed, 2.0)), [STATE], "an alarm waits for nothing");
    assert_eq!(topics(&step(&mut publisher, &alarmed, 6.9)), [""; 0]);
    assert_eq!(topics(&step(&mut publisher, &alarmed, 7.0)), [STATE]);
    let messages = step(&mut publisher, &lost, 8.0);
    assert_eq!(topics(&messages), [STATE, ONLINE]);
    assert_eq!(messages[1].payload, "offline");
    let messages = step(&mut publisher, &[], 9.0);
    assert_eq!(topics(&messages), [ONLINE, CLAIM], "a battery that leaves the house");
    assert_eq!([messages[0].payload.as_str(), messages[1].payload.as_str()], ["offline", ""]);
    assert_eq!(topics(&step(&mut publisher, &[], 10.0)), [""; 0]);
    assert_eq!(topics(&step(&mut publisher, &well, 11.0)), [CLAIM, CONFIG, STATE, ONLINE], "and is back");
}

#[test]
fn after_a_connection_and_a_birth_everything_is_told_again() {
    let mut publisher = Publisher::new(config());
    let well = [view(&snapshot::discharging())];
    connect(&mut publisher);
    let first = step(&mut publisher, &well, 0.0);
    publisher.heard("homeassistant/status", b"online", true, &[]);
    assert_eq!(topics(&step(&mut publisher, &well, 0.5)), [""; 0], "a kept birth is an old one");
    publisher.heard("homeassistant/status", b"online", false, &[]);
    assert_eq!(topics(&step(&mut publisher, &well, 1.0)), [CONFIG, STATE]);
    connect(&mut publisher);
    assert_eq!(step(&mut publisher, &well, 2.0), first);
    let goodbye = publisher.goodbye();
    assert_eq!(topics(&goodbye), [ONLINE, CLAIM, ONLINE_PROGRAM]);
    assert!(goodbye.iter().all(|message| message.retain));
    assert_eq!(goodbye.iter().map(|message| message.payload.as_str()).collect::<Vec<_>>(), ["offline", "", "offline"]);
}

#[test]
fn the_announcement_grows_and_is_taken_away() {
    let mut publisher = Publisher::new(config());
    connect(&mut publisher);
    let mut few = snapshot::discharging();
    few.reading.cells.truncate(8);
    step(&mut publisher, &[view(&few)], 0.0);
    let messages = step(&mut publisher, &[view(&snapshot::discharging())], 1.0);
    assert_eq!(topics(&messages), [CONFIG]);
    assert!(messages[0].payload.contains("cell_voltages_v_16"));
    assert_eq!(topics(&step(&mut publisher, &[view(&few)], 2.0)), [""; 0], "never shorter: cells do not come and go");
    let mut publisher = Publisher::new(Config { home_assistant: false, ..config() });
    connect(&mut publisher);
    let messages = step(&mut publisher, &[view(&few)], 0.0);
    assert_eq!((topics(&messages)[1], messages[1].payload.as_str(), messages[1].retain), (CONFIG, "", true));
    assert_eq!(topics(&step(&mut publisher, &[view(&snapshot::discharging())], 1.0)), [""; 0], "once is enough");
}

#[test]
fn other_layouts_have_their_own_pace() {
    let all = Config { home_assistant: false, berrybms: true, jk_pylon: true, domoticz: true, ..messages::config() };
    let mut publisher = Publisher::new(all);
    connect(&mut publisher);
    let well = [view(&snapshot::discharging())];
    let mut count = |from: u32, to: u32| {
        let mut counts = [0, 0, 0];
        for second in from..to {
            for message in publisher.step(&well, &Devices::default(), |_| numbers(), at(f64::from(second))) {
                let place = ["berrybms", "jk_pylon/Battery_charge_current_limit", "domoticz/in"]
                    .iter()
                    .position(|topic| message.topic == *topic);
                if let Some(place) = place {
                    counts[place] += 1;
                }
            }
        }
        counts
    };
    assert_eq!(count(0, 60), [12, 12, 15], "every 5 s, and Domoticz' 15 values once a minute");
    assert_eq!(count(60, 61), [1, 1, 15]);
}

/// What a broker has kept of two programs.
fn claim(publisher: &mut Publisher, key: &str, online: bool) {
    publisher.heard(CLAIM, key.as_bytes(), true, &[]);
    publisher.heard(&format!("dbus-bms/availability/{key}"), if online { b"online" } else { b"offline" }, true, &[]);
}

#[test]
fn nothing_is_published_before_the_claims_of_others_are_known() {
    let mut publisher = Publisher::new(config());
    let well = [view(&snapshot::discharging())];
    publisher.connected();
    assert_eq!(topics(&step(&mut publisher, &well, 0.0)), [""; 0]);
    assert_eq!(topics(&step(&mut publisher, &well, 2.9)), [""; 0]);
    assert_eq!(topics(&step(&mut publisher, &well, 3.0)), [CLAIM, CONFIG, STATE, ONLINE], "a broker that lets nobody read");
}

#[test]
fn a_battery_of_another_program_is_left_to_it_until_that_is_gone() {
    let well = [view(&snapshot::discharging())];
    let mut publisher = Publisher::new(Config { commands: true, ..config() });
    publisher.connected();
    claim(&mut publisher, "other", true);
    publisher.heard(ONLINE_PROGRAM, b"online", false, &[]);
    assert_eq!(topics(&step(&mut publisher, &well, 0.0)), [""; 0]);
    assert_eq!(publisher.conflicts(), ["jbd_0123456789"]);
    step(&mut publisher, &well, 1.0);
    assert_eq!(publisher.conflicts(), [""; 0], "said once");
    assert_eq!(topics(&publisher.goodbye()), [ONLINE_PROGRAM], "nor does its end change what the other publishes");
    let set = publisher.heard("dbus-bms/jbd_0123456789/set/charge", b"off", false, &well);
    assert!(matches!(set, Heard::Nothing), "its commands are for the other: {set:?}");
    publisher.heard("dbus-bms/availability/other", b"offline", false, &[]);
    assert_eq!(topics(&step(&mut publisher, &well, 2.0)), [CLAIM, CONFIG, STATE, ONLINE], "it has died");
    // Both are online again: the last claim holds, for both.
    claim(&mut publisher, "other", true);
    assert_eq!(topics(&step(&mut publisher, &well, 3.0)), [""; 0]);
    claim(&mut publisher, "1a2b3c4d", true);
    assert_eq!(topics(&step(&mut publisher, &well, 4.0)), [CLAIM, CONFIG, STATE, ONLINE]);
}

#[test]
fn what_the_last_run_left_behind_is_put_right() {
    let mut publisher = Publisher::new(config());
    publisher.connected();
    publisher.heard("dbus-bms/jk_1/program", b"1a2b3c4d", true, &[]);
    publisher.heard("dbus-bms/devices/grid/program", b"1a2b3c4d", true, &[]);
    publisher.heard(ONLINE_PROGRAM, b"online", false, &[]);
    let messages = step(&mut publisher, &[], 0.0);
    let gone = ["dbus-bms/devices/grid", "dbus-bms/jk_1"].map(|name| [format!("{name}/availability"), format!("{name}/program")]);
    assert_eq!(topics(&messages), gone.as_flattened());
    assert!(messages.iter().all(|message| message.retain));
    // The will of the last run comes late, as after a power failure.
    publisher.heard(ONLINE_PROGRAM, b"offline", false, &[]);
    assert_eq!(step(&mut publisher, &[], 1.0), [Message::retained(ONLINE_PROGRAM, "online")]);
}

/// A battery that accepts these commands.
fn commanded(commands: &[&str]) -> [Arc<View>; 1] {
    let mut view = view(&snapshot::discharging()).as_ref().clone();
    view.switches.commands = commands.iter().map(|command| (*command).to_owned().into()).collect();
    [Arc::new(view)]
}

#[test]
fn commands_are_taken_where_they_are_allowed_and_nowhere_else() {
    let (all, none) = (commanded(&["charge", "override"]), commanded(&[]));
    let set = |commands: bool, views: &[Arc<View>], topic: &str, payload: &str, kept: bool| {
        let mut publisher = Publisher::new(Config { commands, ..config() });
        connect(&mut publisher);
        match publisher.heard(&format!("dbus-bms/jbd_0123456789/set/{topic}"), payload.as_bytes(), kept, views) {
            Heard::Nothing => String::new(),
            Heard::Asked(asked) => format!("{} {}", asked.id, asked.request),
            Heard::Refused(answer) => {
                assert_eq!((answer.topic.as_str(), answer.retain), ("dbus-bms/jbd_0123456789/answer", false));
                let answer: serde_json::Value = serde_json::from_str(&answer.payload).unwrap();
                format!("code {}", answer["code"])
            }
        }
    };
    assert_eq!(set(true, &all, "charge", "off", false), "jbd_0123456789 charge off");
    assert_eq!(set(true, &all, "override", "ccl 20 for 43200\n", false), "jbd_0123456789 override ccl 20 for 43200");
    assert_eq!(set(false, &all, "charge", "off", false), "", "not with `mqtt.commands` alone, nor without it");
    assert_eq!(set(true, &none, "charge", "off", false), "code 9");
    assert_eq!(set(true, &all, "discharge", "off", false), "code 5");
    assert_eq!(set(true, &all, "charge", "off", true), "code 1", "a kept command may have any age");
    for wrong in ["", "OFF", "on off", &"o".repeat(100), "{}"] {
        assert_eq!(set(true, &all, "charge", wrong, false), "code 1", "{wrong}");
    }
    assert_eq!(set(true, &all, "override", "cvl 50 for 60", false), "code 1");
    assert_eq!(set(true, &[], "charge", "off", false), "", "of a battery that is not here nothing is said");
    let topics = Publisher::subscriptions(&config());
    assert!(!topics.iter().any(|topic| topic.contains("/set/")), "{topics:?}");
    assert!(Publisher::subscriptions(&Config { commands: true, ..config() }).contains(&"dbus-bms/+/set/+".to_owned()));
}

#[test]
fn an_override_and_its_end_are_published_at_once() {
    use dbus_bms::output::api::OverrideSet;
    let mut publisher = Publisher::new(Config { commands: true, ..config() });
    connect(&mut publisher);
    let free = commanded(&["override"]);
    step(&mut publisher, &free, 0.0);
    let mut limited = free[0].as_ref().clone();
    limited.switches.overrides = vec!["charge at most 20 A, until 2026-11-26 09:41 UTC, by MQTT".into()];
    let until = Some(1_795_686_065);
    limited.switches.overrides_set =
        vec![OverrideSet { kind: "ccl".into(), value_a: Some(20.0), of_s: 60, until, by: "MQTT".into() }];
    let controls = |messages: &[Message]| {
        assert_eq!(topics(messages), [STATE]);
        serde_json::from_str::<serde_json::Value>(&messages[0].payload).unwrap()["controls"].clone()
    };
    let set = controls(&step(&mut publisher, &[Arc::new(limited)], 1.0));
    assert_eq!((&set["ccl_a"], &set["ccl_until"]), (&20.0.into(), &"2026-11-26T09:41:05+00:00".into()));
    assert_eq!((&set["dcl_a"], &set["full"], &set["charge"]), (&serde_json::Value::Null, &false.into(), &true.into()));
    let over = controls(&step(&mut publisher, &free, 2.0));
    assert_eq!((&over["ccl_a"], &over["ccl_until"]), (&serde_json::Value::Null, &serde_json::Value::Null));
}

/// An event.
#[derive(Debug, Clone)]
enum Event {
    See(Freshness, u16),
    Leave,
    Connect,
    Birth,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (prop_oneof![3 => Just(Freshness::Fresh), 1 => Just(Freshness::Stale), 1 => Just(Freshness::Lost)], 0u16..4000).prop_map(|(freshness, cell)| Event::See(freshness, cell)),
        1 => Just(Event::Leave),
        1 => Just(Event::Connect),
        1 => Just(Event::Birth),
    ]
}

fn seen(freshness: Freshness, cell: u16) -> Arc<View> {
    let known = if freshness == Freshness::Fresh { snapshot::discharging() } else { Snapshot { freshness, ..snapshot::lost() } };
    let mut snapshot = known;
    if freshness == Freshness::Fresh {
        snapshot.reading.cells[0] = Volts::milli(cell);
    }
    view(&snapshot)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// For any sequence of events: measured values are never retained, a battery with old data is never online and shows no number,
    /// and the last availability received by a subscriber is correct.
    #[test]
    fn nothing_old_is_ever_told_as_fresh(events in proptest::collection::vec((event(), 0.1..20.0f64), 1..40), single in any::<bool>()) {
        let mut publisher = Publisher::new(Config { single_values: single, ..config() });
        connect(&mut publisher);
        let (mut now, mut views, mut online) = (0.0, Vec::new(), None);
        for (event, wait) in events {
            now += wait;
            match event {
                Event::See(freshness, cell) => views = vec![seen(freshness, cell)],
                Event::Leave => views.clear(),
                Event::Connect => { connect(&mut publisher); online = None; }
                Event::Birth => drop(publisher.heard("homeassistant/status", b"online", false, &views)),
            }
            for message in step(&mut publisher, &views, now) {
                let kept = message.topic.ends_with("/availability") || message.topic == CONFIG || message.topic == CLAIM;
                prop_assert_eq!(message.retain, kept, "{}", message.topic);
                if message.topic == ONLINE {
                    online = Some(message.payload == "online");
                } else if message.topic == STATE {
                    let state: serde_json::Value = serde_json::from_str(&message.payload).unwrap();
                    let fresh = views[0].state.freshness == Freshness::Fresh;
                    prop_assert_eq!(state["cell_voltages_v"].is_array(), fresh);
                    prop_assert_eq!(state["current_a"].is_null(), !fresh);
                    prop_assert!(state["limits"]["ccl_a"].is_number());
                }
            }
            if let Some(view) = views.first() {
                prop_assert_eq!(online, Some(view.state.freshness == Freshness::Fresh));
            } else {
                prop_assert!(online != Some(true));
            }
        }
    }
}
