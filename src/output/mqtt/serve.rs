//! The MQTT output.

use super::config::Config;
use super::message::availability;
use super::publisher::Publisher;
use crate::base::runtime::{self, now};
use crate::base::stop::Stop;
use crate::link::mqtt::{Connection, Message, ReceivedMessage};
use crate::output::devices::Devices;
use crate::output::domoticz::Numbers;
use crate::output::registry::Views;
use std::time::Duration;
use tokio::sync::watch;

/// Minimum time between two checks for changes: every battery changes every second.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);

/// Publishes these views and devices until the program ends, then publishes that it is offline. `numbers` returns a battery's Domoticz numbers
/// by its identity.
pub async fn serve(
    config: Config,
    (views, devices): (watch::Receiver<Views>, watch::Receiver<Devices>),
    numbers: impl Fn(&str) -> Numbers,
    mut stop: Stop,
) {
    let topics = if config.home_assistant { vec![config.birth()] } else { Vec::new() };
    let will = Message::retained(config.availability(), availability(false));
    let mut connection = Connection::start(&config.broker, "", Some(will), topics);
    let mut publisher = Publisher::new(config);
    let mut greeted = 0;
    loop {
        let number = connection.number();
        if number != 0 {
            let greeting = if number == greeted { Vec::new() } else { publisher.connected() };
            greeted = number;
            let (current, devices) = (views.borrow().clone(), devices.borrow().clone());
            let messages = greeting.into_iter().chain(publisher.step(&current, &devices, &numbers, now().at));
            publish(&connection, messages, number).await;
        }
        let due = now().at.after(PUBLISH_INTERVAL);
        tokio::select! {
            heard = connection.next() => if heard.is_some_and(is_birth) { publisher.born() },
            () = runtime::sleep_until(due) => {}
            () = stop.asked() => break,
        }
    }
    connection.disconnect(publisher.goodbye()).await;
}

/// Handles Home Assistant's announcements. A retained one is not new; everything is published after connecting anyway.
fn is_birth(heard: ReceivedMessage) -> bool {
    !heard.old && heard.payload == b"online"
}

/// Publishes while connection `number` lasts.
async fn publish(connection: &Connection, messages: impl Iterator<Item = Message>, number: u32) {
    for message in messages {
        if !connection.publish(message, number).await {
            return;
        }
    }
}
