//! What is wrong with a broker, in words for the owner.

use rumqttc::{ConnectReturnCode, ConnectionError, StateError, mqttbytes};
use std::io::ErrorKind;

/// The failure and its remedy; host and TCP port are set at `place`.
pub(super) fn word(error: &ConnectionError, place: &str) -> String {
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
            io_word(error, place)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted | StateError::AwaitPingResp) => "closed the connection".to_owned(),
        ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) => {
            format!("does not speak MQTT 3.1.1; check {place}, and `mqtt.tls`")
        }
        error => format!("cannot be reached: {error}; check `mqtt.tls` and `mqtt.tls_ca`"),
    }
}

fn io_word(error: &std::io::Error, place: &str) -> String {
    match error.kind() {
        _ if super::tls::is_of_tls(error) => format!("cannot be reached: {error}; check `mqtt.tls` and `mqtt.tls_ca`"),
        ErrorKind::ConnectionRefused => format!("is not running there; check {place}"),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
            "closed the connection".to_owned()
        }
        // The decoder's error for a truncated answer.
        ErrorKind::InvalidData | ErrorKind::Other => {
            format!("does not speak MQTT 3.1.1; check {place}, and `mqtt.tls`")
        }
        _ => format!("cannot be reached: {error}; check {place}, and the network"),
    }
}
