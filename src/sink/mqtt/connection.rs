//! The connection to the broker: kept up by a task of its own, which waits longer and longer while it fails. A broker that is
//! slow or away holds up nobody but the one who publishes.

use super::config::Config;
use super::message::{Message, availability};
use super::tls;
use super::trouble::{Trouble, word};
use crate::runtime::{self, now};
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Messages that may wait for the broker; what comes after them waits at its source, where newer values replace it.
const WAITING: usize = 16;
/// The first rest after a failure; each further one is twice as long.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// A broker that does not answer for this long is away.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Time for connecting, and for each write.
const PATIENCE_S: u64 = 10;
/// Largest packet that is taken, and that is sent: an announcement has a part for each cell.
const LARGEST: (usize, usize) = (64 * 1024, 1024 * 1024);
/// Time for the last words.
const FAREWELL: Duration = Duration::from_millis(800);

/// A message that came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// It waited at the broker for us, who knows how long.
    pub(crate) old: bool,
}

/// A connection that comes back whenever it is lost. It ends when dropped.
pub(crate) struct Connection {
    client: AsyncClient,
    /// Counts connections; 0 while there is none.
    link: watch::Receiver<u32>,
    heard: mpsc::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Begins to connect, as `part` of this process. `will` is the topic that says whether we are there.
    pub(crate) fn start(config: &Config, part: &str, will: Option<String>, topics: Vec<String>) -> Self {
        let mut options = MqttOptions::new(client_id(config, part), config.host.clone(), config.port());
        options.set_keep_alive(KEEP_ALIVE).set_max_packet_size(LARGEST.0, LARGEST.1);
        if let Some(topic) = will {
            options.set_last_will(LastWill::new(topic, availability(false), QoS::AtLeastOnce, true));
        }
        let (client, mut events) = AsyncClient::new(options, WAITING);
        events.network_options.set_connection_timeout(PATIENCE_S);
        let (tell_link, link) = watch::channel(0);
        let (tell_heard, heard) = mpsc::channel(32);
        let keeper = Keeper {
            config: config.clone(),
            events,
            client: client.clone(),
            topics,
            link: tell_link,
            heard: tell_heard,
            trouble: Trouble::default(),
        };
        Self { client, link, heard, task: tokio::spawn(keeper.keep()) }
    }

    /// The number of the connection that stands; 0 while there is none.
    pub(crate) fn number(&self) -> u32 {
        *self.link.borrow()
    }

    /// The next message that came, or `None` when the connection has come up or gone.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        tokio::select! {
            changed = self.link.changed() => match changed {
                Ok(()) => None,
                // The keeper is gone: nothing will come any more.
                Err(_) => std::future::pending().await,
            },
            heard = self.heard.recv() => match heard {
                Some(heard) => Some(heard),
                None => std::future::pending().await,
            },
        }
    }

    /// Publishes on connection `number`; false when that is gone.
    pub(crate) async fn publish(&self, message: Message, number: u32) -> bool {
        let mut link = self.link.clone();
        let quality = if message.retain { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        tokio::select! {
            biased;
            _ = link.wait_for(|now| *now != number) => false,
            sent = self.client.publish(message.topic, quality, message.retain, message.payload) => sent.is_ok(),
        }
    }

    /// Says the last words and leaves the broker, if it takes them in time.
    pub(crate) async fn leave(mut self, last: Vec<Message>) {
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
        if number != 0 && tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            log::warn!("MQTT: the broker did not take the goodbye in time");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Two clients of one name throw each other out, so process and part are in it.
fn client_id(config: &Config, part: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let own = config.client_id.clone().unwrap_or_else(|| format!("dbus-bms-{host}-{}", std::process::id()));
    format!("{own}{part}")
}

/// What keeps the connection up.
struct Keeper {
    config: Config,
    events: EventLoop,
    client: AsyncClient,
    topics: Vec<String>,
    link: watch::Sender<u32>,
    heard: mpsc::Sender<Heard>,
    trouble: Trouble,
}

impl Keeper {
    async fn keep(mut self) {
        let (mut rest, mut number) = (SHORTEST_REST, 0u32);
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
            if let Some(text) = self.trouble.failed(&error) {
                log::warn!("MQTT broker {}:{} {text}", self.config.host, self.config.port());
            }
            if was_up && now().at.since(since) > LONGEST_REST {
                rest = SHORTEST_REST;
            }
            runtime::sleep_until(now().at.after(rest)).await;
            rest = rest.saturating_mul(2).min(LONGEST_REST);
            // What was still waiting is old by now.
            self.events.clean();
            self.events.pending.clear();
        }
    }

    /// Takes what may have changed from its files.
    fn prepare(&mut self) -> Result<(), String> {
        let password = match (&self.config.password, &self.config.password_file) {
            (_, Some(file)) => {
                let read = std::fs::read_to_string(file);
                let text = read.map_err(|error| format!("cannot be asked: `mqtt.password_file` {}: {error}", file.display()))?;
                text.lines().next().unwrap_or_default().to_owned()
            }
            (Some(password), None) => password.reveal().to_owned(),
            (None, None) => String::new(),
        };
        if let Some(user) = &self.config.user {
            self.events.mqtt_options.set_credentials(user.clone(), password);
        }
        if self.config.tls {
            self.events.mqtt_options.set_transport(tls::transport(self.config.tls_ca.as_deref())?);
        }
        Ok(())
    }

    /// Connects and stays until the connection is lost (and why) or left.
    async fn stay(&mut self, number: &mut u32) -> Option<String> {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    log::info!("MQTT broker {}:{} connected", self.config.host, self.config.port());
                    self.trouble = Trouble::default();
                    for topic in &self.topics {
                        // The queue was emptied before, so that there is room for them.
                        let _ = self.client.try_subscribe(topic.clone(), QoS::AtMostOnce);
                    }
                    *number = number.wrapping_add(1).max(1);
                    self.link.send_replace(*number);
                }
                Ok(Event::Incoming(Packet::Publish(message))) => {
                    let heard = Heard { topic: message.topic.clone(), payload: message.payload.to_vec(), old: message.retain };
                    // Whoever does not listen fast enough gets the next one.
                    let _ = self.heard.try_send(heard);
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return None,
                Ok(_) => {}
                Err(error) => return Some(word(&error)),
            }
        }
    }
}
