//! Writes shell completions and man pages of the program, for packages: `cargo run --example cli_files -- FOLDER`.

use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use dbus_bms::cli::Cli;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: cli_files FOLDER"))?;
    write(Path::new(&folder))
}

/// Completions for bash, zsh and fish into `completions`, a page for the program and each command into `man`.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let [completions, man] = ["completions", "man"].map(|name| folder.join(name));
    for folder in [&completions, &man] {
        fs::create_dir_all(folder)?;
    }
    let mut command = Cli::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "dbus-bms", &completions)?;
    }
    // Without commit and features, so that the same sources give the same pages.
    clap_mangen::generate_to(Cli::command().version(env!("CARGO_PKG_VERSION")), &man)
}
