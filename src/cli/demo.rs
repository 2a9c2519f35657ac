//! `demo`: everything on this computer, without hardware.

use super::Failure;
use crate::terminal::output::Show;
use clap::Args;

/// Run the driver with four simulated batteries on this computer; Ctrl-C stops everything
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// The BMS of all four, as in `simulate`; by default JBD and JK
    #[arg(long, value_name = "NAME")]
    pub bms: Option<String>,
}

impl DemoArgs {
    /// Runs until a signal.
    ///
    /// # Errors
    /// [`Failure::Demo`]
    pub fn run(&self, show: Show) -> Result<(), Failure> {
        Ok(crate::tools::demo::demo(self.bms.as_deref(), show)?)
    }
}
