//! `demo`: everything on this computer, without hardware.

use super::Failure;
use super::output::Show;
use clap::Args;

/// Show a simulated battery and the driver on this computer; Ctrl-C ends all
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {}

impl DemoArgs {
    /// Runs until a signal comes.
    ///
    /// # Errors
    /// [`Failure::Demo`]
    pub fn run(&self, show: Show) -> Result<(), Failure> {
        Ok(crate::demo::demo(show)?)
    }
}
