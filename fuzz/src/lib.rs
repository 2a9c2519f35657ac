//! Checks shared by all targets: bounded memory, and readings and limits within docs/safety-rules.md.

pub mod draw;
pub mod heap;
pub mod limits;
pub mod line;
pub mod reading;
