//! What every request needs, and what the background has for itself.

use std::sync::Arc;

use hop::Hop;
use hop::http::workers::Workers;
use kafka_client::Producer;
use redis_client::Client;
use reliability::outbox::Upstreams;
use reliability::{Outbox, OutboxRelay, Reservations, Returns};

use crate::auth::Verifier;
use crate::carts::Carts;
use crate::config::Settings;
use crate::event::Event;
use crate::inventory::Inventory;

/// What every request needs.
pub struct Shop {
    /// Proves whose cart it is.
    pub verifier: Verifier,
    /// Reserves units, and returns them.
    pub inventory: Inventory,
    pub carts: Carts,
    /// Publishes events.
    pub kafka: Producer,
    /// Events that are stored and not yet published.
    pub outbox: Arc<Outbox<Event>>,
    /// Those whose units went into carts, to be confirmed.
    pub reservations: Arc<Reservations>,
    /// Units on their way back to the stock.
    pub returns: Arc<Returns<Event>>,
    pub workers: Workers,
    /// The pod's, such as `cart-pod-abc12`.
    pub name: Arc<str>,
}

impl Shop {
    /// As the settings say. Nothing is connected yet: the first request pays for it, and its journey shows what it costs.
    ///
    /// # Errors
    /// The public key cannot be read.
    pub fn new(settings: &Settings, hop: &Hop) -> anyhow::Result<Arc<Self>> {
        let (inventory, redis, kafka) = clients(settings, &hop.name);
        Ok(Arc::new(Shop {
            verifier: Verifier::from_file(&settings.jwt_public_key)
                .map_err(|error| hop::start::Misuse(format!("{error:#}")))?,
            inventory,
            carts: Carts { redis },
            kafka,
            outbox: Arc::default(),
            reservations: Arc::default(),
            returns: Arc::default(),
            workers: Workers::new(settings.workers.into(), settings.queue.into()),
            name: Arc::clone(&hop.name),
        }))
    }

    /// What others left behind is finished by it, and what this process leaves behind at the end.
    pub fn relay(&self, settings: &Settings) -> OutboxRelay<Event, Inventory> {
        let (inventory, redis, kafka) = clients(settings, &self.name);
        OutboxRelay {
            outbox: Arc::clone(&self.outbox),
            reservations: Arc::clone(&self.reservations),
            returns: Arc::clone(&self.returns),
            redis,
            kafka,
            participant: inventory,
            settle_after: settings.settle_after,
            name: Arc::clone(&self.name),
        }
    }

    /// With which connections a request publishes events.
    pub fn upstreams(&self) -> Upstreams<'_> {
        Upstreams { redis: &self.carts.redis, kafka: &self.kafka }
    }
}

/// Inventory, Redis and Kafka, for requests or for the background.
fn clients(settings: &Settings, name: &str) -> (Inventory, Client, Producer) {
    let inventory = Inventory::new(settings.inventory_url, settings.inventory_timeout);
    let connections = usize::from(settings.redis_connections);
    let redis = Client::new(settings.redis_url.clone(), connections, settings.redis_timeout);
    let (topic, connections) = (settings.kafka_url.clone(), usize::from(settings.kafka_connections));
    (inventory, redis, Producer::new(topic, name, connections, settings.kafka_timeout))
}
