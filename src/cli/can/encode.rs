//! `can encode`: a reading with limits in, frames out.

use super::{CanFailure, profile};
use crate::base::units::{Celsius, Volts};
use crate::cli::Failure;
use crate::model::AlarmName;
use crate::output::can::{AlarmPolicy, CHARGE_VOLTAGES, Config, CurrentSign, InverterData, Item, Profile, encode};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use std::io::{Read, Write};

/// Encode a reading with limits into CAN frames for an inverter
///
/// Standard input holds JSON objects with the keys of a reading (soc_pct, voltage_v, current_a, …) and charge_voltage_v,
/// charge_current_limit_a, discharge_current_limit_a, discharge_voltage_v; optional keys are manufacturer, module_count,
/// charge_enable, discharge_enable, force_charge_1, force_charge_2, full_charge_request, alarms and warnings. The frames are
/// printed in candump's log format, in the order of sending. Missing values are omitted or marked invalid, depending on the profile.
#[derive(Debug, Clone, Args)]
pub struct EncodeCanArgs {
    /// Protocol of the inverter: pylontech, pylontech-1.3, pylontech-2, sma, victron, luxpower, growatt or sol-ark
    #[arg(long, value_name = "NAME", value_parser = profile)]
    pub profile: &'static Profile,
    /// Fill all frames up to 8 bytes
    #[arg(long)]
    pub pad: bool,
    /// How to send alarms
    #[arg(long, value_enum, default_value_t = Policy::Alarms)]
    pub alarms: Policy,
    /// Meaning of a positive current in the sma profile: charging, or discharging as the JK to Sunny Island translator has it
    #[arg(long, value_enum, default_value_t = Sign::Charge)]
    pub sma_current_sign: Sign,
}

/// How to send alarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Sent as alarms.
    Alarms,
    /// Sent as warnings.
    Warnings,
}

/// Sign of the current in the SMA profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sign {
    /// Positive charges.
    Charge,
    /// Positive discharges.
    #[value(alias = "seed")]
    DischargePositive,
}

impl EncodeCanArgs {
    /// Encodes each object of `input`.
    ///
    /// # Errors
    /// [`Failure::Can`], [`Failure::Output`]
    pub fn run(&self, input: impl Read, out: &mut dyn Write) -> Result<(), Failure> {
        let config = Config {
            profile: self.profile,
            pad: self.pad,
            alarms: if self.alarms == Policy::Warnings { AlarmPolicy::Warnings } else { AlarmPolicy::Alarms },
            sma_current_sign: if self.sma_current_sign == Sign::DischargePositive {
                CurrentSign::DischargePositive
            } else {
                CurrentSign::Charge
            },
            ..Config::default()
        };
        let mut count = 0usize;
        for object in serde_json::Deserializer::from_reader(input).into_iter::<Map<String, Value>>() {
            let data = object.map_err(|error| error.to_string()).and_then(inverter_data).map_err(CanFailure::Json)?;
            if let Some(voltage) = data.limits.charge_voltage.filter(|volts| !CHARGE_VOLTAGES.contains(&volts.get())) {
                return Err(CanFailure::ChargeVoltage(voltage).into());
            }
            for frame in encode(&data, &config) {
                writeln!(out, "{frame}")?;
            }
            count += 1;
        }
        if count == 0 { Err(CanFailure::Empty.into()) } else { Ok(()) }
    }
}

/// The inverter's data in a reading with limits; other keys of a reading are ignored.
fn inverter_data(mut object: Map<String, Value>) -> Result<InverterData, String> {
    let (mut alarms, mut warnings) = (Vec::new(), Vec::new());
    for (key, is_alarm) in [("alarms", true), ("warnings", false)] {
        for entry in list(&mut object, key)? {
            let (name, level) = named(&entry)?;
            let raised = if is_alarm && level != Some("warning") { &mut alarms } else { &mut warnings };
            raised.extend(item(name)?);
        }
    }
    let incomplete = object.get("cells_complete") == Some(&Value::Bool(false));
    let mut cells: Vec<Volts> = numbers(&mut object, "cell_voltages_v")?.into_iter().map(Volts::new).collect();
    if incomplete {
        cells.clear();
    }
    let sensors = numbers(&mut object, "temperatures_c")?;
    let mut data: InverterData = serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())?;
    for items in [&mut alarms, &mut warnings] {
        items.sort_unstable();
        items.dedup();
    }
    (data.active.alarms, data.active.warnings) = (Some(alarms), Some(warnings));
    if !sensors.is_empty() {
        let kelvin = |celsius: f64| (celsius + 273.15).round() as u16;
        data.state.temperature =
            data.state.temperature.or(Some(Celsius::new(sensors.iter().sum::<f64>() / sensors.len() as f64).rounded(1)));
        data.extremes.min_cell_temp_k = data.extremes.min_cell_temp_k.or(sensors.iter().copied().reduce(f64::min).map(kelvin));
        data.extremes.max_cell_temp_k = data.extremes.max_cell_temp_k.or(sensors.iter().copied().reduce(f64::max).map(kelvin));
    }
    let milli = |volts: Volts| (volts.get() * 1000.0).round() as u16;
    if !cells.is_empty() {
        data.details.cells_mv = data.details.cells_mv.or_else(|| Some(cells.iter().copied().map(milli).collect()));
    }
    data.extremes.min_cell_mv = data.extremes.min_cell_mv.or(cells.iter().copied().reduce(Volts::min).map(milli));
    data.extremes.max_cell_mv = data.extremes.max_cell_mv.or(cells.iter().copied().reduce(Volts::max).map(milli));
    Ok(data)
}

fn list(object: &mut Map<String, Value>, key: &str) -> Result<Vec<Value>, String> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(entries)) => Ok(entries),
        Some(other) => Err(format!("`{key}` is {other}, but must be a list")),
    }
}

fn numbers(object: &mut Map<String, Value>, key: &str) -> Result<Vec<f64>, String> {
    let number = |value: &Value| value.as_f64().ok_or_else(|| format!("`{key}` contains {value}, but must hold numbers only"));
    list(object, key)?.iter().map(number).collect()
}

/// An alarm as `decode` (its name) or a reading (name and level) writes it.
fn named(entry: &Value) -> Result<(&str, Option<&str>), String> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let name = entry.as_str().or_else(|| text("name"));
    name.map(|name| (name, text("level")))
        .ok_or_else(|| format!("{entry} is not an alarm: use a name, or an object with name and level"))
}

/// The item of an alarm by its name on CAN or in readings.
fn item(name: &str) -> Result<Option<Item>, String> {
    if let Some(item) = Item::ALL.into_iter().find(|item| item.name() == name) {
        return Ok(Some(item));
    }
    let alarm: Result<AlarmName, _> = serde_json::from_value(Value::String(name.to_owned()));
    alarm.map(Item::of).map_err(|_| format!("unknown alarm `{name}`; expected one of {}", Item::ALL.map(Item::name).join(", ")))
}
