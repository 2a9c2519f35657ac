//! Listens to a power on a topic: at the grid connection, or of a partner inverter.

use super::config::Config;
use super::power::{Source, parse};
use crate::base::episode::Once;
use crate::base::units::Watts;
use crate::link::mqtt::Connection;
use tokio::sync::mpsc;

/// What the power is of, for the log, the key of the configuration, and the end of the client ID.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    name: &'static str,
    key: &'static str,
    client: &'static str,
}

/// The power at the grid connection.
pub const GRID: Purpose = Purpose { name: "grid power", key: "oscillation.mqtt_key", client: "-grid" };
/// The power of a partner inverter's battery.
pub const PARTNER: Purpose = Purpose { name: "partner power", key: "partner.mqtt_key", client: "-partner" };

/// Sends the power until the receiver is gone.
pub async fn listen<T>(config: Config, source: Source, purpose: Purpose, powers: mpsc::Sender<T>, message: impl Fn(Watts) -> T) {
    let Purpose { name, key, client } = purpose;
    let mut connection = Connection::start(&config.broker, client, None, vec![source.topic.clone()]);
    let (mut received_once, mut logged) = (Once::default(), Once::default());
    loop {
        let heard = tokio::select! {
            heard = connection.next() => heard,
            () = powers.closed() => return,
        };
        // A retained message may have any age.
        let Some(heard) = heard.filter(|heard| !heard.old) else { continue };
        match parse(&source, &heard.payload) {
            Some(power) => {
                if received_once.first() {
                    log::info!("MQTT: receiving {name} on {}", source.topic);
                }
                logged.reset();
                // If the loop is busy, this value is dropped.
                let _ = powers.try_send(message(power));
            }
            None if logged.first() => {
                log::warn!("MQTT: a message on {} contains no power value in W; check `{key}`", heard.topic);
            }
            None => {}
        }
    }
}
