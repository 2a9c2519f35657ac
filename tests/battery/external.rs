//! Current and SoC of another device instead of the BMS's.

use crate::support::reading;

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Moment, Percent};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::external::{ExternalConfig, ExternalQuantity};
use dbus_bms::battery::soc::{self, Source};
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{LinkStats, Reading, Snapshot};
use reading::reading;

/// A battery of 280 Ah that is read once a second. Its BMS reports -2 A and 62 %.
struct Seconds {
    battery: Battery,
    second: u32,
    /// What the device tells every second.
    current: Option<f64>,
    soc: Option<f64>,
    cell: f64,
    bms_current: f64,
    said: Vec<String>,
}

impl Seconds {
    fn new(config: Config, soc: soc::Config) -> Self {
        let battery = Battery::new(config, PersistedState::default()).with_soc(soc);
        Self { battery, second: 0, current: None, soc: None, cell: 3.31, bms_current: -2.0, said: Vec::new() }
    }
    fn both() -> Self {
        Self::new(Config::default(), configured(true, true))
    }
    fn pass(&mut self, seconds: u32) -> Snapshot {
        (1..seconds).for_each(|_| drop(self.second()));
        self.second()
    }
    fn second(&mut self) -> Snapshot {
        self.second += 1;
        let at = Moment::from_secs(f64::from(self.second));
        for (quantity, value) in [(ExternalQuantity::Current, self.current), (ExternalQuantity::Soc, self.soc)] {
            if let Some(value) = value {
                self.battery.external_value(quantity, value, at);
            }
        }
        let noise = f64::from(self.second % 2) * 0.0001;
        let reading = Reading { current: Some(Amps::new(self.bms_current)), ..reading(self.cell + noise) };
        let snapshot = self.battery.read(reading, LinkStats::default(), Now { at, unix: None });
        self.said.extend(self.battery.take_notices().into_iter().filter(|notice| notice.contains("external_sensor")));
        snapshot
    }
}

fn configured(current: bool, soc: bool) -> soc::Config {
    soc::Config { external: ExternalConfig { current, soc }, ..soc::Config::default() }
}

fn shown(snapshot: &Snapshot) -> (f64, f64) {
    (snapshot.reading.current.unwrap().get(), snapshot.reading.soc.unwrap().get())
}

const NO_CURRENT: &str =
    "no current from `external_sensor.current`; check that the device is on D-Bus, and the path. The BMS's current is used";

#[test]
fn current_and_soc_of_the_device_are_shown_and_counted() {
    let mut seconds = Seconds::both();
    (seconds.current, seconds.soc) = (Some(-4.5), Some(80.0));
    let last = seconds.pass(60);
    assert_eq!(shown(&last), (-4.5, 80.0));
    assert_eq!(last.reading.remaining, Some(AmpHours::new(224.0)), "of 280 Ah");
    assert_eq!(last.derived.bms_soc, Some(Percent::new(62.0)));
    let power = last.reading.voltage.unwrap().get() * -4.5;
    assert!((last.reading.power.unwrap().get() - power).abs() < 0.1);
    assert_eq!(last.reading.notes.len(), 0, "{:?}", last.reading.notes);
    assert_eq!(seconds.said, [] as [&str; 0]);

    let mut plain = Seconds::new(Config::default(), soc::Config::default());
    (plain.current, plain.soc) = (Some(-4.5), Some(80.0));
    assert_eq!(shown(&plain.pass(60)), (-2.0, 62.0), "not configured");

    let counting = soc::Config { source: Source::Counted, ..configured(true, false) };
    let mut counted = Seconds::new(Config::default(), counting);
    (counted.current, counted.bms_current) = (Some(-28.0), -20.0);
    let before = counted.pass(10).reading.soc.unwrap().get();
    let drawn = before - counted.pass(3600).reading.soc.unwrap().get();
    assert!((drawn - 10.0).abs() < 0.05, "28 Ah of 280 Ah, not 20: {drawn} %");
}

#[test]
fn limits_use_the_more_cautious_of_both_socs() {
    let by_soc = Config {
        charge_by_soc: Some(vec![(80.0, 1.0), (90.0, 0.2)]),
        discharge_by_soc: Some(vec![(20.0, 0.2), (30.0, 1.0)]),
        ..Config::default()
    };
    let limits = |soc: f64| {
        let mut seconds = Seconds::new(by_soc.clone(), configured(false, true));
        seconds.soc = Some(soc);
        let limits = seconds.pass(120).limits;
        (limits.ccl.value.get(), limits.dcl.value.get())
    };
    assert_eq!(limits(62.0), (50.0, 60.0));
    assert_eq!(limits(95.0), (10.0, 60.0));
    assert_eq!(limits(10.0), (50.0, 12.0));
    let mut full_bms =
        Seconds::new(Config { charge_by_soc: Some(vec![(50.0, 1.0), (60.0, 0.2)]), ..by_soc }, configured(false, true));
    full_bms.soc = Some(20.0);
    assert_eq!(full_bms.pass(120).limits.ccl.value.get(), 10.0, "the BMS's 62 %");
}

#[test]
fn while_charging_is_forbidden_the_higher_charge_current_counts() {
    let cvl = |device: f64, bms: f64| {
        let mut seconds =
            Seconds::new(Config { max_charge_current: Some(Amps::ZERO), ..Config::default() }, configured(true, false));
        (seconds.current, seconds.bms_current) = (Some(device), bms);
        seconds.pass(60).limits.cvl.value.get()
    };
    assert_eq!(cvl(28.0, 20.0), cvl(28.0, 28.0));
    assert_eq!(cvl(20.0, 28.0), cvl(28.0, 28.0));
    assert!(cvl(28.0, 28.0) < cvl(20.0, 20.0));
}

#[test]
fn without_fresh_values_the_bms_applies_with_one_sentence() {
    let mut seconds = Seconds::both();
    assert_eq!(shown(&seconds.pass(25)), (-2.0, 62.0), "the device may start later");
    assert_eq!(seconds.said, [] as [&str; 0]);
    seconds.pass(20);
    assert_eq!(seconds.said.len(), 2, "{:?}", seconds.said);
    assert_eq!(seconds.said[0], NO_CURRENT);
    (seconds.current, seconds.soc) = (Some(-4.5), Some(60.0));
    assert_eq!(shown(&seconds.pass(30)), (-4.5, 60.0));
    assert_eq!(seconds.said[2..], ["the current of `external_sensor.current` is used", "the SoC of `external_sensor.soc` is used"]);

    seconds.current = None;
    assert_eq!(shown(&seconds.pass(10)), (-4.5, 60.0), "10 s old");
    let fallen_back = seconds.pass(100);
    assert_eq!(shown(&fallen_back), (-2.0, 60.0));
    assert_eq!(fallen_back.reading.notes, [NO_CURRENT], "as long as it lasts");
    assert_eq!(seconds.said[4..], [NO_CURRENT], "once");
}

#[test]
fn what_cannot_be_or_contradicts_is_not_used() {
    let mut seconds = Seconds::both();
    (seconds.current, seconds.soc) = (Some(4000.0), Some(101.0));
    assert_eq!(shown(&seconds.pass(20)), (-2.0, 62.0));
    assert!(seconds.said[0].contains("is impossible") && seconds.said[1].contains("is impossible"), "{:?}", seconds.said);

    // Its sign is reversed, which shows as soon as there is a current.
    let mut reversed = Seconds::new(Config::default(), configured(true, false));
    (reversed.current, reversed.bms_current) = (Some(2.0), -2.0);
    assert_eq!(shown(&reversed.pass(60)).0, 2.0);
    (reversed.current, reversed.bms_current) = (Some(40.0), -40.0);
    reversed.pass(20);
    assert_eq!(reversed.said, [] as [&str; 0], "a jump that one of them shows earlier");
    assert_eq!(shown(&reversed.pass(30)).0, -40.0);
    (reversed.current, reversed.bms_current) = (Some(1.0), -1.0);
    assert_eq!(shown(&reversed.pass(30)).0, -1.0, "it has to agree for a minute");
    let said = reversed.said.clone();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("contradicts the BMS's current; check that the device measures this battery alone, and its sign"));

    let mut empty = Seconds::new(Config::default(), configured(false, true));
    empty.soc = Some(90.0);
    empty.pass(60);
    empty.cell = 2.85;
    let last = empty.pass(60);
    assert!(shown(&last).1 < 90.0 && empty.said[0].contains("although a cell is empty"), "{:?} {:?}", shown(&last), empty.said);
}
