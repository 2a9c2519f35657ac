//! What is wrong with a broker, in words for the owner.

use super::broker::Broker;
use crate::link::tls;
use rumqttc::{ConnectReturnCode, ConnectionError, StateError, mqttbytes};
use std::io::ErrorKind;

/// One side encrypts and the other does not: many brokers just close then.
const CLOSED: &str = "closed the connection; if it always does, check `mqtt.tls` and the TCP port";

/// The failure and its remedy.
pub(super) fn word(error: &ConnectionError, broker: &Broker) -> String {
    let place = broker.place();
    match error {
        ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized) => {
            "refuses user and password; check `mqtt.user` and `mqtt.password`".to_owned()
        }
        ConnectionError::ConnectionRefused(code) => format!("refuses the connection ({code:?}); check its settings"),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            format!("does not answer; check {place}, and the network")
        }
        ConnectionError::Io(error)
        | ConnectionError::MqttState(StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error))) => {
            tls::fault(error, broker.keys()).unwrap_or_else(|| io_word(error, place))
        }
        ConnectionError::MqttState(StateError::ConnectionAborted | StateError::AwaitPingResp) => CLOSED.to_owned(),
        ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) => {
            format!("does not speak MQTT 3.1.1; check {place}, and `mqtt.tls`")
        }
        error => format!("cannot be reached: {error}; check `mqtt.tls` and `mqtt.tls_ca`"),
    }
}

fn io_word(error: &std::io::Error, place: &str) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => format!("is not running there; check {place}"),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
            CLOSED.to_owned()
        }
        // The decoder's error for a truncated answer.
        ErrorKind::InvalidData | ErrorKind::Other => {
            format!("does not speak MQTT 3.1.1; check {place}, and `mqtt.tls`")
        }
        _ => format!("cannot be reached: {error}; check {place}, and the network"),
    }
}
