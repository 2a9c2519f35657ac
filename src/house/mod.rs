//! Protocols of devices of the house beside the batteries. Pure: bytes in, values out.

pub mod goodwe;
pub mod sma_meter;
