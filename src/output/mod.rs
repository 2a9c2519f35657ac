//! Outputs: CAN, RS485, MQTT, Domoticz, dashboard, API. Each has a pure half (tables, frames, texts) and a thin I/O half. A failing
//! output never stops the battery, and every output reports a failing battery.

pub mod api;
pub mod can;
pub mod devices;
pub mod domoticz;
pub mod event_log;
pub mod inverters;
pub mod mqtt;
pub mod registry;
pub mod restriction;
pub mod rs485;
pub mod timeseries;
pub mod web;
