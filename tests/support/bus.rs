//! A private D-Bus for a test, and peers on it that share no code with the driver (python3-dbus, busctl).

use dbus_bms::dbus::BusAddress;
use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const PYTHON: &str = "/usr/bin/python3";

/// A private `dbus-daemon`, stopped on drop.
pub(crate) struct Bus {
    daemon: Option<Child>,
    folder: PathBuf,
    address: String,
}

impl Bus {
    /// Starts a daemon; tests require one, so a missing daemon fails them.
    pub(crate) fn start() -> Self {
        let mut bus = Self::prepare();
        bus.begin();
        bus
    }

    /// An address without a daemon so far.
    pub(crate) fn prepare() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("dbus-bms-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let address = format!("unix:path={}", folder.join("bus").display());
        let config = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>\
             <allow own=\"*\"/></policy></busconfig>\n"
        );
        std::fs::write(folder.join("bus.conf"), config).unwrap();
        Self { daemon: None, folder, address }
    }

    /// With this rule of a policy behind the usual ones, which allow everything; before the daemon is started.
    pub(crate) fn with_rule(self, rule: &str) -> Self {
        let file = self.folder.join("bus.conf");
        let config = std::fs::read_to_string(&file).unwrap().replace("</policy>", &format!("{rule}</policy>"));
        std::fs::write(file, config).unwrap();
        self
    }

    /// Starts the daemon, for the first time or again.
    pub(crate) fn begin(&mut self) {
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", self.folder.join("bus.conf").display()))
            .args(["--nofork", "--nopidfile", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is needed: apt install dbus");
        // It prints its address once it listens.
        let mut line = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("unix:"), "dbus-daemon did not start");
        self.daemon = Some(daemon);
    }

    /// Address for the driver.
    pub(crate) fn address(&self) -> BusAddress {
        BusAddress::resolve(Some(&self.address), |_| None).unwrap()
    }

    /// Suspends the daemon without closing connections, or resumes it.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        let daemon = rustix::process::Pid::from_child(self.daemon.as_ref().unwrap());
        rustix::process::kill_process(daemon, signal).unwrap();
    }

    /// Kills the daemon, as in a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// Makes calls and returns one reply for each.
    pub(crate) async fn calls(&self, requests: Vec<Call>) -> Vec<Json> {
        let mut command = self.python("client.py");
        command.arg("call").stdin(Stdio::piped()).stdout(Stdio::piped());
        let answers = blocking(move || {
            let mut child = command.spawn().expect("python3 is needed");
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(serde_json::to_string(&requests).unwrap().as_bytes()).unwrap();
            drop(stdin);
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "python3-dbus and python3-gi are needed");
            serde_json::from_slice::<Vec<Json>>(&output.stdout).unwrap()
        });
        answers.await
    }

    /// Makes one call and returns the reply.
    pub(crate) async fn call(&self, request: Call) -> Json {
        self.calls(vec![request]).await.remove(0)
    }

    /// Observes a service and its name.
    pub(crate) async fn watch(&self, service: &str) -> Peer {
        Peer::start(self.python("client.py"), &["watch", service]).await
    }

    /// Another owner of a name.
    pub(crate) async fn own(&self, arguments: &[&str]) -> Peer {
        Peer::start(self.python("client.py"), &[&["own"], arguments].concat()).await
    }

    /// Batteries that appear and leave, in order.
    pub(crate) async fn names(&self) -> Peer {
        Peer::start(self.python("client.py"), &["names"]).await
    }

    /// Polls the limits of these services.
    pub(crate) async fn sample(&self, services: &[&str]) -> Peer {
        Peer::start(self.python("client.py"), &[&["sample"], services].concat()).await
    }

    /// A battery of another driver, controlled by the test.
    pub(crate) async fn foreign_battery(&self, arguments: &[&str]) -> Peer {
        Peer::start(self.python("foreign_battery.py"), arguments).await
    }

    /// A settings service.
    pub(crate) async fn settings(&self, arguments: &[&str]) -> Peer {
        Peer::start(self.python("fake_settings.py"), arguments).await
    }

    /// All items of a service, path to `[signature, value]`; `None` while it is not on the bus.
    pub(crate) async fn items(&self, service: &str) -> Option<serde_json::Map<String, Json>> {
        let answer = self.call(get(service, "/", "GetItems")).await;
        let listing = answer["value"][1].as_object()?;
        Some(listing.iter().map(|(path, facts)| (path.clone(), facts[1]["Value"].clone())).collect())
    }

    /// Output of `dbus-send`.
    pub(crate) async fn dbus_send(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("dbus-send");
        command.arg(format!("--bus={}", self.address)).arg("--print-reply").args(arguments);
        let output = blocking(move || command.output().expect("dbus-send is needed: apt install dbus-bin")).await;
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// Output of `busctl`, which is independent of Victron.
    pub(crate) async fn busctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("busctl");
        command.arg(format!("--address={}", self.address)).args(arguments);
        let output = blocking(move || command.output().expect("busctl is needed: apt install systemd")).await;
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    fn python(&self, script: &str) -> Command {
        let mut command = Command::new(PYTHON);
        command.arg(format!("{}/tests/support/{script}", env!("CARGO_MANIFEST_DIR"))).env("TEST_BUS", &self.address);
        command
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A call: service, path, interface, member, signature and argument.
pub(crate) type Call = (String, String, String, String, String, Json);

/// A call of a method of Victron's interface without arguments.
pub(crate) fn get(service: &str, path: &str, member: &str) -> Call {
    let own = |text: &str| text.to_owned();
    (own(service), own(path), own("com.victronenergy.BusItem"), own(member), String::new(), Json::Null)
}

/// A write of `value`, in the form `["i", 1]`.
pub(crate) fn set(service: &str, path: &str, value: Json) -> Call {
    let own = |text: &str| text.to_owned();
    (own(service), own(path), own("com.victronenergy.BusItem"), own("SetValue"), own("v"), value)
}

/// A process on the bus that prints its events, one line of JSON each; stopped on drop.
pub(crate) struct Peer {
    child: Child,
    lines: Arc<Mutex<BufReader<ChildStdout>>>,
}

impl Peer {
    async fn start(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(BufReader::new(child.stdout.take().unwrap())));
        let mut peer = Self { child, lines };
        assert_eq!(peer.next().await, "ready", "python3-dbus and python3-gi are needed");
        peer
    }

    /// Its next event; null once it has ended.
    pub(crate) async fn next(&mut self) -> Json {
        let lines = Arc::clone(&self.lines);
        blocking(move || {
            let mut line = String::new();
            lines.lock().unwrap().read_line(&mut line).unwrap();
            serde_json::from_str(&line).unwrap_or(Json::Null)
        })
        .await
    }

    /// Sends it a command.
    pub(crate) fn tell(&mut self, what: &Json) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{what}").unwrap();
        stdin.flush().unwrap();
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for a blocking function while the service under test, on the same runtime, continues.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
