//! What is wrong with a broker, in words for the owner, and once.

use rumqttc::{ConnectReturnCode, ConnectionError, StateError, mqttbytes};
use std::io::ErrorKind;

/// An episode without connection.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    said: Vec<String>,
}

impl Trouble {
    /// What is to be said of a failure: nothing if it was said in this episode.
    pub(super) fn failed(&mut self, text: &str) -> Option<String> {
        // Something new each time would be no episode; nobody learns from the fifth.
        if self.said.len() >= 4 || self.said.iter().any(|said| said == text) {
            return None;
        }
        self.said.push(text.to_owned());
        Some(format!("{text}; trying again"))
    }
}

/// What happened and what to do.
pub(super) fn word(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized) => {
            "refuses user and password; check `mqtt.user` and `mqtt.password`".to_owned()
        }
        ConnectionError::ConnectionRefused(code) => format!("refuses the connection ({code:?}); check its settings"),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            "does not answer; check `mqtt.host`, `mqtt.port` and the network".to_owned()
        }
        ConnectionError::Io(error)
        | ConnectionError::MqttState(StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error))) => {
            io_word(error)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted | StateError::AwaitPingResp) => "closed the connection".to_owned(),
        ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) => {
            "does not speak MQTT 3.1.1; check `mqtt.host`, `mqtt.port` and `mqtt.tls`".to_owned()
        }
        error => format!("cannot be reached: {error}; check `mqtt.tls` and `mqtt.tls_ca`"),
    }
}

fn io_word(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "is not running there; check `mqtt.host` and `mqtt.port`".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => {
            "closed the connection".to_owned()
        }
        // What the decoder makes of an answer that ends in the middle.
        ErrorKind::InvalidData | ErrorKind::Other => {
            "does not speak MQTT 3.1.1; check `mqtt.host`, `mqtt.port` and `mqtt.tls`".to_owned()
        }
        _ => format!("cannot be reached: {error}; check `mqtt.host` and the network"),
    }
}
