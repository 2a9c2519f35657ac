//! Listens to the power at the grid connection on a topic, for the oscillation guard.

use super::config::Config;
use super::connection::Connection;
use super::power::{Source, parse};
use crate::units::Watts;
use tokio::sync::mpsc;

/// Passes the power on until nobody wants it.
pub async fn listen(config: Config, source: Source, powers: mpsc::Sender<Watts>) {
    let mut connection = Connection::start(&config, "-grid", None, vec![source.topic.clone()]);
    let (mut heard_once, mut said) = (false, false);
    loop {
        let heard = tokio::select! {
            heard = connection.next() => heard,
            () = powers.closed() => return,
        };
        // A kept message may be of any age.
        let Some(heard) = heard.filter(|heard| !heard.old) else { continue };
        match parse(&source, &heard.payload) {
            Some(power) => {
                if !std::mem::replace(&mut heard_once, true) {
                    log::info!("MQTT: the grid power is heard on {}", source.topic);
                }
                said = false;
                // When the loop is busy the next value will do.
                let _ = powers.try_send(power);
            }
            None if !std::mem::replace(&mut said, true) => {
                log::warn!("MQTT: no power in W in a message on {}; check `oscillation.mqtt_key`", heard.topic);
            }
            None => {}
        }
    }
}
