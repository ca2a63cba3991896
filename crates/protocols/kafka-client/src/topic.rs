//! Where Kafka is, and which topic.

use std::borrow::Cow;
use std::net::SocketAddr;

use hop::http::Exchange;
use hop::trace;
use journey::semconv::attribute;
use journey::{Kind, Span, SpanId};
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

/// A topic, and how to find its brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// A broker that knows the others.
    pub bootstrap: SocketAddr,
    /// The topic's name.
    pub name: String,
}

impl Topic {
    /// Reads `kafka://IP:PORT[/topic]`, with the name to take where there is none.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(url: &str, default: &str) -> Result<Self, String> {
        let parse = || {
            let rest = url.strip_prefix("kafka://")?;
            let (address, name) = rest.split_once('/').unwrap_or((rest, ""));
            let name = if name.is_empty() { default } else { name };
            // Kafka's own rule for names of topics.
            let legal = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
            let named = name.len() <= 249 && name.bytes().all(legal) && name != "." && name != "..";
            named.then_some(Topic { bootstrap: address.parse().ok()?, name: name.to_owned() })
        };
        parse().ok_or_else(|| {
            "expected kafka://IP:PORT[/topic]; a topic has letters, digits, dots, - and _".to_owned()
        })
    }

    /// The CLIENT span of a request about this topic.
    pub(crate) fn span(&self, operation: &'static str) -> Span {
        self.span_of(trace::new_span_id(), Kind::Client, operation, operation)
    }

    /// The PRODUCER span of records that are sent to this topic; they carry its id, for those who consume them.
    pub(crate) fn producer_span(&self, id: SpanId, name: String) -> Span {
        self.span_of(id, Kind::Producer, name, "send").with(attribute::MESSAGING_OPERATION_TYPE, "send")
    }

    fn span_of(
        &self,
        id: SpanId,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
        operation: &'static str,
    ) -> Span {
        Exchange::current()
            .child(id, kind, name, (0, 0))
            .with(attribute::MESSAGING_SYSTEM, "kafka")
            .with(attribute::MESSAGING_OPERATION_NAME, operation)
            .with(attribute::MESSAGING_DESTINATION_NAME, self.name.clone())
    }

    pub(crate) fn name(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.name.clone()))
    }
}

#[cfg(test)]
mod tests;
