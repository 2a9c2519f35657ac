//! Snapshots of a realistic 16-cell battery, for the tests of outputs.

use dbus_bms::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use dbus_bms::dbus::Context;
use dbus_bms::model::{
    Alarm, AlarmName, Balancing, Derived, Device, Discharges, Fets, Freshness, History, Level, Limit, Limits, LinkStats,
    MemberInfo, Mode, Reading, ReplyRates, Snapshot, SuccessRate, Temperatures,
};
use std::time::Duration;

/// A 280 Ah LFP battery that is being discharged with 12.5 A, without alarms.
pub(crate) fn discharging() -> Snapshot {
    let cells: Vec<Volts> = (0..16u16).map(|cell| Volts::milli(3298 + cell % 6)).collect();
    let mut reading = Reading {
        voltage: Some(Volts::centi(5280)),
        current: Some(Amps::centi(-1250i16)),
        soc: Some(Percent::new(71.5)),
        soh: Some(Percent::new(98.0)),
        remaining: Some(AmpHours::new(200.2)),
        capacity: Some(AmpHours::new(280.0)),
        cycles: Some(123),
        cell_count: Some(16),
        cells,
        temperatures: Temperatures {
            sensors: Some(vec![Celsius::new(21.5), Celsius::new(24.25)]),
            mos: Some(Celsius::new(31.0)),
            ..Temperatures::default()
        },
        fets: Fets { charge: Some(true), discharge: Some(true), ..Fets::default() },
        balancing: Balancing { active: Some(true), cells: Some(vec![6, 12]), allowed: Some(true), ..Balancing::default() },
        alarms: Some(Vec::new()),
        device: Device { model: Some("SP24S004P16S".to_owned()), sw_version: Some("V2.1".to_owned()), ..Device::default() },
        ..Reading::new("jbd", None)
    };
    reading.power = Some(Watts::new(-660.0));
    Snapshot {
        reading,
        derived: Derived {
            cell_sum: Some(Volts::milli(52_803)),
            min_cell: Some((Volts::milli(3298), 1)),
            max_cell: Some((Volts::milli(3303), 6)),
            temperature: Some(Celsius::new(22.875)),
            min_temperature: Some((Celsius::new(21.5), 1)),
            max_temperature: Some((Celsius::new(24.25), 2)),
            consumed: Some(AmpHours::new(-79.8)),
            current_avg: Some(Amps::new(-12.45)),
            time_to_go: Some(Duration::from_secs(57_659)),
            ..Derived::default()
        },
        freshness: Freshness::Fresh,
        history: history(),
        since_full: Some(Duration::from_secs(7_265)),
        link: LinkStats { ok: 1000, lost: 1, damaged: 2, foreign: 0 },
        reply_rates: ReplyRates {
            minute: SuccessRate::of(60, 60),
            hour: SuccessRate::of(3590, 3600),
            day: SuccessRate::of(86_000, 86_400),
        },
        cell_count: Some(16),
        limits: Limits {
            cvl: Limit { value: Volts::new(55.2), why: "absorption" },
            ccl: Limit { value: Amps::new(50.0), why: "configured" },
            dcl: Limit { value: Amps::new(60.0), why: "configured" },
            low_voltage: Volts::new(46.4),
            mode: Mode::Bulk,
        },
        member_info: MemberInfo { readings: 1000, ceiling: Some(Volts::new(55.2)), float: Some(Volts::new(54.0)) },
        ..Snapshot::default()
    }
}

fn history() -> History {
    History {
        deepest_discharge_ah: Some(-212.4),
        last_discharge_ah: Some(-79.8),
        total_drawn_ah: -34_440.07,
        min_voltage: Some(47.91),
        max_voltage: Some(55.3),
        min_cell_voltage: Some(2.981),
        max_cell_voltage: Some(3.462),
        min_temperature: Some(-3.5),
        max_temperature: Some(38.0),
        discharged_kwh: 1_763.331,
        charged_kwh: 1_802.5,
        low_voltage_alarms: 2,
        high_voltage_alarms: 0,
        discharges: Discharges { full: Some(1), cycles: 120, cycles_drawn_ah: -16_860.0, ..Discharges::default() },
        ..History::default()
    }
}

/// The same battery with a warning, two alarms, and charging forbidden.
pub(crate) fn alarmed() -> Snapshot {
    let mut snapshot = discharging();
    snapshot.alarms = vec![
        Alarm { name: AlarmName::CellImbalance, level: Level::Warning },
        Alarm { name: AlarmName::CellHighVoltage, level: Level::Alarm },
        Alarm { name: AlarmName::ShortCircuit, level: Level::Alarm },
    ];
    snapshot.reading.alarms = Some(snapshot.alarms.clone());
    snapshot.reading.fets.charge = Some(false);
    snapshot.limits.ccl = Limit { value: Amps::ZERO, why: "highest cell" };
    snapshot.limiting_cells.ccl = Some(6);
    snapshot
}

/// The same battery after five minutes of silence: measured values are unknown, limits are zero.
pub(crate) fn lost() -> Snapshot {
    let known = discharging();
    Snapshot {
        reading: Reading { fets: Fets { charge: None, ..known.reading.next().fets }, ..known.reading.next() },
        derived: Derived::default(),
        cable: Some(Level::Alarm),
        freshness: Freshness::Lost,
        limits: Limits {
            cvl: Limit { value: Volts::new(52.8), why: "no data" },
            ccl: Limit { value: Amps::ZERO, why: "no data" },
            dcl: Limit { value: Amps::ZERO, why: "no data" },
            mode: Mode::Hold,
            ..known.limits
        },
        ..known
    }
}

/// A service for that battery with charge control.
pub(crate) fn context() -> Context {
    Context {
        process_name: "dbus-bms".to_owned(),
        process_version: "0.1.0".to_owned(),
        connection: "Serial ttyUSB0".to_owned(),
        product_name: "JBD BMS".to_owned(),
        manufacturer: Some("JBD".to_owned()),
        family: Some("LLT/JBD".to_owned()),
        serial: Some("0123456789".to_owned()),
        custom_name: "House".to_owned(),
        device_instance: 1,
        control: true,
        cells: 16,
        settings_group: Some("jbd_0123456789".to_owned()),
        ..Context::default()
    }
}
