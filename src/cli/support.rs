//! `support --to FILE.tar`: collects a bundle for a helper.

use super::options::ConfigFile;
use super::{Failure, status};
use crate::base::runtime::{self, SystemClock, until_stopped};
use crate::base::version::VERSION;
use crate::config::Paths;
use crate::dbus::BusAddress;
use crate::link::open;
use crate::service::{RunError, port_options, scope};
use crate::tools::doctor::{Severity, examine};
use crate::tools::record_session::{RecordMode, RecordPlan, record};
use crate::tools::support::tar::Archive;
use crate::tools::support::{self, BundleFile};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Collect a support bundle (logs, state, configuration) with secrets removed
///
/// The bundle contains versions, the output of `doctor` and `status`, the configuration and the ends of the logs without secrets,
/// the state files, and with --port a recording of that port. Serial numbers and names are included.
#[derive(Debug, Clone, Args)]
pub struct SupportArgs {
    /// The file to write, a tar archive
    #[arg(long, value_name = "FILE.tar")]
    pub to: PathBuf,
    /// Also record on this port; no other program may use it meanwhile
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// Duration of the recording in seconds
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// D-Bus to use [default: session if DBUS_SESSION_BUS_ADDRESS is set, else system]
    #[arg(long, value_name = "system|session|ADDRESS")]
    pub bus: Option<String>,
    /// Root of the file system to check
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Configuration file.
    #[command(flatten)]
    pub file: ConfigFile,
}

const README: &str = "\
Support bundle of dbus-bms: versions.txt, doctor.txt (problems that the driver found), status.json (all batteries on D-Bus),
config.toml, log/, state/, flight-recorder/ (what happened at an alarm) and recording.txt (view these and the bundle itself with
`dbus-bms replay`). Passwords, tokens and user names are removed;
serial numbers and battery names are included. It is all plain text: review it before you send it.
";

impl SupportArgs {
    /// Collects and writes the bundle. The bundle names what is missing; missing parts do not fail the command.
    ///
    /// # Errors
    /// [`Failure::File`] if the bundle cannot be written.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let mut paths = Paths::detect();
        if let Some(config) = &self.file.config {
            // A path given by the owner is relative to here, not to the root.
            paths.config = std::path::absolute(config).unwrap_or_else(|_| config.clone());
        } else if self.root != std::path::Path::new("/") {
            paths = Paths::of(self.root.join("data/conf").is_dir(), |name| std::env::var_os(name));
        }
        let secrets = support::secrets(&self.root, &paths);
        let mut parts = vec![
            BundleFile { path: "README.txt".to_owned(), text: README.to_owned() },
            BundleFile { path: "versions.txt".to_owned(), text: self.versions() },
            BundleFile { path: "doctor.txt".to_owned(), text: secrets.scrub(&self.doctor()) },
            BundleFile { path: "status.json".to_owned(), text: secrets.scrub(&self.status()) },
        ];
        parts.extend(support::files(&self.root, &paths, &secrets));
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
            "Passwords and tokens are removed; serial numbers and names are included. It is plain text: review it before you send it."
        )?;
        if self.port.is_none() {
            writeln!(out, "It contains no recording of now: if the BMS itself is in doubt, stop the driver and add --port PORT.")?;
        }
        Ok(())
    }

    fn versions(&self) -> String {
        let system = rustix::system::uname();
        let venus = std::fs::read_to_string(self.root.join("opt/victronenergy/version")).unwrap_or_else(|_| "none\n".to_owned());
        format!(
            "dbus-bms {}\nLinux {} on {}\nVenus OS {}",
            VERSION.as_str(),
            system.release().to_string_lossy(),
            system.machine().to_string_lossy(),
            venus.lines().next().unwrap_or_default()
        ) + "\n"
    }

    fn doctor(&self) -> String {
        let findings = runtime::block_on(examine(&self.root, BusAddress::from_env(self.bus.as_deref())));
        let line = |finding: &crate::tools::doctor::Finding| {
            let mark = match finding.verdict {
                Severity::Ok => "ok",
                Severity::Note => "note",
                Severity::Problem => "PROBLEM",
            };
            let remedy = finding.remedy.as_ref().map(|remedy| format!(" -> {remedy}")).unwrap_or_default();
            format!("{mark} {}: {}{remedy}\n", finding.topic, finding.what)
        };
        findings.map_or_else(|error| format!("{error}\n"), |findings| findings.iter().map(line).collect())
    }

    fn status(&self) -> String {
        let all = runtime::block_on(status::read_batteries(BusAddress::from_env(self.bus.as_deref())));
        match all {
            Ok(Ok(all)) => all.iter().filter_map(|battery| serde_json::to_string(battery).ok()).map(|line| line + "\n").collect(),
            Ok(Err(error)) => format!("{}\n", serde_json::json!({ "error": error.to_string() })),
            Err(error) => format!("{}\n", serde_json::json!({ "error": error.to_string() })),
        }
    }

    /// A short recording, or the reason why there is none.
    fn recording(&self) -> BundleFile {
        let missing = |why: String| BundleFile { path: "no-recording.txt".to_owned(), text: why + "\n" };
        let Some(port) = &self.port else { return missing("no --port given".to_owned()) };
        let settings = self.file.load().unwrap_or_default().settings(Some(port), None);
        let opened = match open(port, &port_options(&settings)) {
            Ok(opened) => opened,
            Err(error) => return missing(format!("{error}. On a GX device stop the driver first: svc -d /service/dbus-bms.*")),
        };
        let mode = RecordMode::Ask { interval: settings.poll_interval };
        let plan = RecordPlan { scope: scope(port, &settings, None), mode, time: Duration::from_secs(self.seconds), note: None };
        log::info!("recording {port} for {} s", self.seconds);
        match until_stopped(move |stop| record(opened, &SystemClock, &plan, stop)).map_err(RunError::from) {
            Ok(recorded) => BundleFile { path: "recording.txt".to_owned(), text: recorded.recording.text() },
            Err(error) => missing(error.to_string()),
        }
    }
}
