//! Support shared by tests of several subjects.
#![allow(dead_code, reason = "each target uses a part")]

pub(crate) mod bad_connection;
pub(crate) mod ble_boards;
pub(crate) mod bluez;
pub(crate) mod board;
pub(crate) mod broker;
pub(crate) mod bus;
pub(crate) mod cell_health;
pub(crate) mod driver;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod reading;
pub(crate) mod snapshot;
pub(crate) mod sources;
pub(crate) mod vector_files;
pub(crate) mod work;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// A free port for another process. The kernel never gives it to a listener on any port, and tests that run at the same time have
/// other ones.
pub(crate) fn free_port() -> u16 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(7);
    (0..100)
        .map(|_| 10_000 + (first.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)) % 20_000) as u16)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port")
}
