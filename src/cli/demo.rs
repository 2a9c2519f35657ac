//! `demo`: everything on this computer, without hardware.

use clap::Args;

/// Show a simulated battery, the driver and the dashboard on this computer; Ctrl-C ends all
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {}
