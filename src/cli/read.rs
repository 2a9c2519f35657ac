//! `read PORT`: one full reading of each battery.

use super::options::OnPort;
use clap::Args;

/// Read each battery on PORT once
#[derive(Debug, Clone, Args)]
pub struct ReadArgs {
    /// Where, and which batteries.
    #[command(flatten)]
    pub on: OnPort,
    /// JSON lines, also on a terminal
    #[arg(long)]
    pub json: bool,
}
