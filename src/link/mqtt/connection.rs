//! The connection to the broker: a separate task keeps it up, with increasing pauses between attempts. A slow or unreachable broker
//! only delays the publisher.

use super::broker::Broker;
use super::fault_text::word;
use super::intake::Intake;
use super::message::{Message, ReceivedMessage};
use crate::base::episode::{Episode, Once};
use crate::base::runtime::{self, now};
use crate::link::tls::Client;
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, NoticeFailureReason, Outgoing, Packet, PublishOptions, QoS};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Maximum messages waiting for the broker; later ones wait at their source, where newer values replace them.
const MAX_QUEUED_MESSAGES: usize = 16;
/// The first pause after a failure; it doubles each time.
const MIN_RECONNECT_PAUSE: Duration = Duration::from_secs(1);
const MAX_RECONNECT_PAUSE: Duration = Duration::from_secs(60);
/// A broker without an answer for this time is unreachable.
const KEEP_ALIVE_S: u16 = 30;
/// Timeout for connecting and for each write.
const NETWORK_TIMEOUT_S: u64 = 10;
/// Maximum packet size in both directions: an announcement has a part for each cell.
const MAX_PACKET_BYTES: (usize, usize) = (64 * 1024, 1024 * 1024);
/// Time limit for the final messages.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(800);

/// A connection that reconnects whenever it is lost. Ends when dropped.
pub(crate) struct Connection {
    client: AsyncClient,
    /// Counts connections; 0 while there is none.
    link: watch::Receiver<u32>,
    heard: mpsc::Receiver<ReceivedMessage>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Starts connecting, as `part` of this process. The broker publishes `will` when the connection breaks.
    pub(crate) fn start(broker: &Broker, part: &str, will: Option<Message>, topics: Vec<String>) -> Self {
        let mut options = MqttOptions::new(client_id(broker, part), (broker.host.clone(), broker.port()));
        options.set_keep_alive(KEEP_ALIVE_S).set_max_packet_size(MAX_PACKET_BYTES.0, MAX_PACKET_BYTES.1);
        if let Some(Message { topic, payload, retain }) = will {
            options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, retain));
        }
        let (client, mut events) = AsyncClient::builder(options).capacity(MAX_QUEUED_MESSAGES).build();
        events.network_options.set_connection_timeout(NETWORK_TIMEOUT_S);
        let (tell_link, link) = watch::channel(0);
        let (tell_heard, heard) = mpsc::channel(32);
        let task = ConnectionTask {
            broker: broker.clone(),
            events,
            client: client.clone(),
            topics,
            link: tell_link,
            heard: tell_heard,
            disconnection: Episode::default(),
            intake: Intake::default(),
            logged_flood: Once::default(),
        };
        Self { client, link, heard, task: tokio::spawn(task.keep()) }
    }

    /// The number of the present connection; 0 while there is none.
    pub(crate) fn number(&self) -> u32 {
        *self.link.borrow()
    }

    /// The next received message, or `None` if the connection was established or lost.
    pub(crate) async fn next(&mut self) -> Option<ReceivedMessage> {
        tokio::select! {
            changed = self.link.changed() => match changed {
                Ok(()) => None,
                // The task is gone: nothing more will arrive.
                Err(_) => std::future::pending().await,
            },
            heard = self.heard.recv() => match heard {
                Some(heard) => Some(heard),
                None => std::future::pending().await,
            },
        }
    }

    /// Publishes on connection `number`; false if it is gone.
    pub(crate) async fn publish(&self, message: Message, number: u32) -> bool {
        let mut link = self.link.clone();
        let quality = if message.retain { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let options = PublishOptions::new(quality).retain(message.retain);
        tokio::select! {
            biased;
            _ = link.wait_for(|now| *now != number) => false,
            sent = self.client.publish(message.topic, message.payload, options) => sent.is_ok(),
        }
    }

    /// Publishes the final messages and disconnects, within the time limit.
    pub(crate) async fn disconnect(mut self, last: Vec<Message>) {
        let number = self.number();
        let farewell = async {
            for message in last {
                if !self.publish(message, number).await {
                    return;
                }
            }
            if self.client.disconnect().await.is_ok() {
                let _ = (&mut self.task).await;
            }
        };
        if number != 0 && tokio::time::timeout(SHUTDOWN_TIMEOUT, farewell).await.is_err() {
            log::warn!("MQTT: the broker did not confirm the disconnect in time");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Random bytes as text, new at every read.
const RANDOM: &str = "/proc/sys/kernel/random/uuid";

/// The default client ID contains process and part: two clients with the same ID disconnect each other. GX devices have the same host
/// name and start the same processes, hence the random letters.
fn client_id(broker: &Broker, part: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let made = || {
        let random: String = std::fs::read_to_string(RANDOM).unwrap_or_default().chars().take(8).collect();
        format!("dbus-bms-{host}-{}-{random}", std::process::id())
    };
    let own = broker.client_id.clone().unwrap_or_else(made);
    format!("{own}{part}")
}

/// Keeps the connection up.
struct ConnectionTask {
    broker: Broker,
    events: EventLoop,
    client: AsyncClient,
    topics: Vec<String>,
    link: watch::Sender<u32>,
    heard: mpsc::Sender<ReceivedMessage>,
    /// The present time without connection, and the errors that were logged of it.
    disconnection: Episode<String>,
    intake: Intake,
    logged_flood: Once,
}

impl ConnectionTask {
    async fn keep(mut self) {
        let (mut rest, mut number) = (MIN_RECONNECT_PAUSE, 0u32);
        loop {
            let since = now().at;
            let error = match self.prepare() {
                Ok(()) => match self.stay(&mut number).await {
                    Some(error) => error,
                    None => return,
                },
                Err(text) => text,
            };
            let was_up = self.link.send_replace(0) != 0;
            self.disconnection.failed(now().at);
            if self.disconnection.is_news(error.clone()) {
                log::warn!("MQTT broker {}:{} {error}; retrying", self.broker.host, self.broker.port());
            }
            if was_up && now().at.since(since) > MAX_RECONNECT_PAUSE {
                rest = MIN_RECONNECT_PAUSE;
            }
            runtime::sleep_until(now().at.after(rest)).await;
            rest = rest.saturating_mul(2).min(MAX_RECONNECT_PAUSE);
            // Messages still waiting are outdated.
            self.events.clean();
            self.events.drain_pending_as_failed(NoticeFailureReason::SessionReset);
        }
    }

    /// Rereads the files, which may have changed.
    fn prepare(&mut self) -> Result<(), String> {
        let password = match (&self.broker.password, &self.broker.password_file) {
            (_, Some(file)) => {
                let read = std::fs::read_to_string(file);
                let text = read.map_err(|error| format!("cannot be asked: `mqtt.password_file` {}: {error}", file.display()))?;
                text.lines().next().unwrap_or_default().to_owned()
            }
            (Some(password), None) => password.reveal().to_owned(),
            (None, None) => String::new(),
        };
        if let Some(user) = &self.broker.user {
            self.events.mqtt_options.set_credentials(user.clone(), password);
        }
        if self.broker.tls {
            let client = Client::new(&self.broker.host, self.broker.tls_ca.as_deref(), self.broker.keys())?;
            self.events.mqtt_options.set_socket_connector(move |address, network| {
                let client = client.clone();
                async move { client.encrypt(rumqttc::default_socket_connect(address, network).await?).await }
            });
        }
        Ok(())
    }

    /// Whether to handle a packet; waits if too many arrived.
    async fn admit(&mut self) -> bool {
        let admission = self.intake.packet(now().at);
        if !admission.accepted && self.logged_flood.first() {
            log::warn!(
                "MQTT broker {}:{} sends far more messages than expected; the excess is dropped. Check who publishes on {}",
                self.broker.host,
                self.broker.port(),
                self.topics.join(", ")
            );
        }
        if let Some(until) = admission.rest_until {
            runtime::sleep_until(until).await;
        }
        admission.accepted
    }

    /// Connects, and runs until the connection is lost (returning the reason) or closed.
    async fn stay(&mut self, number: &mut u32) -> Option<String> {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    log::info!("MQTT broker {}:{} connected", self.broker.host, self.broker.port());
                    self.disconnection.ended(now().at);
                    for topic in &self.topics {
                        // The queue was emptied before, so there is room.
                        let _ = self.client.try_subscribe(topic.clone(), QoS::AtMostOnce);
                    }
                    *number = number.wrapping_add(1).max(1);
                    self.link.send_replace(*number);
                }
                Ok(Event::Incoming(Packet::Publish(message))) if self.admit().await => {
                    let topic = String::from_utf8_lossy(&message.topic).into_owned();
                    let heard = ReceivedMessage { topic, payload: message.payload.to_vec(), old: message.retain };
                    // A receiver that is too slow misses this one.
                    let _ = self.heard.try_send(heard);
                }
                // Acknowledgements of our own messages.
                Ok(Event::Incoming(Packet::PubAck(_) | Packet::Publish(_))) => {}
                Ok(Event::Incoming(_)) => drop(self.admit().await),
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return None,
                Ok(_) => {}
                Err(error) => return Some(word(&error, &self.broker)),
            }
        }
    }
}
