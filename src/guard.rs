//! Plausibility: holds, counts and reports what a battery cannot do instead of publishing it.
//!
//! A checksum only says that the line was right. A value that jumps further than a battery can is held; it is accepted when
//! three readings agree on it or it stands for 5 s. Meanwhile the accepted value stays published, and from the second doubtful
//! reading (or 2 s after the first) charge control sees the more cautious of both. Values outside the range of a sensor are
//! never published. BMS alarms and FET states are never held. Rules: contract.md, "Guard".

use crate::charge::Facts;
use crate::charge::cells::PLAUSIBLE_CELL;
use crate::model::{BmsSettings, Reading};
use crate::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Readings that must agree on a jump.
const AGREEING: u32 = 3;
/// Or the time for which they agree.
const AGREED_FOR: Duration = Duration::from_secs(5);
/// From here on charge control sees the doubtful value too.
const DOUBTED_FOR: Duration = Duration::from_secs(2);
/// An accepted value that was not confirmed for so long is unknown.
const STANDS_FOR: Duration = Duration::from_secs(10);

/// What a quantity may be and how fast it may change.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    range: (f64, f64),
    /// Change within a second (and at least per reading) that needs no second look.
    step: f64,
    /// As `step`, in parts of the accepted value.
    share: f64,
    /// A value outside the range says that the battery is broken (a cell), not only its sensor (a temperature).
    impossible_counts: bool,
}

const fn bounds(range: RangeInclusive<f64>, step: f64) -> Bounds {
    Bounds { range: (*range.start(), *range.end()), step, share: 0.0, impossible_counts: false }
}

const VOLTAGE: Bounds = Bounds { share: 0.01, ..bounds(1.0..=1000.0, 0.05) };
const CELL: Bounds = Bounds { impossible_counts: true, ..bounds(PLAUSIBLE_CELL..=5.0, 0.030) };
const TEMPERATURE: Bounds = bounds(-60.0..=120.0, 3.0);
const MOS_TEMPERATURE: Bounds = bounds(-60.0..=180.0, 10.0);
const PERCENT: Bounds = bounds(0.0..=100.0, 3.0);
/// Free to jump, but not to be absurd.
const CURRENT: Bounds = bounds(-3000.0..=3000.0, f64::INFINITY);
/// Half the capacity per hour may come and go unseen. A jump by more moves the voltage of any pack: by 1 % for each C at 0.12 mΩ per
/// 280 Ah cell, as low as it gets; half of that is asked for. One that does not is looked at twice.
const FREE_JUMP: f64 = 0.5;
const MOVED_BY_1C: f64 = 0.005;
const CHARGE: Bounds = Bounds { share: 0.03, ..bounds(0.0..=100_000.0, 0.5) };
/// Settings and counts: any change is looked at twice.
const EXACT: Bounds = bounds(0.0..=100_000.0, 0.0);

/// One quantity over time.
#[derive(Debug, Clone, Default)]
struct Channel {
    accepted: Option<(f64, Moment)>,
    doubt: Option<Doubt>,
}

#[derive(Debug, Clone, Copy)]
struct Doubt {
    value: f64,
    /// Readings that agree on `value`, and since when.
    agreeing: u32,
    agreed_since: Moment,
    /// Doubtful readings in a row, and since when.
    readings: u32,
    since: Moment,
}

/// What the guard makes of one value.
#[derive(Debug, Clone, Copy, Default)]
struct Judged {
    /// To publish.
    published: Option<f64>,
    /// What charge control sees beside it.
    doubtful: Option<f64>,
    /// The value is held.
    held: bool,
    /// It is outside the range of its sensor.
    impossible: bool,
}

impl Judged {
    fn low(&self) -> Option<f64> {
        least([self.published, self.possible()].into_iter().flatten(), f64::min)
    }
    fn high(&self) -> Option<f64> {
        least([self.published, self.possible()].into_iter().flatten(), f64::max)
    }
    /// The doubtful value, if it can be.
    fn possible(&self) -> Option<f64> {
        self.doubtful.filter(|_| !self.impossible)
    }
    /// Another reading will tell what is right. A value that stays impossible is missing: nothing is waited for.
    fn is_in_doubt(&self) -> bool {
        self.held && !(self.impossible && self.published.is_none())
    }
}

fn least(values: impl Iterator<Item = f64>, pick: fn(f64, f64) -> f64) -> Option<f64> {
    values.reduce(pick)
}

impl Channel {
    fn judge(&mut self, value: Option<f64>, bounds: Bounds, now: Moment) -> Judged {
        let Some(value) = value else {
            self.doubt = None;
            return Judged::default();
        };
        let possible = value.is_finite() && (bounds.range.0..=bounds.range.1).contains(&value);
        if possible && self.is_near(value, bounds, now) {
            return self.accept(value, now);
        }
        let doubt = self.doubt_it(value, bounds, now);
        let agreed = doubt.agreeing >= AGREEING || now.since(doubt.agreed_since) >= AGREED_FOR;
        if possible && agreed {
            return self.accept(value, now);
        }
        let weighs = doubt.readings >= 2 || now.since(doubt.since) >= DOUBTED_FOR;
        let published = self.accepted.filter(|(_, at)| now.since(*at) <= STANDS_FOR).map(|(accepted, _)| accepted);
        // Without anything accepted to stand in for it, a doubtful value counts at once; an impossible one only for what it
        // tells of the battery: it is no value that a limit could go by.
        let counts = (weighs || published.is_none()) && (possible || bounds.impossible_counts);
        Judged { published, doubtful: counts.then_some(value), held: true, impossible: !possible }
    }

    fn accept(&mut self, value: f64, now: Moment) -> Judged {
        self.accepted = Some((value, now));
        self.doubt = None;
        Judged { published: Some(value), ..Judged::default() }
    }

    fn is_near(&self, value: f64, bounds: Bounds, now: Moment) -> bool {
        self.accepted.is_none_or(|(accepted, at)| (value - accepted).abs() <= reach(bounds, accepted, now.since(at)))
    }

    fn doubt_it(&mut self, value: f64, bounds: Bounds, now: Moment) -> Doubt {
        let next = match self.doubt {
            Some(doubt) if (value - doubt.value).abs() <= reach(bounds, doubt.value, Duration::ZERO) => {
                Doubt { value, agreeing: doubt.agreeing + 1, readings: doubt.readings + 1, ..doubt }
            }
            Some(doubt) => Doubt { value, agreeing: 1, agreed_since: now, readings: doubt.readings + 1, ..doubt },
            None => Doubt { value, agreeing: 1, agreed_since: now, readings: 1, since: now },
        };
        self.doubt = Some(next);
        next
    }
}

/// How far a value may move in this time; at least one second's worth, at most ten.
fn reach(bounds: Bounds, from: f64, elapsed: Duration) -> f64 {
    (bounds.step + bounds.share * from.abs()) * elapsed.as_secs_f64().clamp(1.0, 10.0) + 1e-9
}

/// The guard of one battery.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    voltage: Channel,
    current: Channel,
    soc: Channel,
    soh: Channel,
    remaining: Channel,
    capacity: Channel,
    stated_cells: Channel,
    listed_cells: Channel,
    cells: Vec<Channel>,
    listed: Vec<Volts>,
    temperatures: Vec<Channel>,
    mos: Channel,
    settings: [Channel; 6],
    /// Values held since start.
    pub held: u64,
}

/// A reading that may be published, and what charge control makes of it.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// Every value is plausible or unknown. A cell that reads what no cell can have stands at 0 V (a broken sense wire).
    pub reading: Reading,
    /// The cautious view.
    pub facts: Facts,
    /// The quantities that are held now, for the log.
    pub held: Vec<&'static str>,
}

impl Guard {
    /// Judges a reading taken at `now`.
    pub fn judge(&mut self, mut reading: Reading, now: Moment) -> Guarded {
        if reading.cells_complete == Some(false) {
            reading.cells.clear();
        }
        let mut held = Vec::new();
        let mut in_doubt = false;
        let mut seen = |judged: Judged, what: &'static str| {
            in_doubt |= judged.is_in_doubt();
            if judged.held && !held.contains(&what) {
                held.push(what);
            }
            judged
        };
        let jump = self.free_jump(&reading);
        let voltage = seen(self.voltage.judge(reading.voltage.map(Volts::get), VOLTAGE, now), "pack voltage");
        let current = seen(self.current.judge(reading.current.map(Amps::get), jump, now), "current");
        let soc = seen(self.soc.judge(reading.soc.map(|soc| overshoot(soc.get())), PERCENT, now), "SoC");
        let soh = seen(self.soh.judge(reading.soh.map(Percent::get), PERCENT, now), "SoH");
        let remaining = seen(self.remaining.judge(reading.remaining.map(AmpHours::get), CHARGE, now), "remaining capacity");
        let capacity = seen(self.capacity.judge(reading.capacity.map(AmpHours::get), EXACT, now), "capacity");
        let stated = seen(self.stated_cells.judge(reading.cell_count.map(f64::from), EXACT, now), "cell count");
        let mos = seen(self.mos.judge(reading.mos_temperature.map(Celsius::get), MOS_TEMPERATURE, now), "MOSFET temperature");
        let cells = self.judge_cells(&reading, now);
        let cells_held = seen(cells.worst(), "cell voltages");
        let temperatures =
            judge_each(&mut self.temperatures, reading.temperatures.as_deref().unwrap_or_default(), TEMPERATURE, now);
        for judged in &temperatures {
            seen(*judged, "temperature");
        }
        let (settings, cautious_settings, settings_held) = self.judge_settings(&reading.settings, now);
        seen(Judged { held: settings_held, ..Judged::default() }, "protection settings");

        self.held += held.len() as u64;
        reading.voltage = voltage.published.map(Volts::new);
        reading.current = current.published.map(Amps::new);
        reading.soc = soc.published.map(Percent::new);
        reading.soh = soh.published.map(Percent::new);
        reading.remaining = remaining.published.map(AmpHours::new);
        reading.capacity = capacity.published.map(AmpHours::new);
        reading.cell_count = stated.published.and_then(to_count);
        reading.mos_temperature = mos.published.map(Celsius::new);
        reading.cells = cells.published;
        reading.temperatures =
            reading.temperatures.map(|_| temperatures.iter().filter_map(|t| t.published).map(Celsius::new).collect());
        reading.settings = settings;
        // From the guarded values and with their sign, whatever the BMS calls power.
        reading.power = None;
        reading.derive_power();

        let facts = Facts {
            voltage: voltage.low().map(Volts::new),
            stated_cells: reading.cell_count,
            cells: reading.cells.clone(),
            high_cell: cells.high,
            low_cell: cells.low,
            broken_cell: cells.broken,
            broken_sensor: temperatures.iter().any(|sensor| sensor.impossible && sensor.published.is_none()),
            current: reading.current,
            high_soc: soc.high().map(Percent::new),
            low_soc: soc.low().map(Percent::new),
            coldest: least(temperatures.iter().filter_map(Judged::low), f64::min).map(Celsius::new),
            hottest: least(temperatures.iter().filter_map(Judged::high), f64::max).map(Celsius::new),
            mos: mos.high().map(Celsius::new),
            charge_allowed: reading.charge_fet,
            discharge_allowed: reading.discharge_fet,
            capacity: capacity.low().map(AmpHours::new),
            settings: cautious_settings,
            owner_charge_limit: None,
            owner_discharge_limit: None,
            calming: None,
            unix: None,
            in_doubt: in_doubt || cells_held.held,
        };
        Guarded { reading, facts, held }
    }

    /// How far the current may jump, by what the voltage says.
    fn free_jump(&self, reading: &Reading) -> Bounds {
        let (Some((before, _)), Some(now), Some((capacity, _))) = (self.voltage.accepted, reading.voltage, self.capacity.accepted)
        else {
            return CURRENT;
        };
        let moved = (now.get() - before).abs() / before / MOVED_BY_1C;
        Bounds { step: capacity * moved.max(FREE_JUMP), ..CURRENT }
    }

    /// All cells; another number of cells than before is itself a jump.
    fn judge_cells(&mut self, reading: &Reading, now: Moment) -> Cells {
        let listed = (!reading.cells.is_empty()).then_some(reading.cells.len() as f64);
        let count = self.listed_cells.judge(listed, EXACT, now);
        if count.held {
            return Cells::of(&[], self.listed.clone(), true);
        }
        if self.cells.len() != reading.cells.len() && !reading.cells.is_empty() {
            self.cells = vec![Channel::default(); reading.cells.len()];
        }
        let judged = judge_each(&mut self.cells, &reading.cells, CELL, now);
        let published = judged.iter().map(|cell| Volts::new(cell.published.unwrap_or(0.0))).collect::<Vec<_>>();
        self.listed.clone_from(&published);
        Cells::of(&judged, published, false)
    }

    /// Settings: the published ones, and those that charge control uses while a change is in doubt (the lower limits).
    fn judge_settings(&mut self, said: &BmsSettings, now: Moment) -> (BmsSettings, BmsSettings, bool) {
        let values = [
            said.cell_ovp.map(Volts::get),
            said.cell_uvp.map(Volts::get),
            said.pack_ovp.map(Volts::get),
            said.pack_uvp.map(Volts::get),
            said.charge_ocp.map(Amps::get),
            said.discharge_ocp.map(Amps::get),
        ];
        let mut judged = [Judged::default(); 6];
        for ((channel, value), slot) in self.settings.iter_mut().zip(values).zip(&mut judged) {
            *slot = channel.judge(value, EXACT, now);
        }
        let [ovp, uvp, pack_ovp, pack_uvp, charge, discharge] = judged;
        let with = |pick: fn(&Judged) -> Option<f64>| BmsSettings {
            chemistry: said.chemistry,
            cell_ovp: pick(&ovp).map(Volts::new),
            cell_uvp: pick(&uvp).map(Volts::new),
            pack_ovp: pick(&pack_ovp).map(Volts::new),
            pack_uvp: pick(&pack_uvp).map(Volts::new),
            charge_ocp: pick(&charge).map(Amps::new),
            discharge_ocp: pick(&discharge).map(Amps::new),
            charge_limit: said.charge_limit,
            discharge_limit: said.discharge_limit,
        };
        (with(|judged| judged.published), with(Judged::low), judged.iter().any(|judged| judged.held))
    }
}

/// The cells of one reading.
struct Cells {
    published: Vec<Volts>,
    high: Option<Volts>,
    low: Option<Volts>,
    broken: bool,
    held: bool,
}

impl Cells {
    fn of(judged: &[Judged], published: Vec<Volts>, held: bool) -> Self {
        let extreme = |pick: fn(f64, f64) -> f64, side: fn(&Judged) -> Option<f64>| {
            let real = published.iter().map(|cell| cell.get()).filter(|cell| *cell > PLAUSIBLE_CELL);
            least(real.chain(judged.iter().filter_map(side)), pick).map(Volts::new)
        };
        Self {
            high: extreme(f64::max, Judged::high),
            low: extreme(f64::min, Judged::low),
            broken: judged.iter().any(|cell| cell.impossible && cell.doubtful.is_some()),
            held: held || judged.iter().any(|cell| cell.held),
            published,
        }
    }

    fn worst(&self) -> Judged {
        Judged { held: self.held, ..Judged::default() }
    }
}

fn judge_each<T: Copy>(channels: &mut Vec<Channel>, values: &[T], bounds: Bounds, now: Moment) -> Vec<Judged>
where
    f64: From<T>,
{
    channels.resize_with(values.len(), Channel::default);
    channels.iter_mut().zip(values).map(|(channel, value)| channel.judge(Some(f64::from(*value)), bounds, now)).collect()
}

/// Some boards count a little beyond full.
fn overshoot(soc: f64) -> f64 {
    if (100.0..=110.0).contains(&soc) { 100.0 } else { soc }
}

fn to_count(value: f64) -> Option<u8> {
    (1..=u8::MAX).find(|count| f64::from(*count) == value)
}
