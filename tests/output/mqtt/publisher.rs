//! What is published when, for any sequence of events.

use crate::mqtt::messages::{numbers, view};
use crate::support::snapshot;
use dbus_bms::base::units::{Moment, Volts};
use dbus_bms::model::{Freshness, Snapshot};
use dbus_bms::output::api::View;
use dbus_bms::output::devices::Devices;
use dbus_bms::output::domoticz::Numbers;
use dbus_bms::output::mqtt::{Config, Message, Publisher};
use proptest::prelude::*;
use std::sync::Arc;

const STATE: &str = "dbus-bms/jbd_0123456789/state";
const ONLINE: &str = "dbus-bms/jbd_0123456789/availability";
const CONFIG: &str = "homeassistant/device/dbus-bms_jbd_0123456789/config";

fn config() -> Config {
    Config { home_assistant: true, ..Config::default() }
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
    assert_eq!(publisher.connected(), [Message::retained("dbus-bms/availability", "online")]);
    let (well, alarmed, lost) = ([view(&snapshot::discharging())], [view(&snapshot::alarmed())], [view(&snapshot::lost())]);
    assert_eq!(topics(&step(&mut publisher, &well, 0.0)), [CONFIG, STATE, ONLINE]);
    assert_eq!(topics(&step(&mut publisher, &well, 1.0)), [""; 0]);
    assert_eq!(topics(&step(&mut publisher, &alarmed, 2.0)), [STATE], "an alarm waits for nothing");
    assert_eq!(topics(&step(&mut publisher, &alarmed, 6.9)), [""; 0]);
    assert_eq!(topics(&step(&mut publisher, &alarmed, 7.0)), [STATE]);
    let messages = step(&mut publisher, &lost, 8.0);
    assert_eq!(topics(&messages), [STATE, ONLINE]);
    assert_eq!(messages[1].payload, "offline");
    assert_eq!(topics(&step(&mut publisher, &[], 9.0)), [""; 0], "it is offline already");
    assert_eq!(topics(&step(&mut publisher, &well, 10.0)), [STATE, ONLINE]);
    let messages = step(&mut publisher, &[], 11.0);
    assert_eq!((topics(&messages), messages[0].payload.as_str()), (vec![ONLINE], "offline"), "a battery that leaves the house");
}

#[test]
fn after_a_connection_and_a_birth_everything_is_told_again() {
    let mut publisher = Publisher::new(config());
    let well = [view(&snapshot::discharging())];
    publisher.connected();
    let first = step(&mut publisher, &well, 0.0);
    publisher.born();
    assert_eq!(topics(&step(&mut publisher, &well, 1.0)), [CONFIG, STATE]);
    publisher.connected();
    assert_eq!(step(&mut publisher, &well, 2.0), first);
    let goodbye = publisher.goodbye();
    assert_eq!(topics(&goodbye), [ONLINE, "dbus-bms/availability"]);
    assert!(goodbye.iter().all(|message| message.retain && message.payload == "offline"));
}

#[test]
fn the_announcement_grows_and_is_taken_away() {
    let mut publisher = Publisher::new(config());
    publisher.connected();
    let mut few = snapshot::discharging();
    few.reading.cells.truncate(8);
    step(&mut publisher, &[view(&few)], 0.0);
    let messages = step(&mut publisher, &[view(&snapshot::discharging())], 1.0);
    assert_eq!(topics(&messages), [CONFIG]);
    assert!(messages[0].payload.contains("cell_voltages_v_16"));
    assert_eq!(topics(&step(&mut publisher, &[view(&few)], 2.0)), [""; 0], "never shorter: cells do not come and go");
    let mut publisher = Publisher::new(Config { home_assistant: false, ..config() });
    publisher.connected();
    let messages = step(&mut publisher, &[view(&few)], 0.0);
    assert_eq!((topics(&messages)[0], messages[0].payload.as_str(), messages[0].retain), (CONFIG, "", true));
    assert_eq!(topics(&step(&mut publisher, &[view(&snapshot::discharging())], 1.0)), [""; 0], "once is enough");
}

#[test]
fn other_layouts_have_their_own_pace() {
    let all = Config { home_assistant: false, berrybms: true, jk_pylon: true, domoticz: true, ..Config::default() };
    let mut publisher = Publisher::new(all);
    publisher.connected();
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
        publisher.connected();
        let (mut now, mut views, mut online) = (0.0, Vec::new(), None);
        for (event, wait) in events {
            now += wait;
            match event {
                Event::See(freshness, cell) => views = vec![seen(freshness, cell)],
                Event::Leave => views.clear(),
                Event::Connect => { publisher.connected(); online = None; }
                Event::Birth => publisher.born(),
            }
            for message in step(&mut publisher, &views, now) {
                let kept = message.topic.ends_with("/availability") || message.topic == CONFIG;
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
