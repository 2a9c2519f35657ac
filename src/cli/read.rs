//! `read PORT`: one full reading of each battery.

use super::Failure;
use super::options::OnPort;
use super::probe::find;
use crate::terminal::output::Show;
use clap::Args;
use std::io::Write;

/// Read each battery on PORT once
#[derive(Debug, Clone, Args)]
pub struct ReadArgs {
    /// Port and batteries.
    #[command(flatten)]
    pub on: OnPort,
    /// Print JSON lines on a terminal, too
    #[arg(long)]
    pub json: bool,
}

impl ReadArgs {
    /// Reads and shows.
    ///
    /// # Errors
    /// [`Failure::Config`], [`Failure::Run`] with what was received when nothing answers.
    pub fn run(&self, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let settings = self.on.config()?.settings(Some(&self.on.port), None);
        for found in find(&self.on.port, &settings)? {
            show.reading(out, &found.reading.assuming(&settings.charge.assume))?;
        }
        Ok(())
    }
}
