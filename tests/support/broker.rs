//! A real MQTT broker (Mosquitto) for a test, and an independent client that records messages.
#![allow(clippy::disallowed_methods, reason = "a test waits for another process in real time")]

use super::driver::{Home, wait};
use super::free_port;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once};

/// Topics that show an observer that it is subscribed.
const READY: &str = "test/ready/";

/// A message as received by an observer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// It was retained by the broker.
    pub(crate) retained: bool,
    pub(crate) topic: String,
    pub(crate) payload: String,
}

/// The broker; stopped on drop.
pub(crate) struct Broker {
    child: Option<Child>,
    folder: PathBuf,
    pub(crate) port: u16,
    /// Login of its clients.
    login: Vec<String>,
}

fn need() {
    static NEED: Once = Once::new();
    NEED.call_once(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/need.sh");
        // Mosquitto is in a folder that only root has in its path.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let status = Command::new(script)
            .args(["mosquitto=mosquitto", "mosquitto_sub=mosquitto-clients", "openssl=openssl", "python3:jinja2=python3-jinja2"])
            .env("PATH", path)
            .status()
            .unwrap();
        assert!(status.success(), "tests/need.sh");
    });
}

impl Broker {
    /// Starts a broker without access control.
    pub(crate) fn start(home: &Home) -> Self {
        Self::with(home, "allow_anonymous true\n", &[])
    }

    /// Starts a broker with one user.
    pub(crate) fn with_user(home: &Home, user: &str, password: &str) -> Self {
        need();
        let file = home.path("passwords");
        let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&file).args([user, password]).status().unwrap();
        assert!(made.success());
        let lines = format!("allow_anonymous false\npassword_file {}\n", file.display());
        Self::with(home, &lines, &["-u", user, "-P", password])
    }

    /// Starts a broker with these configuration lines; `login` are the arguments of its clients.
    pub(crate) fn with(home: &Home, lines: &str, login: &[&str]) -> Self {
        need();
        let (folder, port) = (home.path("broker"), free_port());
        std::fs::create_dir_all(&folder).unwrap();
        let owner = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
        let text = format!("{owner}listener {port} 127.0.0.1\npersistence false\n{lines}");
        std::fs::write(folder.join("mosquitto.conf"), text).unwrap();
        let mut broker = Self { child: None, folder, port, login: login.iter().map(|word| (*word).to_owned()).collect() };
        broker.begin();
        broker
    }

    /// Starts it, for the first time or again.
    pub(crate) fn begin(&mut self) {
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("mosquitto");
        command.env("PATH", path).arg("-v").arg("-c").arg(self.folder.join("mosquitto.conf"));
        self.child = Some(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let there = wait(|| TcpStream::connect(("127.0.0.1", self.port)).ok());
        assert!(there.is_some(), "{}", self.log());
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Kills it, as in a crash: it loses all state.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Suspends it without closing connections, or resumes it.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        let child = self.child.as_ref().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    }

    /// Records all messages from now on, including retained ones.
    pub(crate) fn observe(&self, topic: &str) -> Observer {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let ready = format!("{READY}{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", topic, "-t", &ready, "-F", "%r %t %p"]);
        let observer = Observer::start(command.args(&self.login));
        // Retained messages arrive before the first new one.
        let is_ready = || observer.seen.lock().unwrap().iter().any(|seen| seen.topic == ready);
        wait(|| {
            self.publish(&ready, "", false);
            is_ready().then_some(())
        })
        .expect("the observer's subscription");
        observer
    }

    /// Publishes a message.
    pub(crate) fn publish(&self, topic: &str, payload: &str, retain: bool) {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", topic, "-m", payload]).args(&self.login);
        if retain {
            command.arg("-r");
        }
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An observer.
pub(crate) struct Observer {
    child: Child,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Observer {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (seen, lines) = (Arc::<Mutex<Vec<Seen>>>::default(), BufReader::new(child.stdout.take().unwrap()));
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut words = line.splitn(3, ' ');
                let mut word = || words.next().unwrap_or_default().to_owned();
                let (retained, topic, payload) = (word() == "1", word(), word());
                all.lock().unwrap().push(Seen { retained, topic, payload });
            }
        });
        Self { child, seen }
    }

    /// All messages so far.
    pub(crate) fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|seen| !seen.topic.starts_with(READY)).cloned().collect()
    }

    /// Drops the messages received so far.
    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// Waits for a message accepted by `is_it` and returns it.
    pub(crate) fn wait_for(&self, is_it: impl Fn(&Seen) -> bool) -> Seen {
        wait(|| self.all().into_iter().find(&is_it)).unwrap_or_else(|| panic!("it never came; there was {:#?}", self.all()))
    }

    /// Waits for a message on a topic.
    pub(crate) fn wait_on(&self, topic: &str) -> Seen {
        self.wait_for(|seen| seen.topic == topic)
    }

    /// Waits for a text on a topic.
    pub(crate) fn wait_text(&self, topic: &str, payload: &str) -> Seen {
        self.wait_for(|seen| seen.topic == topic && seen.payload == payload)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Evaluates templates with Jinja, the template language of Home Assistant: `{"templates": {…}, "value_json": …}` to `{…}`.
pub(crate) fn render(work: &serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    need();
    const SCRIPT: &str = "import json, sys, jinja2\n\
        work = json.load(sys.stdin)\n\
        value = work['value_json']\n\
        out = {key: jinja2.Environment().from_string(text).render(value_json=value) for key, text in work['templates'].items()}\n\
        json.dump(out, sys.stdout)";
    let mut child =
        Command::new("/usr/bin/python3").args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), work.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
