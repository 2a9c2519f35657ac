//! A view of a battery of this process.

use super::{Alarm, Can, GxSetting, History, Kind, Known, Limits, Line, Modules, View};
use crate::commands::Abilities;
use crate::model::{self, Freshness, LineState, Snapshot};
use crate::units::{Moment, round};
use std::time::Duration;

/// What is constant for a battery, or changed by its owner alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct About {
    /// See [`View::id`].
    pub id: String,
    /// The owner's name; may be empty.
    pub custom_name: String,
    /// Its D-Bus service.
    pub service: Option<String>,
    /// How it is attached.
    pub connection: String,
    /// What the driver takes it for.
    pub product: String,
    /// `/DeviceInstance`.
    pub instance: Option<u16>,
    /// The bank that it belongs to.
    pub bank: Option<String>,
    /// Its limits are told to somebody.
    pub control: bool,
    /// The commands that it takes.
    pub commands: Abilities,
}

/// The id of the bank called `name`.
pub fn bank_id(name: &str) -> String {
    format!("bank_{name}")
}

/// When the last reading came, found out from snapshots, which also come without one.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadAt(Option<(u16, Moment)>);

impl ReadAt {
    /// Takes note of a snapshot that was made just now.
    pub fn take(&mut self, snapshot: &Snapshot, now: Moment) {
        let count = snapshot.part.readings;
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

impl View {
    /// What `snapshot` says of a battery whose last reading is `age` old.
    pub fn new(about: &About, snapshot: &Snapshot, age: Option<Duration>, can: Option<Can>) -> Self {
        let Snapshot { reading, derived, .. } = snapshot;
        let name = if about.custom_name.is_empty() { &about.product } else { &about.custom_name };
        let settings = &reading.settings;
        let temperatures = reading.temperatures.as_ref();
        let is_fresh = snapshot.freshness == Freshness::Fresh;
        let alarms = (is_fresh && (reading.alarms.is_some() || !snapshot.alarms.is_empty()))
            .then(|| Known(snapshot.alarms.iter().map(|alarm| Alarm::new(alarm.name, alarm.level)).collect()));
        let (cell_min, cell_max) = (derived.min_cell, derived.max_cell);
        Self {
            id: about.id.clone(),
            name: name.clone(),
            kind: if snapshot.modules.is_some() { Kind::Bank } else { Kind::Battery },
            service: about.service.clone(),
            connection: about.connection.clone(),
            product: about.product.clone(),
            instance: about.instance,
            bank: about.bank.clone(),
            control: about.control,
            freshness: snapshot.freshness,
            age_s: age.map(|age| round(age.as_secs_f64(), 1)),
            cable: snapshot.cable,

            bms: (!reading.bms.is_empty()).then_some(reading.bms.into()),
            address: reading.address,
            voltage_v: value(reading.voltage),
            current_a: value(reading.current),
            power_w: value(reading.power),
            soc_pct: rounded(reading.soc, 2),
            soh_pct: value(reading.soh),
            remaining_ah: rounded(reading.remaining, 3),
            capacity_ah: value(reading.capacity),
            full_charge_ah: value(reading.full_charge),
            cycles: reading.cycles,
            cell_count: reading.cell_count,
            cell_voltages_v: reading.cells.iter().map(|cell| cell.get()).collect(),
            cells_complete: reading.cells_complete,
            cell_min_v: value(cell_min.map(|(cell, _)| cell)),
            cell_min_no: number(cell_min.map(|(_, number)| number)),
            cell_max_v: value(cell_max.map(|(cell, _)| cell)),
            cell_max_no: number(cell_max.map(|(_, number)| number)),
            cell_delta_v: rounded(cell_max.zip(cell_min).map(|((max, _), (min, _))| max - min), 4),
            cell_sum_v: rounded(derived.cell_sum, 3),
            temperatures_c: temperatures.map(|list| Known(list.iter().map(|degrees| degrees.get()).collect())),
            temperature_c: value(derived.temperature),
            temperature_min_c: value(derived.min_temperature.map(|(degrees, _)| degrees)),
            temperature_max_c: value(derived.max_temperature.map(|(degrees, _)| degrees)),
            mos_temperature_c: value(reading.mos_temperature),
            humidity_pct: value(reading.humidity),
            charge_fet: reading.charge_fet,
            discharge_fet: reading.discharge_fet,
            balancing: reading.balancing,
            balancing_cells: reading.balancing_cells.clone().map(Known),
            charge_switch: reading.charge_switch,
            discharge_switch: reading.discharge_switch,
            balance_allowed: reading.balance_allowed,
            commands: about.commands.names().map(Into::into).collect(),
            switched_off: snapshot.owner.off_text.iter().cloned().map(Into::into).collect(),
            overrides: snapshot.owner.overrides.iter().cloned().map(Into::into).collect(),
            gx_settings: snapshot.owner.gx.iter().map(GxSetting::from).collect(),
            balance_current_a: value(reading.balance_current),
            alarms,
            notes: reading.notes.clone(),

            consumed_ah: value(derived.consumed),
            current_avg_a: rounded(derived.current_avg, 2),
            time_to_go_s: derived.time_to_go.map(|time| time.as_secs()),
            bms_soc_pct: value(derived.bms_soc),
            soc_drift_pct: rounded(derived.soc_drift, 2),

            limits: Limits::new(snapshot),
            history: History::new(&snapshot.history, snapshot.since_full),
            line: Line::new(snapshot),
            can,
            modules: snapshot.modules.as_deref().map(Modules::from),

            model: reading.model.clone(),
            serial_number: reading.serial_number.clone(),
            hw_version: reading.hw_version.clone(),
            sw_version: reading.sw_version.clone(),
            production_date: production_date(reading),
            chemistry: settings.chemistry,
            cell_ovp_v: value(settings.cell_ovp),
            cell_uvp_v: value(settings.cell_uvp),
            pack_ovp_v: value(settings.pack_ovp),
            pack_uvp_v: value(settings.pack_uvp),
            charge_ocp_a: value(settings.charge_ocp),
            discharge_ocp_a: value(settings.discharge_ocp),
            bms_ccl_a: value(settings.charge_limit),
            bms_dcl_a: value(settings.discharge_limit),
        }
    }

    /// The same after its source has fallen silent: nothing measured, as a battery's own process would say it at this age.
    pub fn silenced(&self, freshness: Freshness, age: Option<Duration>) -> Self {
        let kept = self.clone();
        Self {
            freshness: freshness.max(self.freshness),
            age_s: age.map(|age| round(age.as_secs_f64(), 1)),
            cable: match freshness {
                Freshness::Fresh | Freshness::Stale => self.cable,
                Freshness::Silent => Some(model::Level::Warning).max(self.cable),
                Freshness::Lost => Some(model::Level::Alarm),
            },
            id: kept.id,
            name: kept.name,
            kind: kept.kind,
            service: kept.service,
            connection: kept.connection,
            product: kept.product,
            instance: kept.instance,
            bank: kept.bank,
            control: kept.control,
            bms: kept.bms,
            address: kept.address,
            capacity_ah: kept.capacity_ah,
            cell_count: kept.cell_count,
            history: kept.history,
            line: kept.line,
            model: kept.model,
            serial_number: kept.serial_number,
            hw_version: kept.hw_version,
            sw_version: kept.sw_version,
            production_date: kept.production_date,
            chemistry: kept.chemistry,
            limits: Limits { mode: "hold".into(), ..Limits::unknown() },
            ..Self::default()
        }
    }
}

/// The date as people write it. JK's UART protocol (register B5) has year and month only: `2307`.
fn production_date(reading: &model::Reading) -> Option<String> {
    let told = reading.production_date.as_deref()?;
    let (year, month) = told.split_at_checked(2)?;
    let is_short = reading.bms == "jk" && told.len() == 4 && told.bytes().all(|byte| byte.is_ascii_digit());
    Some(if is_short && ("01"..="12").contains(&month) { format!("20{year}-{month}") } else { told.to_owned() })
}

fn number(number: Option<usize>) -> Option<u16> {
    number.and_then(|number| u16::try_from(number).ok())
}

impl Limits {
    fn new(snapshot: &Snapshot) -> Self {
        let model::Limits { cvl, ccl, dcl, mode, .. } = &snapshot.limits;
        // A bank names the battery that sets a limit.
        let reasons = snapshot.modules.as_ref().map(|modules| &modules.reasons);
        let why = |own: &'static str, bank: Option<&std::borrow::Cow<'static, str>>| match bank {
            Some(why) if !why.is_empty() => why.clone(),
            _ => own.into(),
        };
        Self {
            cvl_v: Some(round(cvl.value.get(), 3)),
            ccl_a: Some(round(ccl.value.get(), 2)),
            dcl_a: Some(round(dcl.value.get(), 2)),
            mode: mode.key().into(),
            cvl_why: why(cvl.why, reasons.map(|reasons| &reasons.cvl)),
            ccl_why: why(ccl.why, reasons.map(|reasons| &reasons.ccl)),
            dcl_why: why(dcl.why, reasons.map(|reasons| &reasons.dcl)),
        }
    }

    fn unknown() -> Self {
        let why = super::Text::from("this battery's driver is not heard");
        Self { cvl_why: why.clone(), ccl_why: why.clone(), dcl_why: why, ..Self::default() }
    }
}

impl History {
    fn new(history: &model::History, since_full: Option<Duration>) -> Self {
        Self {
            charged_kwh: round(history.charged_kwh, 3),
            discharged_kwh: round(history.discharged_kwh, 3),
            total_drawn_ah: round(history.total_drawn_ah, 2),
            deepest_discharge_ah: history.deepest_discharge_ah,
            last_discharge_ah: history.last_discharge_ah,
            voltage_min_v: history.min_voltage,
            voltage_max_v: history.max_voltage,
            cell_min_v: history.min_cell_voltage,
            cell_max_v: history.max_cell_voltage,
            temperature_min_c: history.min_temperature,
            temperature_max_c: history.max_temperature,
            low_voltage_alarms: history.low_voltage_alarms,
            high_voltage_alarms: history.high_voltage_alarms,
            automatic_syncs: history.automatic_syncs,
            since_full_s: since_full.map(|since| since.as_secs()),
        }
    }
}

impl Line {
    fn new(snapshot: &Snapshot) -> Self {
        let model::LinkStats { ok, lost, damaged, foreign } = snapshot.link;
        let state = match snapshot.line {
            LineState::Good => "good",
            LineState::Damaging { .. } => "damaging",
            LineState::Losing { .. } => "losing",
        };
        let model::Replies { minute, hour, day } = snapshot.replies;
        let percent = |share: Option<model::Share>| share.map(model::Share::percent);
        Self {
            state: state.into(),
            text: snapshot.line.to_string().into(),
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
        let holds = if setting.refused.is_none() { "gx" } else { "configuration" };
        Self {
            key: setting.key.into(),
            name: setting.name.into(),
            holds: holds.into(),
            gx: setting.gx.clone().into(),
            configuration: setting.file.clone().map(Into::into),
            refused: setting.refused.clone().map(Into::into),
            text: setting.text().into(),
            remedy: setting.remedy().into(),
        }
    }
}

impl From<&model::Modules> for Modules {
    fn from(modules: &model::Modules) -> Self {
        Self {
            online: modules.online,
            offline: modules.offline,
            blocking_charge: modules.blocking_charge,
            blocking_discharge: modules.blocking_discharge,
            cell_min: modules.min_cell.clone(),
            cell_max: modules.max_cell.clone(),
            temperature_min: modules.min_temperature.clone(),
            temperature_max: modules.max_temperature.clone(),
        }
    }
}
