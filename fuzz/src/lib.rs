//! What every target holds the program to: bounded memory, readings and limits that are what contract.md says.

pub mod draw;
pub mod heap;
pub mod limits;
pub mod line;
pub mod reading;
