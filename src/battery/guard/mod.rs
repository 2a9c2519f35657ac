//! Plausibility check: holds, counts and reports impossible values instead of publishing them (safety rule 9).
//!
//! A checksum only proves that the transmission was correct. A value that jumps further than a battery can is held; it is accepted
//! once three readings agree on it or it has persisted for 5 s. Meanwhile the accepted value stays published, and from the second
//! doubtful reading (or 2 s after the first) charge control uses the more cautious of both. Values outside of a sensor's range are
//! never published. FET states are never held; an alarm of the BMS stops limits from rising at once, and is raised when a second
//! reading confirms it.

mod alarms;
mod cells;
mod channel;
mod current;
mod first_readings;
mod frozen;
mod inputs;
mod sensors;
mod values;

use crate::base::units::{Amps, Celsius, Moment, Percent, Volts};
use crate::battery::charge::{ChargeInputs, SensorConfig};
use crate::model::{BmsSettings, Chemistry, Fets, Reading};
use alarms::AlarmGuard;
pub use first_readings::FirstReadings;
pub use frozen::{ChangeTimer, FrozenBms};

use cells::CellGuard;
use channel::{CELL, Channel, EXACT, GuardedValue, HELD_FOR, ReadingContext, VOLTAGE};
use current::CurrentGuard;
use inputs::{JudgedReading, Permissions};
use sensors::Sensors;
use std::time::Duration;
use values::Names;

/// A BMS may count the SoC this far beyond full, %.
const MAX_SOC_OVERSHOOT: f64 = 10.0;
/// A BMS that reports no pack at all has restarted: for this time charge control keeps the accepted values, as doubtful ones. They
/// are published for [`HELD_FOR`] at most.
const RESTARTED_FOR: Duration = Duration::from_secs(30);
/// Chemistry of a BMS that reports none, as a number.
const UNKNOWN_CHEMISTRY: f64 = 0.0;

/// The guard of one battery.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    voltage: Channel,
    current: CurrentGuard,
    soc: Channel,
    soh: Channel,
    remaining: Channel,
    capacity: Channel,
    full_charge: Channel,
    design: Channel,
    cycles: Channel,
    throughput: Channel,
    balance_current: Channel,
    heating_current: Channel,
    humidity: Channel,
    alarms: AlarmGuard,
    stated_cells: Channel,
    cells: CellGuard,
    highest_cell: Channel,
    lowest_cell: Channel,
    sensors: Sensors,
    mos: Channel,
    board: Channel,
    environment: Channel,
    chemistry: Channel,
    settings: [Channel; 6],
    /// Permissions in the last reading that was not doubtful as a whole.
    permissions: Permissions,
    /// Number of values held since start.
    pub held: u64,
}

/// A reading that may be published, with the inputs for charge control.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// Every value is plausible or unknown. A cell with an impossible voltage is 0 V (broken sense wire).
    pub reading: Reading,
    /// Each temperature sensor at its position; `None` while missing.
    pub sensors: Vec<Option<Celsius>>,
    /// Indices of the ignored sensors, see [`SensorConfig::ignored`].
    pub ignored_sensors: Vec<usize>,
    /// The cautious view: the worse of accepted and doubtful value.
    pub inputs: ChargeInputs,
    /// The view without doubtful values, if it differs.
    pub accepted: Option<ChargeInputs>,
    /// Quantities held at present, for the log.
    pub held: Vec<&'static str>,
    /// Quantities reported with impossible values, treated as not reported; for the log.
    pub missing: Vec<&'static str>,
}

impl Guard {
    /// Applies the settings of the temperature sensors.
    pub fn configure(&mut self, sensors: SensorConfig) {
        self.sensors.config = sensors;
    }

    /// Checks a reading taken at `now`.
    pub fn check(&mut self, mut reading: Reading, now: Moment) -> Guarded {
        if reading.cells_complete == Some(false) {
            reading.cells.clear();
        }
        let held_for = if has_no_voltage(&reading) && has_no_cell(&reading) { RESTARTED_FOR } else { HELD_FOR };
        let context = ReadingContext { now, suspect: self.is_suspect(&reading, held_for, now), held_for };
        let too_old = context.suspect && !self.is_suspect(&reading, HELD_FOR, now);
        let mut names = Names::default();
        let values = self.judge_values(&reading, context, &mut names);
        self.held = self.held.saturating_add(names.held.len() as u64);
        let (reported, before) = (Permissions::of(&reading), self.permissions);
        if !context.suspect {
            self.permissions = reported;
        }
        let alarms = self.alarms.check(reading.alarms.as_deref());
        // Even an alarm that is not confirmed yet keeps the limits from rising.
        let alarmed = alarms.as_ref().map(Vec::len) != reading.alarms.as_ref().map(Vec::len);
        reading.alarms = alarms;
        values.publish(&mut reading);
        if reading.cells_complete == Some(false) {
            reading.cells.clear();
        }
        let judged = JudgedReading {
            reading: &reading,
            values: &values,
            last_voltage: self.voltage.last().map(Volts::new),
            reported,
            before,
            suspect: context.suspect,
            too_old,
            in_doubt: names.in_doubt || alarmed || context.suspect,
        };
        let cautious = judged.inputs(true);
        let accepted = (names.doubtful || context.suspect).then(|| judged.inputs(false));
        let temperatures = values.temperatures;
        let sensors = if too_old { vec![None; temperatures.in_place.len()] } else { temperatures.in_place };
        if too_old {
            // Permissions are always passed on as reported.
            let Fets { charge, discharge, .. } = reading.fets;
            reading = Reading { alarms: reading.alarms.clone(), ..reading.next_poll() };
            (reading.fets.charge, reading.fets.discharge) = (charge, discharge);
        }
        Guarded {
            reading,
            sensors,
            ignored_sensors: temperatures.ignored,
            inputs: cautious,
            accepted,
            held: names.held,
            missing: names.missing,
        }
    }

    /// A pack without voltage, or without any cell voltage, means that the BMS has just restarted. Its other values are not trusted
    /// either while accepted ones can replace them.
    fn is_suspect(&self, reading: &Reading, held_for: Duration, now: Moment) -> bool {
        (has_no_voltage(reading) && self.voltage.held_value(now, held_for).is_some())
            || (has_no_cell(reading) && self.cells.held_value(now, held_for))
    }

    /// Settings: those to publish, the accepted ones, and those for charge control while a change is doubtful (the lower limits). A
    /// protection that is no longer reported still exists.
    fn judge_settings(&mut self, reported: &BmsSettings, context: ReadingContext) -> Settings {
        let values = [
            reported.cell_ovp.map(Volts::get),
            reported.cell_uvp.map(Volts::get),
            reported.pack_ovp.map(Volts::get),
            reported.pack_uvp.map(Volts::get),
            reported.charge_ocp.map(Amps::get),
            reported.discharge_ocp.map(Amps::get),
        ];
        let mut judged = [GuardedValue::default(); 6];
        for ((channel, value), slot) in self.settings.iter_mut().zip(values).zip(&mut judged) {
            *slot = channel.check(value, EXACT, context);
        }
        let mut lasting = judged;
        for (channel, slot) in self.settings.iter().zip(&mut lasting) {
            slot.accepted = slot.accepted.or(channel.last());
        }
        // "Not reported" is a state, too: a single reading that reports a chemistry does not make it another battery. A value
        // reported once stays.
        let not_reported = self.chemistry.last().is_none_or(|last| last == UNKNOWN_CHEMISTRY).then_some(UNKNOWN_CHEMISTRY);
        let chemistry = self.chemistry.check(reported.chemistry.map(number).or(not_reported), EXACT, context);
        let known = self.chemistry.last().and_then(chemistry_of);
        let with = |[ovp, uvp, pack_ovp, pack_uvp, charge, discharge]: &[GuardedValue; 6],
                    pick: fn(&GuardedValue) -> Option<f64>| BmsSettings {
            chemistry: known,
            cell_ovp: pick(ovp).map(Volts::new),
            cell_uvp: pick(uvp).map(Volts::new),
            pack_ovp: pick(pack_ovp).map(Volts::new),
            pack_uvp: pick(pack_uvp).map(Volts::new),
            charge_ocp: pick(charge).map(Amps::new),
            discharge_ocp: pick(discharge).map(Amps::new),
            charge_limit: reported.charge_limit,
            discharge_limit: reported.discharge_limit,
            voltage_limit: reported.voltage_limit,
        };
        let worst = GuardedValue {
            doubtful: judged.iter().find_map(|judged| judged.doubtful),
            held: chemistry.held || judged.iter().any(|judged| judged.held),
            ..GuardedValue::default()
        };
        let published =
            BmsSettings { chemistry: chemistry.published.and_then(chemistry_of), ..with(&judged, |judged| judged.published) };
        Settings {
            published,
            accepted: with(&lasting, |judged| judged.accepted),
            cautious: with(&lasting, GuardedValue::low),
            worst,
        }
    }
}

/// The pack voltage is too low for a pack.
fn has_no_voltage(reading: &Reading) -> bool {
    reading.voltage.is_some_and(|voltage| !VOLTAGE.allow(voltage.get()))
}

/// No cell has a plausible voltage.
fn has_no_cell(reading: &Reading) -> bool {
    !reading.cells.iter().any(|cell| CELL.allow(cell.get()))
}

/// Settings of one reading.
struct Settings {
    published: BmsSettings,
    accepted: BmsSettings,
    cautious: BmsSettings,
    worst: GuardedValue,
}

/// SoC limited to 100 %, even if the BMS counts on.
fn percent_of_full(soc: Percent) -> f64 {
    let soc = soc.get();
    if soc > 100.0 && soc <= 100.0 + MAX_SOC_OVERSHOOT { 100.0 } else { soc }
}

fn number(chemistry: Chemistry) -> f64 {
    match chemistry {
        Chemistry::Lfp => 1.0,
        Chemistry::Nmc => 2.0,
        Chemistry::Lto => 3.0,
        Chemistry::Sodium => 4.0,
    }
}

fn chemistry_of(value: f64) -> Option<Chemistry> {
    [Chemistry::Lfp, Chemistry::Nmc, Chemistry::Lto, Chemistry::Sodium].into_iter().find(|chemistry| number(*chemistry) == value)
}
