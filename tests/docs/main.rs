//! Pages, tables and the structure of the source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod advice;
mod api_doc;
mod gx_pages;
mod layers;
mod links;
mod pages;
mod panics;
mod paths_doc;
mod readme;
mod replaced;
mod skeletons;
#[path = "../support/mod.rs"]
mod support;
mod units;
