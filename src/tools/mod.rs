//! Programs for owners and developers, in addition to the driver.

pub mod chart;
pub mod demo;
pub mod doctor;
pub mod record_session;
pub mod signature;
pub mod support;
