//! The program as a process with its own home folder.
#![allow(clippy::disallowed_methods, reason = "a test waits for another process in real time")]

use super::bus::{Bus, Peer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value as Json};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than any operation takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder for one test: configuration, state and device nodes. Removed on drop.
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("dbus-bms-home-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("dbus-bms")).unwrap();
        Self(folder)
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes the default configuration file of the program.
    pub(crate) fn configure(&self, text: &str) -> &Self {
        std::fs::write(self.path("dbus-bms/config.toml"), text).unwrap();
        self
    }

    /// A state file, once it exists.
    pub(crate) fn state(&self, name: &str) -> Option<Json> {
        serde_json::from_str(&std::fs::read_to_string(self.path("dbus-bms").join(name)).ok()?).ok()
    }

    /// The program with this home and no bus.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dbus-bms"));
        command.args(arguments).stdin(Stdio::null()).env_clear();
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
            command.env(name, &self.0);
        }
        // Two tests with the same simulated serial number must not share locks.
        command.env("RUNTIME_DIRECTORY", self.path("run"));
        command
    }

    /// Starts it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Driver {
        Driver::start(self.command(arguments))
    }

    /// `run PORT` on `bus`, with further arguments.
    pub(crate) fn run(&self, bus: &Bus, port: &str, arguments: &[&str]) -> Driver {
        let address = bus.address().to_string();
        self.start(&[&["run", port, "--bus", &address], arguments].concat())
    }

    /// The same as an unprivileged user; the program must be readable for all.
    pub(crate) fn start_as_nobody(&self, arguments: &[&str]) -> Driver {
        const NOBODY: u32 = 65_534;
        if !rustix::process::geteuid().is_root() {
            return Driver::start(self.command(arguments));
        }
        // A copy, because only root may have access to the build folder.
        let program = self.path("program");
        if !program.exists() {
            std::fs::copy(env!("CARGO_BIN_EXE_dbus-bms"), &program).unwrap();
        }
        let mut command = self.command(arguments);
        let environment: Vec<_> =
            command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).env_clear().envs(environment).uid(NOBODY).gid(NOBODY);
        Driver::start(command)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The running program; killed on drop.
pub(crate) struct Driver {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    output: Arc<Mutex<Vec<String>>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    started: Instant,
}

/// Result of the program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Standard error, line by line.
    pub(crate) log: Vec<String>,
    pub(crate) output: Vec<String>,
    /// Time from start to end.
    pub(crate) after: Duration,
}

impl Ended {
    /// The exit code is `code`, and the last line is a sentence that contains all of `words`.
    pub(crate) fn assert(&self, code: i32, words: &[&str]) -> &Self {
        let last = self.log.last().map(String::as_str).unwrap_or_default();
        assert!(self.code == Some(code) && words.iter().all(|word| last.contains(word)), "not {code} with {words:?}: {self:#?}");
        assert!(!self.log.iter().any(|line| line.contains("panicked")), "{self:#?}");
        self
    }
}

impl Driver {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (log, output) = (Arc::default(), Arc::default());
        let readers = vec![collect(child.stderr.take().unwrap(), &log), collect(child.stdout.take().unwrap(), &output)];
        Self { child, log, output, readers, started: Instant::now() }
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Its output so far.
    pub(crate) fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    /// Waits for a log line that contains `words`.
    pub(crate) fn wait_for_log(&self, words: &str) -> String {
        let line = wait(|| self.log().into_iter().find(|line| line.contains(words)));
        line.unwrap_or_else(|| panic!("no {words:?} in the log: {:#?}", self.log()))
    }

    /// Time since its start.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let status = wait(|| self.child.try_wait().unwrap()).unwrap_or_else(|| panic!("it runs on: {:#?}", self.log()));
        let after = self.started.elapsed();
        for reader in std::mem::take(&mut self.readers) {
            reader.join().unwrap();
        }
        let output = self.output.lock().unwrap().clone();
        Ended { code: status.code(), log: self.log(), output, after }
    }

    /// Sends it a signal; it must exit with code 0.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.end();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl std::io::Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> std::thread::JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}

/// Polls until there is a result, or the timeout expires.
pub(crate) fn wait<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(seen) = look() {
            return Some(seen);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Waits until the path exists or no longer does.
pub(crate) fn wait_for_path(path: &Path, there: bool) {
    wait(|| (path.exists() == there).then_some(())).expect("the path in time");
}

/// Events of an observing peer, up to and including the first accepted by `is_it`.
pub(crate) async fn until(peer: &mut Peer, is_it: impl Fn(&Json) -> bool) -> Vec<Json> {
    let (mut seen, start) = (Vec::new(), Instant::now());
    loop {
        let next = tokio::time::timeout(PATIENCE, peer.next()).await;
        let Ok(next) = next else { panic!("it never came; there was {seen:#?}") };
        assert!(!next.is_null(), "the watching peer is gone; there was {seen:#?}");
        // Other events may come forever.
        assert!(start.elapsed() < 6 * PATIENCE, "it never came; the last was {next:#}");
        seen.push(next);
        if seen.last().is_some_and(&is_it) {
            return seen;
        }
    }
}

/// The items of a service, once they match.
pub(crate) async fn items_once(bus: &Bus, service: &str, wanted: impl Fn(&Map<String, Json>) -> bool) -> Map<String, Json> {
    let start = Instant::now();
    loop {
        let seen = bus.items(service).await;
        if let Some(items) = seen.clone().filter(&wanted) {
            return items;
        }
        assert!(start.elapsed() < 3 * PATIENCE, "{service} is {seen:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A name has appeared (with its items) or was released.
pub(crate) fn owner(there: bool) -> impl Fn(&Json) -> bool {
    move |event| event["owner"] == Json::Bool(there)
}

/// The last value of `path` in `events`, as `[signature, value]`: of a change, or what the name came with.
pub(crate) fn last_value<'a>(events: &'a [Json], path: &str) -> Option<&'a Json> {
    let value = |event: &'a Json| event["changed"].get(path).map(|change| &change["Value"]).or_else(|| event["items"].get(path));
    events.iter().rev().find_map(value)
}
