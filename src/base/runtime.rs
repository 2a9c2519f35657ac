//! The only file with threads, clocks, sleeps and signals; everywhere else time is an argument.
#![allow(clippy::disallowed_methods, reason = "this is the file where they are allowed")]

use crate::base::time::{Clock, Now};
use crate::base::units::Moment;
use crate::base::watchdog::{EXIT_CODE, TICK, Tick, Watchdog};
use std::future::Future;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A wall clock before this (2026-01-01) is not set yet: a GX has no battery-backed clock.
const TRUSTED_FROM: u64 = 1_767_225_600;

/// The computer's monotonic clock; its origin is the first use.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::new(origin().elapsed())
    }
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The present time, with the wall clock if it can be trusted.
pub fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
    Now { at: SystemClock.now(), unix: unix.filter(|seconds| *seconds >= TRUSTED_FROM) }
}

/// Waits until `moment`; returns at once if it has passed.
pub async fn sleep_until(moment: Moment) {
    tokio::time::sleep(moment.since(SystemClock.now())).await;
}

/// Waits for this time.
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits briefly for another thread.
pub fn wait_briefly() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Runs a future on the program's event loop.
///
/// # Errors
/// The operating system refuses an event loop.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
    let output = runtime.block_on(future);
    // Do not wait for threads that are blocked on a silent BMS.
    runtime.shutdown_background();
    Ok(output)
}

/// An event loop for blocking code: it runs only while the owner waits in it. Not to be used inside another event loop.
#[derive(Debug)]
pub struct LocalRuntime(tokio::runtime::Runtime);

impl LocalRuntime {
    /// A new event loop.
    ///
    /// # Errors
    /// The operating system refuses an event loop.
    pub fn new() -> io::Result<Self> {
        Ok(Self(tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build()?))
    }

    /// Runs a future for at most this time; `None` if it takes longer.
    pub fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        self.0.block_on(async { tokio::time::timeout(limit, future).await.ok() })
    }
}

/// Runs the blocking `body` beside the event loop and waits for its result.
///
/// # Errors
/// The operating system refuses a thread.
pub async fn blocking<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(body).await.map_err(io::Error::other)
}

/// Starts a thread that ends with the process.
///
/// # Errors
/// The operating system refuses a thread.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    // The default of 2 MB wastes address space on a 32-bit device.
    std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(body).map(drop)
}

/// Monitors the loops of the program from a separate thread, and exits with [`EXIT_CODE`] if one of them hangs. Notifies systemd's
/// watchdog, if configured (`WatchdogSec`).
///
/// # Errors
/// The operating system refuses a thread.
pub fn start(watchdog: Arc<Watchdog>) -> io::Result<()> {
    let supervisor = Supervisor::from_env();
    spawn("watchdog", move || {
        loop {
            match watchdog.tick() {
                Tick::AllTurn => supervisor.iter().for_each(Supervisor::tell),
                Tick::InDoubt => {}
                Tick::Stands(name) => end(&name),
            }
            std::thread::sleep(TICK);
        }
    })
}

/// Exits at once: a hanging loop cannot shut down cleanly.
fn end(name: &str) -> ! {
    let text = format!("{name} hangs: the driver ends, to be restarted. Report it if this recurs");
    // In another thread: the log itself may hang.
    let _ = spawn("final log", move || log::error!("{text}"));
    std::thread::sleep(Duration::from_secs(1));
    std::process::exit(i32::from(EXIT_CODE))
}

/// systemd's notification socket, see sd_notify(3).
#[derive(Debug)]
struct Supervisor {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Supervisor {
    /// The supervisor of this process, if there is one.
    fn from_env() -> Option<Self> {
        std::env::var_os("WATCHDOG_USEC")?;
        let other = std::env::var("WATCHDOG_PID").is_ok_and(|pid| pid.parse() != Ok(std::process::id()));
        let name = std::env::var("NOTIFY_SOCKET").ok().filter(|_| !other)?;
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&name),
        };
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        Some(Self { socket, address: address.ok()? })
    }

    fn tell(&self) {
        // A lost notification is followed by others.
        let _ = self.socket.send_to_addr(b"WATCHDOG=1", &self.address);
    }
}

/// SIGTERM, SIGINT and SIGHUP: a request to stop, or the controlling terminal is gone.
#[derive(Debug)]
pub struct StopSignals {
    term: Signal,
    int: Signal,
    /// `None` if SIGHUP is ignored from the start, as with `nohup`.
    hup: Option<Signal>,
}

impl StopSignals {
    /// Handles these signals from now on.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn new() -> io::Result<Self> {
        // Before the first handler is installed: later the kernel no longer shows the original setting.
        static OUTLIVES_TERMINAL: OnceLock<bool> = OnceLock::new();
        let hup = if *OUTLIVES_TERMINAL.get_or_init(ignores_hangup) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())?, hup })
    }

    /// Waits for a signal and returns its name.
    pub async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
            () = hangup(&mut self.hup) => "SIGHUP",
        }
    }
}

async fn hangup(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether this process was started with SIGHUP ignored; see `SigIgn` in proc(5).
fn ignores_hangup() -> bool {
    const SIGHUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & SIGHUP != 0)
}

/// Runs `body` until it ends, or soon after a signal has set its flag.
///
/// # Errors
/// The operating system refuses an event loop or signals.
pub fn until_stopped<T: Send + 'static>(body: impl FnOnce(&'static AtomicBool) -> T + Send + 'static) -> io::Result<T> {
    static STOP: AtomicBool = AtomicBool::new(false);
    block_on(async {
        let mut signals = StopSignals::new()?;
        let mut task = tokio::task::spawn_blocking(move || body(&STOP));
        let ended = tokio::select! {
            ended = &mut task => ended,
            _ = signals.recv() => {
                STOP.store(true, Ordering::Relaxed);
                task.await
            }
        };
        ended.map_err(io::Error::other)
    })?
}
