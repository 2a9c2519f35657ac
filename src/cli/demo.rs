//! `demo`: everything on this computer, without hardware.

use super::Failure;
use crate::terminal::output::Show;
use clap::Args;

/// Run the driver with simulated batteries on this computer; Ctrl-C stops everything
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {}

impl DemoArgs {
    /// Runs until a signal.
    ///
    /// # Errors
    /// [`Failure::Demo`]
    pub fn run(&self, show: Show) -> Result<(), Failure> {
        Ok(crate::tools::demo::demo(show)?)
    }
}
