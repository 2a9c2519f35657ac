//! `probe PORT`: tell what answers on a port.

use super::options::OnPort;
use clap::Args;

/// Tell which BMS answers on PORT, or what was heard instead
#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// Where, and which batteries.
    #[command(flatten)]
    pub on: OnPort,
    /// JSON lines, also on a terminal
    #[arg(long)]
    pub json: bool,
}
