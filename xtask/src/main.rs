//! Chores of this repository. `cargo xtask new-bms NAME` writes the skeleton of a new BMS family.

mod new_bms;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask new-bms NAME [--like modbus|ascii|binary] [--root FOLDER]

Writes the skeleton of a new BMS family: decoder, tests and pages, and where each is named. NAME is the one for the configuration:
a letter, then small letters, digits and hyphens. It begins as one of these, modbus if you do not say:

  modbus   registers, read with Modbus RTU
  ascii    frames ~ … CR of hex digits with VER, CID1 and CID2, as PACE and Seplos have them
  binary   frames with fixed first bytes, a length and a sum

It writes nothing if the name exists. FOLDER is the repository, this one if you do not say.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some("new-bms") => new_bms::run(&arguments[1..]),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(other) => Err(format!("there is no {other}")),
        None => Err("say what to do".to_owned()),
    };
    match outcome {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
