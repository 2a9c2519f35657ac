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
use super::{Config, Frame, Profile, Told};
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

fn frames(told: &Told, _: &Config) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(20);
    frames.extend(limits(told));
    frames.extend(charge_and_finer(told).map(|bytes| Frame::new(0x355, &bytes)));
    frames.extend(measured(told));
    frames.push(Frame::new(0x35A, &pairs(told, Clear::AsTwo)));
    frames.push(Frame::new(0x35E, &text(told.manufacturer.as_deref().unwrap_or(PROFILE.manufacturer), 0)));
    let left = Told { capacity: told.remaining.or(told.capacity), ..told.clone() };
    frames.push(about(&left, 0, [0, 1], 0));
    frames.push(Frame::new(0x360, &[if asks_for_charge(told) { 0xFF } else { 0 }, 0, 0, 0, 0, 0, 0, 0]));
    frames.extend(name(0x370, told.bms_name_1.as_deref()));
    frames.extend(name(0x371, told.bms_name_2.as_deref()));
    frames.extend(modules(told));
    frames.extend(cells(told));
    frames.extend(name(0x374, told.min_cell_v_id.as_deref()));
    frames.extend(name(0x375, told.max_cell_v_id.as_deref()));
    frames.extend(name(0x376, told.min_cell_t_id.as_deref()));
    frames.extend(name(0x377, told.max_cell_t_id.as_deref()));
    frames.extend(energy(told));
    let installed = told.installed_capacity.or(told.capacity);
    frames.extend(installed.map(|installed| Frame::new(0x379, &[unsigned(installed.get(), 1.0), [0; 2], [0; 2], [0; 2]].concat())));
    let serial = told.serial_number.as_deref();
    frames.extend(name(0x380, serial));
    frames.extend(name(0x381, serial.and_then(|serial| serial.get(8..)).filter(|rest| !rest.is_empty())));
    frames.extend(name(0x382, told.product_name.as_deref()));
    frames
}

fn asks_for_charge(told: &Told) -> bool {
    let forced = told.force_charge_1 == Some(true) || told.force_charge_2 == Some(true);
    told.may_charge() && told.force_charge_victron.unwrap_or(forced)
}

fn name(id: u16, name: Option<&str>) -> Option<Frame> {
    name.map(|name| Frame::new(id, &text(name, 0)))
}

fn modules(told: &Told) -> Option<Frame> {
    let online = told.modules_online.or(told.module_count.map(u16::from))?;
    let others = [told.modules_blocking_charge, told.modules_blocking_discharge, told.modules_offline];
    let words = [Some(online)].into_iter().chain(others).map(|count| count.unwrap_or(0).to_le_bytes());
    Some(Frame::new(0x372, words.collect::<Vec<_>>().as_flattened()))
}

/// 0x373; cells and temperatures share a frame, and 0 K is what captures show where there is no sensor.
fn cells(told: &Told) -> Option<Frame> {
    let words = [told.min_cell_mv?, told.max_cell_mv?, told.min_cell_temp_k.unwrap_or(0), told.max_cell_temp_k.unwrap_or(0)];
    Some(Frame::new(0x373, words.map(u16::to_le_bytes).as_flattened()))
}

fn energy(told: &Told) -> Option<Frame> {
    let words = [told.energy_charged_kwh?, told.energy_discharged_kwh?].map(|kwh| ((kwh * 10.0).round() as u32).to_le_bytes());
    Some(Frame::new(0x378, words.as_flattened()))
}
