//! Replies that a reading does not require: settings, capacity, names, and for some families temperatures and alarms.

use dbus_bms::battery::charge::Config;
use dbus_bms::bms::{Driver, bytes::sum16};
use dbus_bms::model::Reading;
use dbus_bms::sim::Reply;
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::random::Random;

/// Events meanwhile: every five minutes an alarm begins and ends, and the temperature falls and rises.
pub(crate) const SCENARIO: &str = "
repeat_s = 600
[[step]]
t = 0
temperature_c = 22
[[step]]
t = 60
temperature_c = 19
[[step]]
t = 90
alarms = [\"cell_imbalance\"]
[[step]]
t = 120
temperature_c = 16
[[step]]
t = 150
alarms = []
[[step]]
t = 180
temperature_c = 13
[[step]]
t = 390
alarms = [\"cell_imbalance\"]
[[step]]
t = 420
temperature_c = 16
[[step]]
t = 450
alarms = []
[[step]]
t = 480
temperature_c = 19
";

/// Drops optional replies.
pub(crate) struct Optional {
    /// The requests that a reading requires.
    basic: Vec<Vec<u8>>,
    missing_pct: f64,
    random: Random,
}

impl Optional {
    /// Drops `missing_pct` % of the optional replies of the battery at `address`.
    pub(crate) fn new(driver: &'static Driver, address: Option<u8>, missing_pct: f64, seed: u64) -> Self {
        let mut protocol = (driver.new)(address);
        let unknown = Reading::new(driver.name, address);
        // Some families ask for each cell once they know how many there are.
        let known = Reading { cell_count: Some(10), ..unknown.clone() };
        let plans = [unknown, known].map(|known| protocol.plan(&known)).concat();
        let required = plans.into_iter().filter(|request| request.required).chain([protocol.identify()]);
        Self { basic: required.map(|request| request.bytes.to_vec()).collect(), missing_pct, random: Random::new(seed) }
    }

    /// Result of the replies to this request.
    pub(crate) fn pass(&mut self, sent: &[u8], replies: Vec<Reply>) -> Vec<Reply> {
        let missing = self.random.chance(self.missing_pct);
        if missing && !self.basic.iter().any(|request| request == sent) {
            return Vec::new();
        }
        let cut = |reply: Reply| Reply { bytes: without_names(&reply.bytes).unwrap_or(reply.bytes), ..reply };
        if missing { replies.into_iter().map(cut).collect() } else { replies }
    }
}

/// A JK board sends everything in one reply: this is one without the registers B2 to BA (names, dates, versions and the learned
/// capacity), which not every board has completely. `None` for a reply of another family.
fn without_names(frame: &[u8]) -> Option<Vec<u8>> {
    let body = frame.strip_prefix(&[0x4E, 0x57])?.get(9..frame.len() - 11)?;
    // C0, the encoding of the current, is the last one and stays. The reply to a search has a single register.
    let (from, to) = (body.len().checked_sub(82)?, body.len() - 2);
    assert_eq!((body[from], body[to]), (0xB2, 0xC0), "the first register that goes and the first that stays");
    let body = [&body[..from], &body[to..]].concat();
    let mut frame = [&[0x4E, 0x57], &u16::try_from(body.len() + 18).unwrap().to_be_bytes(), &frame[4..11], &body].concat();
    frame.extend([0, 0, 0, 0, 0x68]);
    let sum = sum16(&frame);
    frame.extend(u32::from(sum).to_be_bytes());
    Some(frame)
}

/// A pack and settings of its owner whose limits depend on the BMS's data: if it reports over-current protections the owner allows
/// more, else half of the capacity per hour is less than the default current.
pub(crate) fn demanding(told: &Reading, pack: PackConfig) -> (PackConfig, Config) {
    let config = Config::default();
    let more = |protection| Some(protection * 1.2);
    match (told.settings.charge_ocp, told.settings.discharge_ocp) {
        (Some(charge), Some(discharge)) => {
            let config = Config { max_charge_current: more(charge), max_discharge_current: more(discharge), ..config };
            (pack, config)
        }
        _ => (PackConfig { capacity_ah: 40.0, ..pack }, config),
    }
}
