//! What the tests of several modules need.

use std::net::SocketAddr;
use std::time::Duration;

use redis_client::Client;
use serde::{Deserialize, Serialize};

use crate::message::{Event, Message};

pub(crate) const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Something that happened to an owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Happened {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) at: u64,
}

impl Event for Happened {
    fn key_of(owner: &str) -> String {
        format!("OWNER-{owner}")
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn kind(&self) -> &str {
        "happened"
    }

    fn time(&self) -> u64 {
        self.at
    }
}

pub(crate) fn message() -> Message<Happened> {
    let event = Happened { id: "e".into(), key: "OWNER-alice".into(), at: 7 };
    Message::new(event, TRACEPARENT.parse().expect("valid"))
}

pub(crate) fn client(address: SocketAddr) -> Client {
    Client::new(address.into(), 1, Duration::from_secs(5))
}
