//! Messages to and from a broker.

/// Something to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: String,
    /// Retained by the broker for later subscribers.
    pub retain: bool,
}

impl Message {
    /// Not retained: measured values, which would look fresh to later subscribers.
    pub fn passing(topic: impl Into<String>, payload: impl Into<String>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), retain: false }
    }

    /// Retained.
    pub fn retained(topic: impl Into<String>, payload: impl Into<String>) -> Self {
        Self { topic: topic.into(), payload: payload.into(), retain: true }
    }
}

/// A received message.
#[derive(Debug)]
pub(crate) struct ReceivedMessage {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// Retained by the broker, of unknown age.
    pub(crate) old: bool,
}
