//! Settings of systems that owners come from, as ours.

pub mod berrybms;
