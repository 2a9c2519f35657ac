//! Every family: recorded frames, simulated boards, and their documentation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod anonymous;
mod ascii_packs;
mod assumptions;
mod conext;
mod conformance;
mod daly;
mod daly_modbus;
mod flight;
mod goodwe;
mod jbd;
mod jbd_up16s;
mod jk_layouts;
mod recording;
mod redaction;
mod replay;
mod seplos_v3;
mod simulator;
mod simulator_daly;
mod simulator_jk;
mod sinowealth;
#[path = "../support/mod.rs"]
mod support;
mod topbms;
mod unknown_values;
mod xanbus;
