//! The I/O half: sends the set of frames periodically, listens to the inverter, and survives any fault of the interface.
//!
//! Nothing here waits for the bus: a frame that cannot be queued is dropped, because the next set is newer.

use super::data_age::Transmission;
use super::fault_log::{FaultLog, SendFault};
use super::feed::Feed;
use super::heartbeat::{Heartbeat, News};
use super::interface::bring_up;
use super::{Config, Frame, Status, encode};
use crate::base::episode::Once;
use crate::base::runtime::{self, now};
use crate::base::units::Moment;
use crate::bms::can::Record;
use crate::link::can::{CanFault, fault, is_queue_full, received, to_send};
use crate::model::Snapshot;
use can_socket::tokio::CanSocket;
use can_socket::{CanFilter, CanFrame, StandardId};
use rustix::net::sockopt::set_socket_send_buffer_size;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pause before a failed interface is reopened.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);
/// Pause before the next attempt to bring an interface up.
const BRING_UP_INTERVAL: Duration = Duration::from_secs(5);
/// Minimum time between two frames with the same id, also at the end (SMA's inhibit time, with a margin).
const MIN_FRAME_INTERVAL: Duration = Duration::from_millis(250);
/// Size of the socket's send buffer, bytes: about twenty frames.
const SEND_BUFFER_BYTES: usize = 16 * 1024;
/// Received ids: those of an inverter and of another battery. Ids of 29 bits with the same number pass, too.
const RECEIVED_IDS: [u16; 7] = [0x300, 0x301, 0x305, 0x306, 0x307, 0x311, 0x351];

/// The sender of snapshots is gone.
struct Ended;

/// State of the output.
struct CanSender {
    interface: String,
    feed: Feed,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    socket: Option<CanSocket>,
    open_at: Moment,
    up_at: Moment,
    logged_bring_up: Once,
    logged_voltage: Once,
    /// Start of the last set.
    began: Moment,
    heartbeat: Heartbeat,
    fault_log: FaultLog,
    transmission: Transmission,
    status: watch::Sender<Status>,
}

/// Sends a battery's data to the inverter on `interface` until the sender of `snapshots` is dropped; then sends limits of 0 once.
/// Waits out faults of the interface: never fails and never blocks. `status` receives its state.
pub async fn serve(interface: String, config: Config, snapshots: watch::Receiver<Arc<Snapshot>>, status: watch::Sender<Status>) {
    let start = now().at;
    let mut sender = CanSender {
        feed: Feed::new(config),
        socket: None,
        open_at: start,
        up_at: start,
        logged_bring_up: Once::default(),
        logged_voltage: Once::default(),
        began: start,
        heartbeat: Heartbeat::new(start),
        fault_log: FaultLog::default(),
        transmission: Transmission::Full,
        status,
        interface,
        snapshots,
    };
    sender.take_snapshot();
    let mut due = start;
    loop {
        if sender.until(due).await.is_err() || sender.send_set(due).await.is_err() {
            break;
        }
        due = next_set(due, sender.feed.config.profile.period, now().at);
    }
    sender.send_zero_limits().await;
}

/// Start of the next set: a period after the last one, without catching up on lost time.
fn next_set(began: Moment, period: Duration, now: Moment) -> Moment {
    let due = began.after(period);
    if now.since(due) > period / 2 { now } else { due }
}

impl CanSender {
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
                    // A faulty interface is already logged; the inverter's absence counts once it works again.
                    if self.socket.is_some() {
                        // Some inverters answer measured values only, which are not sent without fresh data.
                        let news = self.heartbeat.tick(now().at, self.transmission == Transmission::Full);
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
        self.feed.observe(&snapshot, now().at);
    }

    fn take_frame(&mut self, heard: io::Result<CanFrame>) {
        match heard {
            Ok(frame) => {
                let news = received(&frame).and_then(|frame| self.heartbeat.receive(&frame, now().at));
                self.report(news);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn report(&self, news: Option<News>) {
        let interface = &self.interface;
        match news {
            None => {}
            Some(News::Heard(what)) => log::info!("{interface}: inverter detected ({what})"),
            Some(News::Missing) => {
                log::warn!(
                    "{interface}: no frame from an inverter for 10 s; still sending battery data. Check cable, termination, bit rate and `can.profile`"
                )
            }
            Some(News::OtherBattery) => log::error!(
                "{interface}: another battery sends limits on this bus; the inverter would alternate between both. Remove one of them from the bus"
            ),
            Some(News::OtherBatteryGone) => log::info!("{interface}: the other battery no longer sends"),
            Some(News::ShutdownRequest) => log::warn!(
                "{interface}: the inverter asks the battery to shut down (0x300), which this driver does not do; see why the inverter asks"
            ),
            Some(News::Error(number)) => {
                log::warn!("{interface}: the inverter reports error {number}; see its manual")
            }
        }
    }

    /// Sends the present set, frame by frame.
    async fn send_set(&mut self, began: Moment) -> Result<(), Ended> {
        self.began = began;
        self.open().await;
        let frames = self.frames(began);
        let mut sent = !frames.is_empty();
        for (frame, place) in frames.iter().zip(0u32..) {
            self.until(began.after(self.feed.config.profile.spacing * place)).await?;
            sent &= self.send(frame);
        }
        if sent && let Some(text) = self.fault_log.succeeded(&self.interface, now().at) {
            log::info!("{text}");
        }
        self.tell_status();
        Ok(())
    }

    fn tell_status(&self) {
        let up = self.socket.is_some() && self.fault_log.fault().is_none();
        let now = Status { up, heartbeat: self.heartbeat.heard(), transmission: self.transmission };
        self.status.send_if_modified(|status| std::mem::replace(status, now) != now);
    }

    /// The frames for the age of the data.
    fn frames(&mut self, now: Moment) -> Vec<Frame> {
        let snapshot = self.snapshots.borrow().clone();
        let wanted = self.feed.transmission(&snapshot, now);
        if wanted != self.transmission {
            let interface = &self.interface;
            match wanted {
                Transmission::Full => log::info!("{interface}: sending battery data again"),
                Transmission::ZeroLimits => log::warn!(
                    "{interface}: no data from the BMS; telling the inverter not to charge or discharge. Check cable and BMS"
                ),
                Transmission::Silent => log::error!(
                    "{interface}: still no data from the BMS; transmission stopped, so that the inverter shuts down by its own timeout. Check cable and BMS"
                ),
            }
            self.transmission = wanted;
        }
        let data = self.feed.data(&snapshot, wanted);
        let frames = data.map_or_else(Vec::new, |data| encode(&data, &self.feed.config));
        if !frames.is_empty() || wanted == Transmission::Silent {
            self.logged_voltage.reset();
        } else if self.logged_voltage.first() {
            log::error!(
                "{}: a charge voltage limit of {} is no battery's; nothing is sent, so that the inverter shuts down by its own timeout. Check the number of cells",
                self.interface,
                snapshot.limits.cvl.value
            );
        }
        frames
    }

    /// True if the frame was queued.
    fn send(&mut self, frame: &Frame) -> bool {
        let Some(socket) = &self.socket else { return false };
        let Some(theirs) = to_send(&Record::from(*frame)) else { return false };
        match socket.try_send(&theirs) {
            Ok(()) => true,
            Err(error) => {
                self.fail(&error);
                false
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let (fault, full) = send_fault(fault(&self.interface), error);
        self.say_failed(fault);
        if !full {
            self.socket = None;
            self.open_at = now().at.after(REOPEN_PAUSE);
        }
    }

    fn say_failed(&mut self, fault: SendFault) {
        if let Some(text) = self.fault_log.failed(&self.interface, fault, now().at) {
            log::warn!("{text}");
        }
    }

    /// Opens the interface if needed, and brings it up if configured.
    async fn open(&mut self) {
        let bus_off = self.fault_log.fault() == Some(SendFault::Interface(CanFault::BusOff));
        if self.socket.is_some() && !bus_off || now().at < self.open_at {
            return;
        }
        self.open_at = now().at.after(REOPEN_PAUSE);
        let mut wrong = fault(&self.interface);
        if matches!(wrong, Some(CanFault::Down | CanFault::BusOff)) && self.feed.config.bring_up && now().at >= self.up_at {
            self.up_at = now().at.after(BRING_UP_INTERVAL);
            self.up().await;
            wrong = fault(&self.interface);
        }
        match wrong {
            Some(fault @ (CanFault::Missing | CanFault::Down)) => {
                self.socket = None;
                self.say_failed(SendFault::Interface(fault));
            }
            _ if self.socket.is_some() => {}
            _ => match bind(&self.interface, Some(&RECEIVED_IDS)) {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => self.fail(&error),
            },
        }
    }

    async fn up(&mut self) {
        let (name, bitrate) = (self.interface.clone(), self.feed.config.bitrate);
        let done = runtime::blocking(move || bring_up(&name, bitrate)).await;
        match done {
            Ok(Ok(())) => {
                self.logged_bring_up.reset();
                log::info!("{}: brought up", self.interface);
            }
            Ok(Err(error)) if self.logged_bring_up.first() => log::warn!("{}: {error}", self.interface),
            Ok(Err(_)) | Err(_) => {}
        }
    }

    /// Sends the final set, with limits of 0.
    async fn send_zero_limits(&mut self) {
        let snapshot = self.snapshots.borrow().clone();
        let frames = encode(&self.feed.zero_limits(&snapshot), &self.feed.config);
        let begins = now().at.max(self.began.after(MIN_FRAME_INTERVAL));
        for (frame, place) in frames.iter().zip(0u32..) {
            runtime::sleep_until(begins.after(self.feed.config.profile.spacing * place)).await;
            self.send(frame);
        }
    }
}

/// Why a frame was not sent; a full queue recovers without reopening.
fn send_fault(interface: Option<CanFault>, error: &io::Error) -> (SendFault, bool) {
    let full = is_queue_full(error) || error.kind() == io::ErrorKind::WouldBlock;
    let fault = match interface {
        Some(fault) => SendFault::Interface(fault),
        None if full => SendFault::Full,
        None => SendFault::Failing(error.kind()),
    };
    (fault, full)
}

/// A socket on the interface that receives frames with these ids; all if `None`.
fn bind(interface: &str, ids: Option<&[u16]>) -> io::Result<CanSocket> {
    let socket = CanSocket::bind(interface)?;
    if let Some(ids) = ids {
        // Of either length: some gateways send these ids with 29 bits.
        let ids = ids.iter().filter_map(|id| StandardId::try_from(*id).ok());
        let filters: Vec<_> = ids.map(|id| CanFilter::new_standard(id).match_id_value()).collect();
        socket.set_filters(&filters)?;
    }
    // Best effort: the default size also works.
    let _ = set_socket_send_buffer_size(&socket, SEND_BUFFER_BYTES);
    Ok(socket)
}

/// Listens to all frames on `interface`: calls `each` with every frame, and with `None` every `pause`, until it returns false.
///
/// # Errors
/// Error of the operating system, mostly about the interface.
pub async fn listen(interface: &str, pause: Duration, mut each: impl FnMut(Option<Record>) -> io::Result<bool>) -> io::Result<()> {
    let socket = bind(interface, None)?;
    let mut due = now().at.after(pause);
    loop {
        let go_on = tokio::select! {
            biased;
            () = runtime::sleep_until(due) => {
                due = now().at.after(pause);
                each(None)?
            }
            heard = socket.recv() => match received(&heard?) {
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
    use rustix::io::Errno;

    /// Without acknowledge the controller repeats the first frame and the queue fills up. In bus-off it sends none.
    #[test]
    fn a_bus_without_acknowledge_is_a_full_queue_and_bus_off_is_named() {
        let os = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert_eq!(send_fault(None, &os(Errno::NOBUFS)), (SendFault::Full, true));
        assert_eq!(send_fault(None, &io::ErrorKind::WouldBlock.into()), (SendFault::Full, true));
        assert_eq!(
            send_fault(Some(CanFault::BusOff), &os(Errno::NOBUFS)),
            (SendFault::Interface(CanFault::BusOff), true),
            "the queue of a controller in bus-off"
        );
        assert_eq!(send_fault(Some(CanFault::Down), &os(Errno::NETDOWN)), (SendFault::Interface(CanFault::Down), false));
        assert_eq!(send_fault(Some(CanFault::Missing), &os(Errno::NODEV)), (SendFault::Interface(CanFault::Missing), false));
        assert_eq!(send_fault(None, &os(Errno::NETDOWN)), (SendFault::Failing(io::ErrorKind::NetworkDown), false));
    }

    #[test]
    fn a_late_set_is_not_made_up_for() {
        let (second, at) = (Duration::from_secs(1), Moment::from_secs);
        assert_eq!(next_set(at(5.0), second, at(5.2)), at(6.0));
        assert_eq!(next_set(at(5.0), second, at(6.3)), at(6.0), "a little late: the rhythm stays");
        assert_eq!(next_set(at(5.0), second, at(9.0)), at(9.0), "much too late: a new rhythm");
    }
}
