//! Output for people on a terminal or in a pipe: tables, colours, JSON lines.

pub(crate) mod cells;
pub mod input;
pub mod output;
pub(crate) mod paint;
pub(crate) mod progress;
pub mod table;
