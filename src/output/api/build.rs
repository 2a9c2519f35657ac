//! A view of a battery of this process.

use super::{
    Alarm, BankMember, Cells, CellsKeys, Device, GxSetting, History, Identity, IdentityKeys, InverterOutputs, Kind, Known,
    LimitDetail, Limits, Line, Modules, Notices, NoticesKeys, OverrideSet, Pack, PackKeys, Settings, ShownHealth, State,
    SwitchedOff, Switches, SwitchesKeys, Temperatures, TemperaturesKeys, Text, View,
};
use crate::base::natural::natural_order;
use crate::base::units::{Amps, Celsius, Moment, Volts, round};
use crate::control::Abilities;
use crate::model::{
    self, AlarmName, BankSummary, ByDirection, ChargeExcess, Derived, Freshness, LimitingCells, LineState, LinkStats, Reading,
    ReplyRates, Snapshot, UserOverrides,
};
use std::time::Duration;

/// Data of a battery that is constant or changed by its owner only.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatteryInfo {
    /// See [`Identity::id`].
    pub id: String,
    /// Custom name set by the owner; may be empty.
    pub custom_name: String,
    /// Its D-Bus service.
    pub service: Option<String>,
    /// Connection of the battery.
    pub connection: String,
    /// Product, as identified by the driver.
    pub product: String,
    /// `/DeviceInstance`.
    pub instance: Option<u16>,
    /// The bank of the battery.
    pub bank: Option<String>,
    /// Its limits are in use.
    pub control: bool,
    /// Supported commands.
    pub commands: Abilities,
}

/// The id of the bank called `name`.
pub fn bank_id(name: &str) -> String {
    format!("bank_{name}")
}

/// Time of the last reading, derived from snapshots, which are also made without a reading.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadAt(Option<(u16, Moment)>);

impl ReadAt {
    /// Handles a snapshot that was just made.
    pub fn observe(&mut self, snapshot: &Snapshot, now: Moment) {
        let count = snapshot.member_info.readings;
        if snapshot.freshness == Freshness::Fresh && self.0.is_none_or(|(last, _)| last != count) {
            self.0 = Some((count, now));
        }
    }

    /// Age of the last reading.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        self.0.map(|(_, at)| now.since(at))
    }
}

fn value(unit: Option<impl Into<f64>>) -> Option<f64> {
    unit.map(Into::into)
}

fn rounded(unit: Option<impl Into<f64>>, digits: u32) -> Option<f64> {
    unit.map(|unit| round(unit.into(), digits))
}

/// The sensors by position; missing ones are unknown.
fn in_place(sensors: &[Option<Celsius>]) -> Known<Option<f64>> {
    Known(sensors.iter().map(|degrees| degrees.map(Celsius::get)).collect())
}

impl View {
    /// The view of a battery with this `snapshot`, whose last reading is `age` old.
    pub fn new(info: &BatteryInfo, snapshot: &Snapshot, age: Option<Duration>, outputs: InverterOutputs) -> Self {
        Self::again(info, snapshot, age, outputs, &mut ShownHealth::default())
    }

    /// The same for one snapshot after the other: what is in `health` is not made again.
    pub fn again(
        info: &BatteryInfo,
        snapshot: &Snapshot,
        age: Option<Duration>,
        outputs: InverterOutputs,
        health: &mut ShownHealth,
    ) -> Self {
        let health = health.of(snapshot);
        #[rustfmt::skip]
        let Snapshot {
            reading, derived, alarms, cable, freshness, history, since_full, link, line, reply_rates, limits, limiting_cells, maximum, bank_summary,
            user_overrides,
            // For charge control and the bank only; above.
            cell_count: _, member_info: _, cell_health: _,
        } = snapshot;
        #[rustfmt::skip]
        let Derived {
            cell_sum, min_cell, max_cell, sensors, sensor_names, ignored_sensors, temperature, min_temperature,
            max_temperature, consumed, current_avg, time_to_go, time_to_full, bms_soc, soc_drift, charge_excess,
            // On D-Bus only.
            time_to_soc: _, bms_remaining: _,
        } = derived;
        let UserOverrides { switched_off: _, switched_off_text, overrides, gx_settings, active, off } = &**user_overrides;
        let alarms_known = *freshness == Freshness::Fresh && (reading.alarms.is_some() || !alarms.is_empty());
        Self {
            identity: identity(info, reading, bank_summary.is_some()),
            state: State { freshness: *freshness, age_s: age.map(|age| round(age.as_secs_f64(), 1)), cable: *cable },
            pack: Pack {
                // A counted SoC has many decimals.
                soc_pct: rounded(reading.soc, 2),
                remaining_ah: rounded(reading.remaining, 3),
                ..Pack::of(
                    reading,
                    PackKeys {
                        consumed_ah: value(*consumed),
                        current_avg_a: rounded(*current_avg, 2),
                        time_to_go_s: time_to_go.map(|time| time.as_secs()),
                        time_to_full_s: time_to_full.map(|time| time.as_secs()),
                        bms_soc_pct: value(*bms_soc),
                        soc_drift_pct: rounded(*soc_drift, 2),
                    },
                )
            },
            cells: Cells::of(
                reading,
                CellsKeys {
                    cell_min_v: value(min_cell.map(|(cell, _)| cell)),
                    cell_min_no: number_of(min_cell),
                    cell_max_v: value(max_cell.map(|(cell, _)| cell)),
                    cell_max_no: number_of(max_cell),
                    cell_delta_v: rounded(max_cell.zip(*min_cell).map(|((max, _), (min, _))| max - min), 4),
                    cell_sum_v: rounded(*cell_sum, 3),
                },
            ),
            temperatures: temperatures(
                reading,
                sensors,
                TemperaturesKeys {
                    temperature_names: sensor_names.to_vec(),
                    temperatures_ignored: ignored_sensors.clone(),
                    temperature_c: value(*temperature),
                    temperature_min_c: value(min_temperature.map(|(degrees, _)| degrees)),
                    temperature_max_c: value(max_temperature.map(|(degrees, _)| degrees)),
                },
            ),
            switches: Switches::of(
                &reading.fets,
                &reading.balancing,
                SwitchesKeys {
                    commands: info.commands.names().map(Into::into).collect(),
                    switched_off: switched_off_text.iter().cloned().map(Into::into).collect(),
                    overrides: overrides.iter().cloned().map(Into::into).collect(),
                    overrides_set: active.iter().map(OverrideSet::from).collect(),
                    switched_off_by: off.iter().map(SwitchedOff::from).collect(),
                },
            ),
            notices: Notices {
                // Including those of this driver.
                alarms: alarms_known.then(|| Known(alarms.iter().map(|alarm| detailed(alarm, snapshot)).collect())),
                ..Notices::of(
                    reading,
                    NoticesKeys {
                        charge_excess: charge_excess.as_ref().map(ChargeExcess::text),
                        gx_settings: gx_settings.iter().map(GxSetting::from).collect(),
                    },
                )
            },
            device: Device::of(&reading.device),
            settings: Settings::of(&reading.settings),
            limits: Limits::new(limits, *limiting_cells, *maximum, bank_summary.as_deref()),
            history: History::new(history, *since_full),
            line: Line::new(*link, *line, *reply_rates),
            can: outputs.can,
            rs485: outputs.rs485,
            health,
            modules: bank_summary.as_deref().map(Modules::from),
        }
    }

    /// The view at this age after its source has fallen silent: without measured values, as the battery's own process would show
    /// it.
    pub fn silenced(&self, freshness: Freshness, age: Option<Duration>) -> Self {
        let kept = self.clone();
        Self {
            identity: kept.identity,
            state: State {
                freshness: freshness.max(self.state.freshness),
                age_s: age.map(|age| round(age.as_secs_f64(), 1)),
                cable: freshness.cable().max(self.state.cable),
            },
            pack: Pack { capacity_ah: kept.pack.capacity_ah, ..Pack::default() },
            cells: Cells { cell_count: kept.cells.cell_count, ..Cells::default() },
            device: kept.device,
            settings: Settings { chemistry: kept.settings.chemistry, ..Settings::default() },
            limits: Limits { mode: "hold".into(), ..Limits::unknown() },
            history: kept.history,
            line: kept.line,
            ..Self::default()
        }
    }
}

fn identity(info: &BatteryInfo, reading: &Reading, is_bank: bool) -> Identity {
    // The commands are among the switches.
    let BatteryInfo { id, custom_name, service, connection, product, instance, bank, control, commands: _ } = info;
    let own = IdentityKeys {
        id: id.clone(),
        name: if custom_name.is_empty() { product } else { custom_name }.clone(),
        kind: if is_bank { Kind::Bank } else { Kind::Battery },
        service: service.clone(),
        connection: connection.clone(),
        product: product.clone(),
        instance: *instance,
        bank: bank.clone(),
        control: *control,
    };
    Identity::of(reading, own)
}

/// With the sensors by position, if their positions are known.
fn temperatures(reading: &Reading, sensors: &[Option<Celsius>], own: TemperaturesKeys) -> Temperatures {
    let temperatures = Temperatures::of(reading, &reading.temperatures, own);
    let listed = temperatures.temperatures_c.map(|listed| if sensors.is_empty() { listed } else { in_place(sensors) });
    Temperatures { temperatures_c: listed, ..temperatures }
}

fn number(number: Option<usize>) -> Option<u16> {
    number.and_then(|number| u16::try_from(number).ok())
}

fn number_of<T: Copy>(extreme: &Option<(T, usize)>) -> Option<u16> {
    number(extreme.map(|(_, number)| number).filter(|number| *number > 0))
}

/// A rule's words as a name for programs: `highest_cell_voltage`.
fn rule_name(words: &str) -> String {
    let words = words.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_lowercase()
}

/// An alarm with where it is and what value it is about, as far as the reading tells.
fn detailed(alarm: &model::Alarm, snapshot: &Snapshot) -> Alarm {
    let (reading, derived) = (&snapshot.reading, &snapshot.derived);
    let mut shown = Alarm::new(alarm.name, alarm.level);
    let raises = |module: &&model::BankModule| module.alarms.iter().flatten().any(|own| own.name == alarm.name);
    if let Some(bank) = &snapshot.bank_summary {
        shown.batteries = bank.modules.iter().filter(raises).map(|module| module.label.clone()).collect();
        // Whether the extreme of the bank is that of this battery is not certain.
        return shown;
    }
    let cell = |extreme: &Option<(Volts, usize)>| (number_of(extreme), value(extreme.map(|(volts, _)| volts)));
    let sensor = |extreme: &Option<(Celsius, usize)>| (number_of(extreme), value(extreme.map(|(heat, _)| heat)));
    match alarm.name {
        AlarmName::CellHighVoltage => (shown.cell, shown.value) = cell(&derived.max_cell),
        AlarmName::CellLowVoltage => (shown.cell, shown.value) = cell(&derived.min_cell),
        AlarmName::HighTemperature | AlarmName::HighChargeTemperature => {
            (shown.sensor, shown.value) = sensor(&derived.max_temperature);
        }
        AlarmName::LowTemperature | AlarmName::LowChargeTemperature => {
            (shown.sensor, shown.value) = sensor(&derived.min_temperature);
        }
        AlarmName::HighVoltage | AlarmName::LowVoltage => shown.value = value(reading.voltage),
        AlarmName::HighMosTemperature => shown.value = value(reading.temperatures.mos),
        AlarmName::HighChargeCurrent | AlarmName::HighDischargeCurrent => shown.value = value(reading.current),
        AlarmName::LowSoc => shown.value = rounded(reading.soc, 1),
        _ => {}
    }
    shown
}

impl From<&model::ActiveOverride> for OverrideSet {
    fn from(set: &model::ActiveOverride) -> Self {
        let model::ActiveOverride { kind, limit, duration, until_unix, by } = set;
        Self { kind: (*kind).into(), value_a: value(*limit), of_s: duration.as_secs(), until: *until_unix, by: by.clone() }
    }
}

impl From<&model::SwitchOff> for SwitchedOff {
    fn from(off: &model::SwitchOff) -> Self {
        let model::SwitchOff { switch, since_unix, by, uncertain } = off;
        Self { what: switch.name().into(), since: *since_unix, by: by.clone(), uncertain: *uncertain }
    }
}

impl From<&model::BankModule> for BankMember {
    fn from(module: &model::BankModule) -> Self {
        // Its alarms are in its own view.
        let model::BankModule { name, label, alarms: _, cable, online } = module;
        // An id has no dots, the name of a service has.
        let on_bus = name.contains('.');
        Self {
            id: (!on_bus).then(|| name.clone()),
            service: on_bus.then(|| name.clone()),
            name: label.clone(),
            online: *online,
            cable: *cable,
        }
    }
}

impl Limits {
    fn new(limits: &model::Limits, cells: LimitingCells, maximum: ByDirection<Option<Amps>>, bank: Option<&BankSummary>) -> Self {
        // The end-of-discharge voltage is for inverters only.
        let model::Limits { cvl, ccl, dcl, mode, low_voltage: _ } = limits;
        // A bank's reason contains the battery that sets the limit.
        let model::Reasons { cvl: bank_cvl, ccl: bank_ccl, dcl: bank_dcl } =
            bank.map(|bank| bank.reasons.clone()).unwrap_or_default();
        let why = |own: &'static str, bank: Text| if bank.is_empty() { own.into() } else { bank };
        let by = bank.map(|bank| bank.limited_by.clone()).unwrap_or_default();
        let detail =
            |value: f64, (own, cell): (&'static str, Option<usize>), by: Option<model::LimitingBattery>, max: Option<Amps>| {
                let rule = by.as_ref().map_or(Text::from(own), |by| by.why.clone());
                LimitDetail {
                    value: Some(value),
                    cell: number(by.as_ref().map_or(cell, |by| by.cell)),
                    rule: rule_name(&rule).into(),
                    battery: by.map(|by| by.label),
                    max: max.map(Amps::get).filter(|max| max.is_finite()).map(|max| round(max, 2)),
                    since: None,
                }
            };
        let (cvl_v, ccl_a, dcl_a) = (round(cvl.value.get(), 3), round(ccl.value.get(), 2), round(dcl.value.get(), 2));
        Self {
            cvl: Some(detail(cvl_v, (cvl.why, cells.cvl), None, None)),
            ccl: Some(detail(ccl_a, (ccl.why, cells.ccl), by.charge, maximum.charge)),
            dcl: Some(detail(dcl_a, (dcl.why, cells.dcl), by.discharge, maximum.discharge)),
            cvl_v: Some(round(cvl.value.get(), 3)),
            ccl_a: Some(round(ccl.value.get(), 2)),
            dcl_a: Some(round(dcl.value.get(), 2)),
            mode: mode.key().into(),
            cvl_why: why(cvl.why, bank_cvl),
            ccl_why: why(ccl.why, bank_ccl),
            dcl_why: why(dcl.why, bank_dcl),
        }
    }

    fn unknown() -> Self {
        let why = Text::from("this battery's driver does not answer");
        Self { cvl_why: why.clone(), ccl_why: why.clone(), dcl_why: why, ..Self::default() }
    }
}

impl History {
    fn new(history: &model::History, since_full: Option<Duration>) -> Self {
        #[rustfmt::skip]
        let model::History {
            deepest_discharge_ah, last_discharge_ah, total_drawn_ah, min_voltage, max_voltage, min_cell_voltage, max_cell_voltage,
            min_temperature, max_temperature, discharged_kwh, charged_kwh, low_voltage_alarms, high_voltage_alarms,
            automatic_syncs, discharges,
            // Internal state of the counters.
            last_full_unix: _, discharging: _, low_voltage_active: _, high_voltage_active: _,
        } = *history;
        Self {
            charged_kwh: round(charged_kwh, 3),
            discharged_kwh: round(discharged_kwh, 3),
            total_drawn_ah: round(total_drawn_ah, 2),
            deepest_discharge_ah,
            last_discharge_ah,
            average_discharge_ah: discharges.average_ah().map(|drawn| round(drawn, 2)),
            full_discharges: discharges.full,
            voltage_min_v: min_voltage,
            voltage_max_v: max_voltage,
            cell_min_v: min_cell_voltage,
            cell_max_v: max_cell_voltage,
            temperature_min_c: min_temperature,
            temperature_max_c: max_temperature,
            low_voltage_alarms,
            high_voltage_alarms,
            automatic_syncs,
            since_full_s: since_full.map(|since| since.as_secs()),
        }
    }
}

impl Line {
    fn new(link: LinkStats, line: LineState, replies: ReplyRates) -> Self {
        let LinkStats { ok, lost, damaged, foreign } = link;
        let state = match line {
            LineState::Good => "good",
            LineState::Damaging { .. } => "damaging",
            LineState::Losing { .. } => "losing",
            LineState::Repeating => "repeating",
        };
        let ReplyRates { minute, hour, day } = replies;
        let percent = |share: Option<model::SuccessRate>| share.map(model::SuccessRate::percent);
        Self {
            state: state.into(),
            text: line.to_string().into(),
            good_minute_pct: percent(minute),
            good_hour_pct: percent(hour),
            good_day_pct: percent(day),
            ok,
            lost,
            damaged,
            foreign,
        }
    }
}

impl From<&model::GxSetting> for GxSetting {
    fn from(setting: &model::GxSetting) -> Self {
        // Path and bound are part of the texts.
        let model::GxSetting { key, name, path: _, gx, file, refused, bound: _ } = setting;
        let holds = if refused.is_none() { "gx" } else { "configuration" };
        Self {
            key: (*key).into(),
            name: (*name).into(),
            holds: holds.into(),
            gx: gx.clone().into(),
            configuration: file.clone().map(Into::into),
            refused: refused.clone().map(Into::into),
            text: setting.text().into(),
            remedy: setting.remedy().into(),
        }
    }
}

impl From<&BankSummary> for Modules {
    fn from(bank: &BankSummary) -> Self {
        #[rustfmt::skip]
        let BankSummary {
            online, offline, blocking_charge, blocking_discharge, min_cell, max_cell, min_temperature, max_temperature, charge_spread, switching,
            // Included in the limits.
            reasons: _,
            // On D-Bus only: here each battery has a view of its own.
            in_series: _, own_alarms: _, own_cable: _, limited_by: _, modules,
        } = bank;
        let mut members: Vec<BankMember> = modules.iter().map(BankMember::from).collect();
        members.sort_by(|a, b| natural_order(&a.name, &b.name));
        Self {
            members,
            online: *online,
            offline: *offline,
            blocking_charge: *blocking_charge,
            blocking_discharge: *blocking_discharge,
            cell_min: min_cell.clone(),
            cell_max: max_cell.clone(),
            temperature_min: min_temperature.clone(),
            temperature_max: max_temperature.clone(),
            charge_spread_ah: charge_spread.as_ref().map(|spread| f64::from(spread.tenths_ah) / 10.0),
            charge_spread_confidence: charge_spread.as_ref().map(|spread| spread.confidence.key().into()),
            charge_spread_advice: charge_spread.as_ref().map(|spread| spread.advice.clone()),
            switching_state: switching.as_ref().map(|switching| switching.state.key().into()),
            switching_battery: switching.as_ref().and_then(|switching| switching.battery.clone()),
            switching_reason: switching.as_ref().map(|switching| switching.reason.clone()),
        }
    }
}
