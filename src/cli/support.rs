//! `support --to FILE.tar`: what somebody who is to help needs to see.

use super::options::ConfigFile;
use super::{Failure, status};
use crate::config::Places;
use crate::doctor::{Verdict, examine};
use crate::link::open;
use crate::record::{Manner, Plan, record};
use crate::run::{RunError, port_options, scope};
use crate::runtime::{self, SystemClock, until_stopped};
use crate::sink::dbus::BusAddress;
use crate::support::tar::Archive;
use crate::support::{self, Part};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Put what somebody needs who is to help into one file, without passwords
///
/// In it are versions, what `doctor` and `status` say, the configuration and the ends of the logs without their secrets, the state
/// files, and with --port a recording of what goes over that port. Serial numbers and names are in it.
#[derive(Debug, Clone, Args)]
pub struct SupportArgs {
    /// The file to write, a tar archive
    #[arg(long, value_name = "FILE.tar")]
    pub to: PathBuf,
    /// Record on this port, too; nothing else may use it meanwhile
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// How long to record
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// D-Bus to look at [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// File system to look at
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
}

const README: &str = "\
What is in here, for whoever helps: versions.txt, doctor.txt (what is wrong, by its own judgement), status.json (all batteries on
D-Bus), config.toml, log/, state/, and recording.txt (`dbus-bms replay` shows it). Passwords, tokens and user names are taken out;
serial numbers and names of batteries are in here. Look before you send it: it is plain text.
";

impl SupportArgs {
    /// Collects and writes. What is missing is said in the bundle, and ends nothing.
    ///
    /// # Errors
    /// [`Failure::File`] when the bundle cannot be written.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut places = Places::here();
        if let Some(config) = &self.file.config {
            // Named by the owner, as seen from here.
            places.config = std::path::absolute(config).unwrap_or_else(|_| config.clone());
        } else if self.root != std::path::Path::new("/") {
            places = Places::of(self.root.join("data/conf").is_dir(), |name| std::env::var_os(name));
        }
        let secrets = support::secrets(&self.root, &places);
        let mut parts = vec![
            Part { path: "README.txt".to_owned(), text: README.to_owned() },
            Part { path: "versions.txt".to_owned(), text: self.versions() },
            Part { path: "doctor.txt".to_owned(), text: secrets.scrub(&self.doctor()) },
            Part { path: "status.json".to_owned(), text: secrets.scrub(&self.status()) },
        ];
        parts.extend(support::files(&self.root, &places, &secrets));
        parts.push(self.recording());
        let time = runtime::now().unix.unwrap_or_default();
        let mut archive = Archive::default();
        for part in &parts {
            archive.add(&format!("dbus-bms-support/{}", part.path), part.text.as_bytes(), time);
        }
        std::fs::write(&self.to, archive.finish()).map_err(|source| Failure::File { path: self.to.clone(), source })?;
        let names: Vec<&str> = parts.iter().map(|part| part.path.as_str()).collect();
        writeln!(out, "{}: {}", self.to.display(), names.join(", "))?;
        writeln!(
            out,
            "Passwords and tokens are taken out; serial numbers and names are in it. It is plain text: look before you send it."
        )?;
        if self.port.is_none() {
            writeln!(
                out,
                "There is no recording in it: stop the driver and name the port with --port where the BMS itself is in doubt."
            )?;
        }
        Ok(())
    }

    fn versions(&self) -> String {
        let system = rustix::system::uname();
        let venus = std::fs::read_to_string(self.root.join("opt/victronenergy/version")).unwrap_or_else(|_| "none\n".to_owned());
        format!(
            "dbus-bms {}\nLinux {} on {}\nVenus OS {}",
            env!("CARGO_PKG_VERSION"),
            system.release().to_string_lossy(),
            system.machine().to_string_lossy(),
            venus.lines().next().unwrap_or_default()
        ) + "\n"
    }

    fn doctor(&self) -> String {
        let findings = runtime::block_on(examine(&self.root, BusAddress::from_env(self.bus.as_deref())));
        let line = |finding: &crate::doctor::Finding| {
            let mark = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Note => "note",
                Verdict::Problem => "PROBLEM",
            };
            let remedy = finding.remedy.as_ref().map(|remedy| format!(" -> {remedy}")).unwrap_or_default();
            format!("{mark} {}: {}{remedy}\n", finding.topic, finding.what)
        };
        findings.map_or_else(|error| format!("{error}\n"), |findings| findings.iter().map(line).collect())
    }

    fn status(&self) -> String {
        let all = runtime::block_on(status::look(BusAddress::from_env(self.bus.as_deref())));
        match all {
            Ok(Ok(all)) => all.iter().filter_map(|battery| serde_json::to_string(battery).ok()).map(|line| line + "\n").collect(),
            Ok(Err(error)) => format!("{}\n", serde_json::json!({ "error": error.to_string() })),
            Err(error) => format!("{}\n", serde_json::json!({ "error": error.to_string() })),
        }
    }

    /// A short recording, or why there is none.
    fn recording(&self) -> Part {
        let missing = |why: String| Part { path: "no-recording.txt".to_owned(), text: why + "\n" };
        let Some(port) = &self.port else { return missing("no port was named".to_owned()) };
        let settings = self.file.load().unwrap_or_default().settings(Some(port), None);
        let opened = match open(port, &port_options(&settings)) {
            Ok(opened) => opened,
            Err(error) => return missing(format!("{error}. On a GX device end the driver first: svc -d /service/dbus-bms.*")),
        };
        let manner = Manner::Ask { interval: settings.poll_interval };
        let plan = Plan { scope: scope(&settings, None), manner, time: Duration::from_secs(self.seconds), note: None };
        log::info!("recording {port} for {} s", self.seconds);
        match until_stopped(move |stop| record(opened, &SystemClock, &plan, stop)).map_err(RunError::from) {
            Ok(recorded) => Part { path: "recording.txt".to_owned(), text: recorded.recording.text() },
            Err(error) => missing(error.to_string()),
        }
    }
}
