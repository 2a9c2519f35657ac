//! Victron's CAN-bms protocol: a GX device at its BMS-Can port, and inverters that follow it.
//!
//! ```text
//! 351, 356      as Pylontech; 355 with SoC 0.01 % behind; 35A as SMA
//! 35E           maker          35F  product id | firmware | charge left 1 Ah | hardware
//! 360           FF in byte 0 asks to be charged
//! 370, 371      name of the BMS, 8 + 8 characters      380, 381  serial number, 8 + 8      382  product
//! 372           modules: online | blocking charge | blocking discharge | offline
//! 373           lowest cell mV | highest cell mV | coldest K | hottest K
//! 374 … 377     names of the lowest cell, the highest cell, the coldest and the hottest sensor
//! 378           charged, discharged energy, 0.1 kWh, 4 bytes each
//! 379           installed capacity 1 Ah
//! ```
//! 500 kbit/s, the set each second. Victron's paper is not public; source: captures of a BYD LVS and a Seplos on Venus OS
//! (tests/can/vectors) and the projects that docs/can.md names.

use super::pylontech::{limits, measured};
use super::sma::{Clear, about, charge_and_finer, pairs};
use super::wire::{text, unsigned};
use super::{Config, Extremes, Frame, InverterData, Profile};
use std::time::Duration;

/// The profile.
pub(super) static PROFILE: Profile = Profile {
    name: "victron",
    label: "Victron CAN-bms",
    manufacturer: "dbus-bms",
    period: Duration::from_secs(1),
    spacing: Duration::from_millis(10),
    frames,
};

fn frames(data: &InverterData, _: &Config) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(20);
    frames.extend(limits(data));
    frames.extend(charge_and_finer(data).map(|bytes| Frame::new(0x355, &bytes)));
    frames.extend(measured(data));
    frames.push(Frame::new(0x35A, &pairs(data, Clear::AsTwo)));
    frames.push(Frame::new(0x35E, &text(data.identity.manufacturer.as_deref().unwrap_or(PROFILE.manufacturer), 0)));
    let mut left = data.clone();
    left.charge.capacity = data.charge.remaining.or(data.charge.capacity);
    frames.push(about(&left, 0, [0, 1], 0));
    frames.push(Frame::new(0x360, &[if asks_for_charge(data) { 0xFF } else { 0 }, 0, 0, 0, 0, 0, 0, 0]));
    frames.extend(name(0x370, data.identity.bms_name_1.as_deref()));
    frames.extend(name(0x371, data.identity.bms_name_2.as_deref()));
    frames.extend(modules(data));
    frames.extend(cells(data));
    frames.extend(name(0x374, data.extremes.min_cell_v_id.as_deref()));
    frames.extend(name(0x375, data.extremes.max_cell_v_id.as_deref()));
    frames.extend(name(0x376, data.extremes.min_cell_t_id.as_deref()));
    frames.extend(name(0x377, data.extremes.max_cell_t_id.as_deref()));
    frames.extend(energy(data));
    frames.extend(installed(data));
    let serial = data.identity.serial_number.as_deref();
    frames.extend(name(0x380, serial));
    frames.extend(name(0x381, serial.and_then(|serial| serial.get(8..)).filter(|rest| !rest.is_empty())));
    frames.extend(name(0x382, data.identity.product_name.as_deref()));
    frames
}

fn asks_for_charge(data: &InverterData) -> bool {
    let forced = data.requests.force_charge_1 == Some(true) || data.requests.force_charge_2 == Some(true);
    data.may_charge() && data.requests.force_charge_victron.unwrap_or(forced)
}

fn name(id: u16, name: Option<&str>) -> Option<Frame> {
    name.map(|name| Frame::new(id, &text(name, 0)))
}

/// 0x372
pub(super) fn modules(data: &InverterData) -> Option<Frame> {
    let online = data.modules.online.or(data.modules.module_count.map(u16::from))?;
    let others = [data.modules.blocking_charge, data.modules.blocking_discharge, data.modules.offline];
    let words = [Some(online)].into_iter().chain(others).map(|count| count.unwrap_or(0).to_le_bytes());
    Some(Frame::new(0x372, words.collect::<Vec<_>>().as_flattened()))
}

/// 0x379
pub(super) fn installed(data: &InverterData) -> Option<Frame> {
    let installed = data.charge.installed_capacity.or(data.charge.capacity)?;
    Some(Frame::new(0x379, &[unsigned(installed.get(), 1.0), [0; 2], [0; 2], [0; 2]].concat()))
}

/// 0x373; cells and temperatures share a frame; captures show 0 K for a missing sensor.
pub(super) fn cells(data: &InverterData) -> Option<Frame> {
    let Extremes { min_cell_mv, max_cell_mv, min_cell_temp_k, max_cell_temp_k, .. } = data.extremes;
    let words = [min_cell_mv?, max_cell_mv?, min_cell_temp_k.unwrap_or(0), max_cell_temp_k.unwrap_or(0)];
    Some(Frame::new(0x373, words.map(u16::to_le_bytes).as_flattened()))
}

fn energy(data: &InverterData) -> Option<Frame> {
    let words = [data.charge.energy_charged_kwh?, data.charge.energy_discharged_kwh?]
        .map(|kwh| ((kwh * 10.0).round() as u32).to_le_bytes());
    Some(Frame::new(0x378, words.as_flattened()))
}
