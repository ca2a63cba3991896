//! Connections in, and which path leads where.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hop::http::server::{BodyError, Limits, Protocol, RequestBody, Server};
use hop::http::{Body, Exchange, Fault, Problem, full};
use hop::{CancellationToken, Hop};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::auth::{Customer, Verifier};
use crate::config::Settings;
use crate::inventory::Inventory;
use crate::kafka::Kafka;
use crate::outbox::{Means, Outbox, Told};
use crate::redis::Redis;
use crate::refusal::Refusal;
use crate::returns::Returns;
use crate::workers::Workers;
use crate::{add_item, cart, relay};
use journey::semconv::attribute;

/// Connections served at once. More would be idle: with HTTP/1.1 each carries one request, and only so
/// many of those find a worker or a place in the queue.
const CONNECTIONS: usize = 1024;

/// The largest body, in bytes. An honest one has fifty.
const BODY_LIMIT: usize = 16 << 10;

/// A request with all of its body, and whose it is.
pub struct Received {
    /// Method, path, headers.
    pub head: Parts,
    /// All of it.
    pub body: Bytes,
    /// Proved by the token.
    pub customer: Customer,
}

/// What every request needs.
pub struct Shop {
    /// Proves whose cart it is.
    pub verifier: Verifier,
    /// How many are there?
    pub inventory: Inventory,
    /// What is in the carts.
    pub redis: Redis,
    /// Who else must know.
    pub kafka: Kafka,
    /// What they are still to be told.
    pub outbox: Outbox,
    /// Units on their way back to the stock.
    pub returns: Returns,
    /// A reservation that is held for longer belongs to no request any more.
    pub settle_after: Duration,
    /// This pod's name.
    pub name: Arc<str>,
    /// The relay's own connections: those above are opened by requests alone, so that a cold journey
    /// shows what they cost.
    pub(crate) background: Neighbours,
    /// Where told events come out of the outbox, for the relay.
    told: Mutex<Option<mpsc::Receiver<Told>>>,
    workers: Workers,
}

/// Connections to everyone the shop needs.
pub(crate) struct Neighbours {
    pub(crate) inventory: Inventory,
    pub(crate) redis: Redis,
    pub(crate) kafka: Kafka,
}

impl Neighbours {
    fn new(settings: &Settings, hop: &Hop) -> Self {
        let milliseconds = Duration::from_millis;
        Neighbours {
            inventory: Inventory::new(settings.inventory_url.0, milliseconds(settings.inventory_timeout_ms)),
            redis: Redis::new(
                settings.redis_url.clone(),
                settings.redis_connections.into(),
                milliseconds(settings.redis_timeout_ms),
            ),
            kafka: Kafka::new(
                settings.kafka_url.clone(),
                &hop.name,
                settings.kafka_connections.into(),
                milliseconds(settings.kafka_timeout_ms),
            ),
        }
    }
}

impl Shop {
    /// As the settings say. Nothing is connected yet: the first request pays for it, and its journey shows
    /// what it costs.
    ///
    /// # Errors
    /// The public key cannot be read.
    pub fn new(settings: &Settings, hop: &Hop) -> anyhow::Result<Arc<Self>> {
        let (outbox, told) = Outbox::new();
        let Neighbours { inventory, redis, kafka } = Neighbours::new(settings, hop);
        Ok(Arc::new(Shop {
            verifier: Verifier::from_file(&settings.jwt_public_key)
                .map_err(|error| hop::start::Misuse(format!("{error:#}")))?,
            inventory,
            redis,
            kafka,
            outbox,
            returns: Returns::default(),
            settle_after: Duration::from_millis(settings.settle_after_ms),
            background: Neighbours::new(settings, hop),
            name: Arc::clone(&hop.name),
            told: Mutex::new(Some(told)),
            workers: Workers::new(settings.workers.into(), settings.queue.into()),
        }))
    }

    /// With what a request tells events.
    pub(crate) fn means<'a>(&'a self, exchange: &'a Exchange) -> Means<'a> {
        Means { redis: &self.redis, kafka: &self.kafka, exchange }
    }

    /// Who asks? Recorded as `auth`.
    pub(crate) fn authenticate(&self, headers: &HeaderMap, exchange: &Exchange) -> Result<Customer, Refusal> {
        let _doing = exchange.internal("auth");
        let customer = self.verifier.customer(headers)?;
        exchange.attribute(attribute::ENDUSER_ID, customer.as_str().to_owned());
        Ok(customer)
    }
}

/// Serves until the hop is told to stop and its work is done.
///
/// # Errors
/// None at present.
pub async fn run(
    listener: TcpListener,
    shop: Arc<Shop>,
    settings: &Settings,
    hop: Hop,
) -> anyhow::Result<()> {
    // The workers' queue is the one that refuses; the outer limit only has to be wider.
    let requests = usize::from(settings.workers) + usize::from(settings.queue) + CONNECTIONS;
    let name = Arc::clone(&hop.name);
    let handler = {
        let shop = Arc::clone(&shop);
        move |request: Request<RequestBody>| {
            let (shop, name) = (Arc::clone(&shop), Arc::clone(&name));
            async move {
                let exchange = Exchange::current();
                let done = work(&shop, request, exchange).await;
                done.unwrap_or_else(|refusal| refusal.into_response(&name))
            }
        }
    };
    // The body is read here: nobody's before its sender has proved who it is.
    let limits = Limits { requests, connections: CONNECTIONS, hold: 0, ..Limits::default() };
    let server = Server::new(&hop, limits, handler);
    // What others left behind is finished in the background, and what this process leaves behind at the end.
    let told = shop.told.lock().unwrap_or_else(PoisonError::into_inner).take();
    let stop = CancellationToken::new();
    let relay = told.map(|told| tokio::spawn(relay::run(Arc::clone(&shop), told, stop.clone())));
    hop.ready();
    hop::accept::run(listener, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
        let stamps = stream.stamps();
        server.clone().serve(stream, Protocol::Http1, stamps, stop)
    })
    .await;
    shop.workers.finish(hop.drain).await;
    stop.cancel();
    if let Some(relay) = relay
        && tokio::time::timeout(hop.drain, relay).await.is_err()
    {
        tracing::debug!("the relay did not finish: another pod's will");
    }
    Ok(())
}

/// What a request wants.
enum Wanted {
    AddItem,
    Cart,
    RemoveItem(String),
}

/// First where it leads and who asks, then the body, then a worker: who sends slowly holds none, and a stranger
/// does not even have the body read.
async fn work(
    shop: &Arc<Shop>,
    request: Request<RequestBody>,
    exchange: Exchange,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    let wanted = route(&head, &exchange)?;
    let customer = shop.authenticate(&head.headers, &exchange)?;
    let body = match wanted {
        Wanted::AddItem => read(body).await?,
        Wanted::Cart | Wanted::RemoveItem(_) => Bytes::new(),
    };
    let (on_behalf, recorded) = (Arc::clone(shop), exchange.clone());
    let work = async move {
        match wanted {
            Wanted::AddItem => {
                add_item::add_item(on_behalf, Received { head, body, customer }, exchange).await
            }
            Wanted::Cart => cart::get(on_behalf, customer, exchange).await,
            Wanted::RemoveItem(id) => cart::remove(on_behalf, customer, id, exchange).await,
        }
    };
    shop.workers.run(&recorded, work).await
}

/// Which path leads where: what `DispatcherServlet` does in the book.
fn route(head: &Parts, exchange: &Exchange) -> Result<Wanted, Refusal> {
    let (method, path) = (&head.method, head.uri.path());
    let template = match path {
        "/cart" => "/cart",
        "/cart/items" => "/cart/items",
        item if item.starts_with("/cart/items/") => "/cart/items/{id}",
        _ => {
            let detail = format!("there is nothing at {path}: this service has /cart and /cart/items");
            return Err(Problem::new(StatusCode::NOT_FOUND, Fault::Client, "no-such-path", detail).into());
        }
    };
    exchange.attribute(attribute::HTTP_ROUTE, template);
    match (template, method) {
        ("/cart/items", &Method::POST) => Ok(Wanted::AddItem),
        ("/cart", &Method::GET | &Method::HEAD) => Ok(Wanted::Cart),
        ("/cart/items/{id}", &Method::DELETE) => {
            Ok(Wanted::RemoveItem(path["/cart/items/".len()..].to_owned()))
        }
        ("/cart/items", _) => Err(not_allowed(method, path, "POST")),
        ("/cart", _) => Err(not_allowed(method, path, "GET, HEAD")),
        _ => Err(not_allowed(method, path, "DELETE")),
    }
}

/// Reads a body within [`BODY_LIMIT`] and the server's [`Pace`](hop::http::server::Pace).
async fn read(body: RequestBody) -> Result<Bytes, Refusal> {
    let broken = |problem: Problem| {
        // The rest of the body is not read, so no further request can follow on this connection.
        Refusal::from(problem).with(header::CONNECTION, HeaderValue::from_static("close"))
    };
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {BODY_LIMIT} bytes");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Err(broken(Problem::new(status, Fault::Client, "body-too-large", detail)))
        }
        Err(error) => Err(broken(BodyError::among_causes(&*error).map_or_else(
            || Problem::new(StatusCode::BAD_REQUEST, Fault::Client, "body-broken", error.to_string()),
            BodyError::problem,
        ))),
    }
}

fn not_allowed(method: &Method, path: &str, allowed: &'static str) -> Refusal {
    let detail = format!("{path} does not understand {method}: it understands {allowed}");
    Refusal::from(Problem::new(StatusCode::METHOD_NOT_ALLOWED, Fault::Client, "method-not-allowed", detail))
        .with(header::ALLOW, HeaderValue::from_static(allowed))
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(full(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
