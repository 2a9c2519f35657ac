//! The half that does I/O: sends the set of frames at its period, listens to the inverter, and survives whatever happens to the
//! interface.
//!
//! Nothing here ever waits for the bus: a frame that cannot be queued is dropped, for the next set is a better one.

use super::heartbeat::{Heartbeat, News};
use super::interface::{ailment, bring_up};
use super::presence::{Presence, Say};
use super::trouble::{Kind, Trouble};
use super::{Config, Frame, Requests, Status, Told, encode};
use crate::model::{Freshness, Snapshot};
use crate::runtime::{self, now};
use crate::units::Moment;
use can_socket::tokio::CanSocket;
use can_socket::{CanData, CanFilter, CanFrame, CanId, StandardId};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long an interface that failed rests before it is opened again.
const REST: Duration = Duration::from_secs(1);
/// How long until an interface that was brought up in vain is brought up again.
const UP_AGAIN: Duration = Duration::from_secs(5);
/// Between two frames of one id, also at the end (SMA's inhibit time, with a margin).
const SHORTEST_PERIOD: Duration = Duration::from_millis(250);
/// Bytes that may wait in the socket: some twenty frames.
const SEND_BUFFER: usize = 16 * 1024;
/// What is listened to: an inverter, and another battery.
const HEARD: [u16; 4] = [0x305, 0x306, 0x307, 0x351];

/// The sender of snapshots is gone.
struct Ended;

/// What the sink holds.
struct Sink {
    interface: String,
    config: Config,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    presence: Presence,
    requests: Requests,
    /// What was said on the last fresh data.
    last: Told,
    socket: Option<CanSocket>,
    open_at: Moment,
    up_at: Moment,
    said_up: bool,
    /// When the last set began.
    began: Moment,
    heartbeat: Heartbeat,
    trouble: Trouble,
    saying: Say,
    status: watch::Sender<Status>,
}

/// Tells the inverter on `interface` of a battery until the sender of `snapshots` is dropped; then limits of 0 go out once.
/// Trouble with the interface is waited out: this never fails, and never holds anything up. `status` says how it goes.
pub async fn serve(interface: String, config: Config, snapshots: watch::Receiver<Arc<Snapshot>>, status: watch::Sender<Status>) {
    let start = now().at;
    let mut sink = Sink {
        presence: Presence::new(config.off_after, config.quiet_after),
        requests: Requests::default(),
        last: Told::default(),
        socket: None,
        open_at: start,
        up_at: start,
        said_up: false,
        began: start,
        heartbeat: Heartbeat::new(start),
        trouble: Trouble::default(),
        saying: Say::All,
        status,
        interface,
        config,
        snapshots,
    };
    sink.take_snapshot();
    let mut due = start;
    loop {
        if sink.until(due).await.is_err() || sink.send_set(due).await.is_err() {
            break;
        }
        due = next_set(due, sink.config.profile.period, now().at);
    }
    sink.say_goodbye().await;
}

/// When the next set begins: a period after the last began, but never in a hurry to make up for lost time.
fn next_set(began: Moment, period: Duration, now: Moment) -> Moment {
    let due = began.after(period);
    if now.since(due) > period / 2 { now } else { due }
}

impl Sink {
    /// Listens until `moment`.
    async fn until(&mut self, moment: Moment) -> Result<(), Ended> {
        loop {
            let Self { socket, snapshots, .. } = self;
            let heard = async {
                match socket {
                    Some(socket) => socket.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = snapshots.changed() => {
                    changed.map_err(|_| Ended)?;
                    self.take_snapshot();
                }
                () = runtime::sleep_until(moment) => {
                    // An interface that does not work is news enough, and the inverter is missed when it works again.
                    if self.socket.is_some() {
                        let news = self.heartbeat.tick(now().at);
                        self.report(news);
                    }
                    return Ok(());
                }
                heard = heard => self.take_frame(heard),
            }
        }
    }

    fn take_snapshot(&mut self) {
        let snapshot = self.snapshots.borrow_and_update().clone();
        self.presence.take(snapshot.freshness, now().at);
        self.requests = self.requests.next(&snapshot, &self.config);
        if snapshot.freshness == Freshness::Fresh {
            self.last = Told::of(&snapshot, &self.config, self.requests);
        }
    }

    fn take_frame(&mut self, heard: io::Result<CanFrame>) {
        match heard {
            Ok(frame) => {
                let news = ours(&frame).and_then(|frame| self.heartbeat.take(&frame, now().at));
                self.report(news);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn report(&self, news: Option<News>) {
        let interface = &self.interface;
        match news {
            None => {}
            Some(News::Heard(what)) => log::info!("{interface}: the inverter is heard ({what})"),
            Some(News::Missing) => {
                log::warn!(
                    "{interface}: nothing was heard from an inverter for 10 s; the battery's data goes on being sent. Check cable, termination, bit rate and `can.profile`"
                )
            }
            Some(News::OtherBattery) => log::error!(
                "{interface}: another battery sends its limits here, too; an inverter follows now one, now the other. Take one of them off this bus"
            ),
            Some(News::Error(number)) => {
                log::warn!("{interface}: the inverter reports error {number}; look it up in its manual")
            }
        }
    }

    /// Sends what is to be said now, one frame after the other.
    async fn send_set(&mut self, began: Moment) -> Result<(), Ended> {
        self.began = began;
        self.open().await;
        let frames = self.frames(began);
        let mut sent = !frames.is_empty();
        for (frame, place) in frames.iter().zip(0u32..) {
            self.until(began.after(self.config.profile.spacing * place)).await?;
            sent &= self.send(frame);
        }
        if sent && let Some(text) = self.trouble.worked(&self.interface, now().at) {
            log::info!("{text}");
        }
        self.tell_status();
        Ok(())
    }

    fn tell_status(&self) {
        let up = self.socket.is_some() && self.trouble.kind().is_none();
        let now = Status { up, heartbeat: self.heartbeat.heard(), says: self.saying };
        self.status.send_if_modified(|status| std::mem::replace(status, now) != now);
    }

    /// The frames by the age of the data.
    fn frames(&mut self, now: Moment) -> Vec<Frame> {
        let snapshot = self.snapshots.borrow().clone();
        let say = self.presence.say(snapshot.freshness, now);
        if say != self.saying {
            let interface = &self.interface;
            match say {
                Say::All => log::info!("{interface}: the battery's data is sent again"),
                Say::Off => log::warn!(
                    "{interface}: no data from the BMS; the inverter is told not to charge or discharge. Check cable and BMS"
                ),
                Say::Nothing => log::error!(
                    "{interface}: still no data from the BMS; nothing is sent any more, the inverter will stop by itself. Check cable and BMS"
                ),
            }
            self.saying = say;
        }
        match say {
            Say::All => encode(&Told::of(&snapshot, &self.config, self.requests), &self.config),
            Say::Off => self.off_frames(&snapshot),
            Say::Nothing => Vec::new(),
        }
    }

    fn off_frames(&self, snapshot: &Snapshot) -> Vec<Frame> {
        let told = Told::of(snapshot, &self.config, Requests::default()).off(&self.last);
        encode(&told, &self.config)
    }

    /// True when the frame is on its way.
    fn send(&mut self, frame: &Frame) -> bool {
        let Some(socket) = &self.socket else { return false };
        let Some(theirs) = theirs(frame) else { return false };
        match socket.try_send(&theirs) {
            Ok(()) => true,
            Err(error) => {
                self.fail(&error);
                false
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let (kind, full) = failure(ailment(&self.interface), error);
        self.say_failed(kind);
        if !full {
            self.socket = None;
            self.open_at = now().at.after(REST);
        }
    }

    fn say_failed(&mut self, kind: Kind) {
        if let Some(text) = self.trouble.failed(&self.interface, kind, now().at) {
            log::warn!("{text}");
        }
    }

    /// Opens the interface if it is not open, and brings it up if that is wanted.
    async fn open(&mut self) {
        let bus_off = self.trouble.kind() == Some(Kind::BusOff);
        if self.socket.is_some() && !bus_off || now().at < self.open_at {
            return;
        }
        self.open_at = now().at.after(REST);
        let mut wrong = ailment(&self.interface);
        if matches!(wrong, Some(Kind::Down | Kind::BusOff)) && self.config.bring_up && now().at >= self.up_at {
            self.up_at = now().at.after(UP_AGAIN);
            self.up().await;
            wrong = ailment(&self.interface);
        }
        match wrong {
            Some(kind @ (Kind::Missing | Kind::Down)) => {
                self.socket = None;
                self.say_failed(kind);
            }
            _ if self.socket.is_some() => {}
            _ => match bind(&self.interface, Some(&HEARD)) {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => self.fail(&error),
            },
        }
    }

    async fn up(&mut self) {
        let (name, bitrate) = (self.interface.clone(), self.config.bitrate);
        let done = runtime::blocking(move || bring_up(&name, bitrate)).await;
        match done {
            Ok(Ok(())) => {
                self.said_up = false;
                log::info!("{}: brought up", self.interface);
            }
            Ok(Err(error)) if !std::mem::replace(&mut self.said_up, true) => log::warn!("{}: {error}", self.interface),
            Ok(Err(_)) | Err(_) => {}
        }
    }

    /// The last that the inverter hears: limits of 0.
    async fn say_goodbye(&mut self) {
        let snapshot = self.snapshots.borrow().clone();
        let frames = self.off_frames(&snapshot);
        let begins = now().at.max(self.began.after(SHORTEST_PERIOD));
        for (frame, place) in frames.iter().zip(0u32..) {
            runtime::sleep_until(begins.after(self.config.profile.spacing * place)).await;
            self.send(frame);
        }
    }
}

/// Why a frame did not go out, and whether the queue is full, which empties without our help.
fn failure(ailment: Option<Kind>, error: &io::Error) -> (Kind, bool) {
    let full = [Errno::NOBUFS, Errno::AGAIN].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
        || error.kind() == io::ErrorKind::WouldBlock;
    (ailment.unwrap_or(if full { Kind::Full } else { Kind::Failing(error.kind()) }), full)
}

/// A socket on the interface that gets the frames with these ids; all if `None`.
fn bind(interface: &str, ids: Option<&[u16]>) -> io::Result<CanSocket> {
    let socket = CanSocket::bind(interface)?;
    if let Some(ids) = ids {
        let ids = ids.iter().filter_map(|id| StandardId::try_from(*id).ok());
        let filters: Vec<_> = ids.map(|id| CanFilter::new_standard(id).match_exact_id()).collect();
        socket.set_filters(&filters)?;
    }
    // Less would do, but a refusal is no reason not to go on.
    let _ = set_socket_send_buffer_size(&socket, SEND_BUFFER);
    Ok(socket)
}

fn ours(frame: &CanFrame) -> Option<Frame> {
    match frame.id() {
        CanId::Standard(id) => frame.data().map(|data| Frame::new(id.as_u16(), data.as_slice())),
        CanId::Extended(_) => None,
    }
}

fn theirs(frame: &Frame) -> Option<CanFrame> {
    let data = CanData::try_new(frame.bytes()).ok()?;
    Some(CanFrame::new(StandardId::try_from(frame.id()).ok()?, data))
}

/// Listens to everything on `interface`: `each` gets every frame, and `None` as often as `pause` goes by; it says whether to go
/// on.
///
/// # Errors
/// What the operating system says, of the interface above all.
pub async fn listen(interface: &str, pause: Duration, mut each: impl FnMut(Option<Frame>) -> io::Result<bool>) -> io::Result<()> {
    let socket = bind(interface, None)?;
    let mut due = now().at.after(pause);
    loop {
        let go_on = tokio::select! {
            biased;
            () = runtime::sleep_until(due) => {
                due = now().at.after(pause);
                each(None)?
            }
            heard = socket.recv() => match ours(&heard?) {
                Some(frame) => each(Some(frame))?,
                None => true,
            },
        };
        if !go_on {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody acknowledges: the controller sends the first frame again and again, the queue fills. In bus-off it takes none.
    #[test]
    fn a_bus_without_acknowledge_is_a_full_queue_and_bus_off_is_named() {
        let os = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert_eq!(failure(None, &os(Errno::NOBUFS)), (Kind::Full, true));
        assert_eq!(failure(None, &io::ErrorKind::WouldBlock.into()), (Kind::Full, true));
        assert_eq!(failure(Some(Kind::BusOff), &os(Errno::NOBUFS)), (Kind::BusOff, true), "the queue of a controller in bus-off");
        assert_eq!(failure(Some(Kind::Down), &os(Errno::NETDOWN)), (Kind::Down, false));
        assert_eq!(failure(Some(Kind::Missing), &os(Errno::NODEV)), (Kind::Missing, false));
        assert_eq!(failure(None, &os(Errno::NETDOWN)), (Kind::Failing(io::ErrorKind::NetworkDown), false));
    }

    #[test]
    fn a_late_set_is_not_made_up_for() {
        let (second, at) = (Duration::from_secs(1), Moment::from_secs);
        assert_eq!(next_set(at(5.0), second, at(5.2)), at(6.0));
        assert_eq!(next_set(at(5.0), second, at(6.3)), at(6.0), "a little late: the rhythm stays");
        assert_eq!(next_set(at(5.0), second, at(9.0)), at(9.0), "much too late: a new rhythm");
    }
}
