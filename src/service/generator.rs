//! The generator: its rule once a second over the batteries shown, and what switches it.
//!
//! ```text
//! BatteryRegistry ──views──▶ generator::Rule (pure) ──▶ relay, MQTT topic
//!                                  └──▶ DeviceRegistry (state with its reason)
//! ```
//! The relay is off at the start, at the end and while the battery is silent.

use super::conext::Ags;
use crate::base::episode::Episode;
use crate::base::runtime::{self, now};
use crate::base::stop::Stop;
use crate::base::units::{Percent, Volts};
use crate::config::{self, Settings};
use crate::generator::{ByHand, Decision, Inputs, Rule};
use crate::link::mqtt::{Broker, Connection, Message};
use crate::link::relay::{Switch, relay};
use crate::model::{DeviceInfo, DeviceKind, DeviceValue, Quantity};
use crate::output::api::{Kind, View};
use crate::output::devices::DeviceHandle;
use crate::output::registry::{BatteryRegistry, Views};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Interval of decisions.
const STEP: Duration = Duration::from_secs(1);
/// A command is repeated after this time: a relay that was without power has forgotten it.
const REPEAT: Duration = Duration::from_secs(30);

const RUNNING: Quantity = Quantity::new("running", "Generator wanted and switched on", "");
const REASON: Quantity = Quantity::new("reason", "Reason", "");
const REASON_KEY: Quantity = Quantity::new("reason_key", "Name of the reason", "");
const LASTED: Quantity = Quantity::new("state_s", "Duration of this state", "s");
const BY_HAND: Quantity = Quantity::new("by_hand_s", "Remaining time of the request by hand", "s");
const SOC: Quantity = Quantity::new("soc_pct", "State of charge that decides", "%");

/// Starts the generator's task, if something switches it.
pub(super) fn start(settings: &Settings, registry: &BatteryRegistry, ags: Option<Ags>, stop: Stop) -> Option<JoinHandle<()>> {
    let config::Generator { rule, battery, relay: place, relay_active_low, ags: by_ags, topic, message_on, message_off } =
        settings.generator.clone();
    let ags = ags.filter(|_| by_ags);
    let connection = place.iter().map(ToString::to_string).chain(topic.iter().map(|topic| format!("MQTT topic {topic}")));
    let connection: Vec<String> = connection.chain(ags.iter().map(|_| "Conext AGS".to_owned())).collect();
    if connection.is_empty() {
        return None;
    }
    let info = DeviceInfo {
        id: "generator".to_owned(),
        kind: DeviceKind::Generator,
        name: "Generator".to_owned(),
        connection: connection.join(", "),
        timeout: Duration::from_secs(15),
    };
    let (sender, requests) = mpsc::channel(4);
    registry.register_generator(sender);
    let device = registry.devices().add(info);
    if settings.web.enabled && settings.web.token.is_some() {
        device.offer(&["generator"]);
    }
    let topic = topic.map(|topic| Topic::new(&settings.mqtt.broker, topic, message_on, message_off));
    let generator = Generator {
        rule: Rule::new(rule, now().at),
        battery,
        outputs: Outputs { relay: place.map(|place| Relay::new(move || relay(place.clone(), relay_active_low))), topic, ags },
        device,
        failures: Episode::default(),
        told: None,
    };
    Some(tokio::spawn(generator.run(registry.subscribe(), requests, stop, STEP)))
}

/// What the rule looks at.
fn inputs(views: &Views, battery: Option<&str>) -> Inputs {
    let banks = || views.iter().filter(|view| view.identity.kind == Kind::Bank);
    let chosen: Vec<&View> = match battery {
        Some(id) => views.iter().filter(|view| view.identity.id == id).map(AsRef::as_ref).collect(),
        None if banks().next().is_some() => banks().map(AsRef::as_ref).collect(),
        None => views.iter().map(AsRef::as_ref).collect(),
    };
    let fresh = || chosen.iter().filter(|view| view.is_fresh());
    let least = |value: fn(&View) -> Option<f64>| fresh().filter_map(|view| value(view)).reduce(f64::min);
    Inputs {
        fresh: fresh().next().is_some(),
        soc: least(|view| view.pack.soc_pct).map(Percent::new),
        lowest_cell: least(|view| view.cells.cell_min_v.or(view.cells.lowest_cell_v)).map(Volts::new),
        voltage: least(|view| view.pack.voltage_v).map(Volts::new),
    }
}

struct Generator {
    rule: Rule,
    battery: Option<String>,
    outputs: Outputs,
    device: DeviceHandle,
    failures: Episode<String>,
    /// The last state that was logged.
    told: Option<bool>,
}

impl Generator {
    async fn run(mut self, views: watch::Receiver<Views>, mut requests: mpsc::Receiver<ByHand>, mut stop: Stop, step: Duration) {
        let mut commanded = None;
        loop {
            let seen = inputs(&views.borrow(), self.battery.as_deref());
            let time = now();
            let decision = self.rule.step(&seen, time);
            self.log(&decision);
            let due = commanded.is_none_or(|(run, at)| run != decision.run || time.at.since(at) >= REPEAT);
            if due {
                commanded = self.command(decision.run).await.then_some((decision.run, time.at));
            }
            self.show(&decision, &seen, commanded.map(|(run, _)| run));
            tokio::select! {
                Some(by_hand) = requests.recv() => {
                    log::info!("generator: by hand: {by_hand}");
                    self.rule.request(by_hand, now().at);
                }
                () = runtime::sleep_until(time.at.after(step)) => {}
                () = stop.asked() => break,
            }
        }
        self.outputs.end().await;
    }

    /// Switches; true if that worked.
    async fn command(&mut self, run: bool) -> bool {
        match self.outputs.set(run).await {
            Ok(()) => {
                if self.failures.ended(now().at).is_some_and(|ended| ended.logged) {
                    log::info!("generator: switched again");
                }
                true
            }
            Err(why) => {
                self.failures.failed(now().at);
                if self.failures.is_news(why.clone()) {
                    log::error!("the generator is not switched: {why}; retrying. Check what switches it");
                }
                self.device.note(why);
                false
            }
        }
    }

    fn log(&mut self, decision: &Decision) {
        if self.told.replace(decision.run) != Some(decision.run) {
            let word = if decision.run { "started" } else { "stopped" };
            log::info!("generator: {word}: {}", decision.reason);
        }
    }

    /// Publishes the state; it is unknown while nothing can be switched.
    fn show(&self, decision: &Decision, seen: &Inputs, commanded: Option<bool>) {
        let now = now().at;
        let Some(running) = commanded else { return };
        let mut values: Vec<(&'static Quantity, DeviceValue)> = vec![
            (&RUNNING, running.into()),
            (&REASON, decision.reason.to_string().into()),
            (&REASON_KEY, decision.reason.key().into()),
            (&LASTED, decision.lasted.as_secs_f64().round().into()),
        ];
        values.extend(decision.by_hand_until.map(|until| (&BY_HAND, until.since(now).as_secs_f64().round().into())));
        values.extend(seen.soc.map(|soc| (&SOC, soc.get().into())));
        self.device.publish(values, now);
    }
}

/// What switches the generator.
struct Outputs {
    relay: Option<Relay>,
    topic: Option<Topic>,
    ags: Option<Ags>,
}

impl Outputs {
    /// Switches all of them.
    async fn set(&mut self, on: bool) -> Result<(), String> {
        let relay = match &mut self.relay {
            Some(relay) => relay.set(on).await,
            None => Ok(()),
        };
        let topic = match &mut self.topic {
            Some(topic) => topic.set(on).await,
            None => Ok(()),
        };
        let ags = match &self.ags {
            Some(ags) => ags.set(on).await,
            None => Ok(()),
        };
        relay.and(topic).and(ags)
    }

    /// Switches off at the end of the program.
    async fn end(mut self) {
        if let Some(relay) = &mut self.relay
            && let Err(why) = relay.set(false).await
        {
            log::error!("the generator is not switched off at the end: {why}; switch it off by hand");
        }
        if let Some(ags) = &self.ags
            && let Err(why) = ags.set(false).await
        {
            log::error!("the generator is not switched off at the end: {why}; switch it off by hand");
        }
        if let Some(Topic { connection, topic, off, .. }) = self.topic {
            connection.disconnect(vec![Message::passing(topic, off)]).await;
        }
    }
}

/// A relay, used beside the event loop: a serial port may block.
struct Relay {
    make: Box<dyn Fn() -> Box<dyn Switch> + Send>,
    switch: Option<Box<dyn Switch>>,
}

impl Relay {
    fn new(make: impl Fn() -> Box<dyn Switch> + Send + 'static) -> Self {
        Self { make: Box::new(make), switch: None }
    }

    async fn set(&mut self, on: bool) -> Result<(), String> {
        let mut switch = self.switch.take().unwrap_or_else(|| (self.make)());
        let done = runtime::blocking(move || {
            let done = switch.set(on);
            (switch, done)
        });
        let (switch, done) = done.await.map_err(|error| error.to_string())?;
        self.switch = Some(switch);
        done.map_err(|error| error.to_string())
    }
}

/// A topic for commands. The broker sends the one to stop when this program is gone.
struct Topic {
    connection: Connection,
    topic: String,
    on: String,
    off: String,
}

impl Topic {
    fn new(broker: &Broker, topic: String, on: String, off: String) -> Self {
        let will = Message::passing(topic.clone(), off.clone());
        Self { connection: Connection::start(broker, "-generator", Some(will), Vec::new()), topic, on, off }
    }

    async fn set(&mut self, on: bool) -> Result<(), String> {
        let number = self.connection.number();
        let payload = if on { &self.on } else { &self.off };
        let message = Message::passing(self.topic.clone(), payload.clone());
        if number != 0 && self.connection.publish(message, number).await {
            Ok(())
        } else {
            Err("there is no connection to the MQTT broker for the command; see the messages about the broker".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;
    use crate::link::relay::{Place, RelayError};
    use crate::model::Freshness;
    use std::sync::{Arc, Mutex};

    /// A relay that records, and fails while it is told so.
    #[derive(Clone, Default)]
    struct Fake {
        commands: Arc<Mutex<Vec<bool>>>,
        broken: Arc<Mutex<bool>>,
    }

    impl Switch for Fake {
        fn set(&mut self, on: bool) -> Result<(), RelayError> {
            if *self.broken.lock().unwrap() {
                let Ok(Place::Gpio { chip, line }) = "gpio://gpiochip9/1".parse() else { panic!("a line") };
                return Err(RelayError::Line { chip, line, reason: "taken".to_owned() });
            }
            self.commands.lock().unwrap().push(on);
            Ok(())
        }
    }

    fn view(id: &str, kind: Kind, soc: f64, freshness: Freshness) -> View {
        let mut view = View::default();
        (view.identity.id, view.identity.kind, view.state.freshness) = (id.into(), kind, freshness);
        view.pack.soc_pct = Some(soc);
        view
    }

    struct Bench {
        registry: BatteryRegistry,
        fake: Fake,
        requests: mpsc::Sender<ByHand>,
        end: watch::Sender<()>,
        task: JoinHandle<()>,
    }

    impl Bench {
        fn start() -> Self {
            let none = Duration::ZERO;
            let rule = generator::Config {
                start_soc: Some(Percent::new(20.0)),
                start_after: none,
                least_run: none,
                least_rest: none,
                silent_after: none,
                ..generator::Config::default()
            };
            let (registry, fake, (end, stop)) = (BatteryRegistry::default(), Fake::default(), Stop::new());
            let switch = fake.clone();
            let info = DeviceInfo {
                id: "generator".to_owned(),
                kind: DeviceKind::Generator,
                name: "Generator".to_owned(),
                connection: "test".to_owned(),
                timeout: Duration::from_secs(15),
            };
            let generator = Generator {
                rule: Rule::new(rule, now().at),
                battery: None,
                outputs: Outputs { relay: Some(Relay::new(move || Box::new(switch.clone()))), topic: None, ags: None },
                device: registry.devices().add(info),
                failures: Episode::default(),
                told: None,
            };
            let (requests, received) = mpsc::channel(4);
            let task = tokio::spawn(generator.run(registry.subscribe(), received, stop, Duration::from_millis(5)));
            Self { registry, fake, requests, end, task }
        }

        fn battery(&self, soc: f64, freshness: Freshness) {
            self.registry.publish(view("b", Kind::Battery, soc, freshness));
        }

        /// Waits until the relay was last switched so, for this reason.
        async fn until(&self, on: bool, reason: &str) {
            for _ in 0..2000 {
                let devices = self.registry.devices().current();
                let device = devices.first().unwrap();
                let text = device.values(now().at).any(|(quantity, value)| {
                    quantity.key == "reason_key" && value == Some(&DeviceValue::Text(reason.to_owned().into()))
                });
                if text && self.fake.commands.lock().unwrap().last() == Some(&on) {
                    return;
                }
                runtime::pause(Duration::from_millis(5)).await;
            }
            panic!("never {on} for {reason}: {:?} {:?}", self.fake.commands.lock().unwrap(), self.registry.devices().current());
        }
    }

    #[tokio::test]
    async fn the_relay_follows_the_battery_and_the_owner_and_is_off_at_the_end() {
        let bench = Bench::start();
        bench.until(false, "silent").await;
        bench.battery(60.0, Freshness::Fresh);
        bench.until(false, "silent").await;
        bench.battery(15.0, Freshness::Fresh);
        bench.until(true, "low_soc").await;
        bench.battery(15.0, Freshness::Stale);
        bench.until(false, "silent").await;
        bench.battery(50.0, Freshness::Fresh);
        bench.requests.send(ByHand::Run(Duration::from_secs(3600))).await.unwrap();
        bench.until(true, "run_by_hand").await;
        *bench.fake.broken.lock().unwrap() = true;
        bench.requests.send(ByHand::Stop(Duration::from_secs(3600))).await.unwrap();
        for _ in 0..2000 {
            if bench.registry.devices().current().first().unwrap().note.contains("gpioinfo") {
                break;
            }
            runtime::pause(Duration::from_millis(5)).await;
        }
        assert!(bench.registry.devices().current().first().unwrap().note.contains("taken"), "the fault is shown");
        *bench.fake.broken.lock().unwrap() = false;
        bench.until(false, "stop_by_hand").await;
        bench.requests.send(ByHand::Run(Duration::from_secs(3600))).await.unwrap();
        bench.until(true, "run_by_hand").await;
        drop(bench.end);
        bench.task.await.unwrap();
        assert_eq!(bench.fake.commands.lock().unwrap().last(), Some(&false));
        assert_eq!(bench.fake.commands.lock().unwrap().first(), Some(&false), "and at the start");
        assert!(bench.registry.devices().current().is_empty());
    }

    #[test]
    fn the_bank_decides_else_the_emptiest_battery_else_the_one_configured() {
        let view = |id: &str, kind, soc, freshness| Arc::new(view(id, kind, soc, freshness));
        use Freshness::{Fresh, Stale};
        let packs = vec![
            view("a", Kind::Battery, 50.0, Fresh),
            view("b", Kind::Battery, 30.0, Fresh),
            view("c", Kind::Battery, 1.0, Stale),
        ];
        let with_bank: Views = Arc::new([packs.clone(), vec![view("bank_x", Kind::Bank, 40.0, Fresh)]].concat());
        let packs: Views = Arc::new(packs);
        let soc = |views: &Views, battery| inputs(views, battery).soc.map(Percent::get);
        assert_eq!([soc(&packs, None), soc(&with_bank, None), soc(&with_bank, Some("a"))], [Some(30.0), Some(40.0), Some(50.0)]);
        assert_eq!((soc(&packs, Some("c")), inputs(&packs, Some("c")).fresh), (None, false));
        assert!(!inputs(&packs, Some("gone")).fresh && !inputs(&Views::default(), None).fresh);
    }
}
