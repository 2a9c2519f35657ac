//! Listens to the power at the grid connection on a topic, for the oscillation guard.

use super::config::Config;
use super::power::{Source, parse};
use crate::base::episode::Once;
use crate::base::units::Watts;
use crate::link::mqtt::Connection;
use tokio::sync::mpsc;

/// Sends the power until the receiver is gone.
pub async fn listen(config: Config, source: Source, powers: mpsc::Sender<Watts>) {
    let mut connection = Connection::start(&config.broker, "-grid", None, vec![source.topic.clone()]);
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
                    log::info!("MQTT: receiving grid power on {}", source.topic);
                }
                logged.reset();
                // If the loop is busy, this value is dropped.
                let _ = powers.try_send(power);
            }
            None if logged.first() => {
                log::warn!("MQTT: a message on {} contains no power value in W; check `oscillation.mqtt_key`", heard.topic);
            }
            None => {}
        }
    }
}
