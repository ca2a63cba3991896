//! Asking the inventory service, over HTTP and through its ClusterIP, for units of a product.
//!
//! Units are taken, not counted: between "are there enough?" and the cart's change another cart could take
//! them. Each taking has a name of its own, so that what is not kept can be given back by that name.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use hop::clock;
use hop::http::client::ClientLimits;
use hop::http::{Body, Client, Exchange, Fault, Problem, empty, full};
use http_body_util::BodyExt as _;
use hyper::{Method, Request, StatusCode, header};
use serde::Deserialize;

use crate::event::Event;
use crate::item::ProductId;
use crate::refusal::Refusal;

/// No answer of the inventory is longer.
const ANSWER_LIMIT: usize = 512 << 10;

/// What the inventory says when it refuses; members it has besides are ignored.
#[derive(Deserialize)]
struct Refused {
    detail: String,
}

/// Units that were taken and neither confirmed nor released.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The name under which they were taken.
    pub reservation_id: String,
    /// Of what.
    pub product_id: String,
}

#[derive(Deserialize)]
struct AllHeld {
    held: Vec<Held>,
}

/// The client.
pub struct Inventory {
    address: SocketAddr,
    limit: Duration,
    client: Client,
}

impl Inventory {
    /// A client that waits up to `limit` for an answer to begin.
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        let client = Client::new(ClientLimits { response: limit, ..ClientLimits::default() });
        Inventory { address, limit, client }
    }

    /// Takes units from the stock, under a name that was never used before.
    ///
    /// # Errors
    /// 404 when there is no such product; 409 when there are too few; 502 or 504 when the inventory does not
    /// answer, or not sensibly: then they may be taken or not, and the relay gives them back.
    pub async fn reserve(
        &self,
        exchange: &Exchange,
        product: &ProductId,
        quantity: u64,
        reservation: &str,
    ) -> Result<(), Refusal> {
        let body = format!("{{\"reservationId\":\"{reservation}\",\"quantity\":{quantity}}}");
        let path = format!("/stock/{product}/reservations");
        let (status, body) = self.ask(exchange, Method::POST, path, body).await?;
        match status {
            StatusCode::CREATED | StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                let detail = format!("there is no product {product}");
                Err(Refusal::client(StatusCode::NOT_FOUND, "unknown-product", "productId", detail))
            }
            StatusCode::CONFLICT => {
                let refused = serde_json::from_slice::<Refused>(&body);
                let detail =
                    refused.map_or_else(|_| format!("there are too few of {product}"), |it| it.detail);
                Err(Refusal::client(StatusCode::CONFLICT, "not-enough-stock", "quantity", detail))
            }
            status => Err(unexpected(status, self.limit)),
        }
    }

    /// Gives back what was taken and not kept. What is confirmed stays.
    ///
    /// # Errors
    /// 502 or 504.
    pub async fn release(
        &self,
        exchange: &Exchange,
        product: &str,
        reservation: &str,
    ) -> Result<(), Refusal> {
        let path = format!("/stock/{product}/reservations/{reservation}");
        match self.ask(exchange, Method::DELETE, path, String::new()).await? {
            (StatusCode::NO_CONTENT | StatusCode::CONFLICT, _) => Ok(()),
            (status, _) => Err(unexpected(status, self.limit)),
        }
    }

    /// Puts back what a removal took out of a cart, once for each event.
    ///
    /// # Errors
    /// 422 when it is the event that can't be put back, whenever it is tried; else 502 or 504.
    pub async fn give_back(&self, exchange: &Exchange, removed: &Event) -> Result<(), Refusal> {
        let Event { event_id, product_id, quantity, .. } = removed;
        if ProductId::parse(product_id).is_none() {
            return Err(no_return(format!("there can be no product {product_id:?}")));
        }
        let body = format!("{{\"returnId\":\"{event_id}\",\"quantity\":{quantity}}}");
        let path = format!("/stock/{product_id}/returns");
        match self.ask(exchange, Method::POST, path, body).await? {
            (StatusCode::CREATED | StatusCode::OK, _) => Ok(()),
            (StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY, body) => {
                let refused = serde_json::from_slice::<Refused>(&body);
                Err(no_return(refused.map_or_else(|_| "the inventory refuses it".to_owned(), |it| it.detail)))
            }
            (status, _) => Err(unexpected(status, self.limit)),
        }
    }

    /// These went into carts.
    ///
    /// # Errors
    /// 502 or 504.
    pub async fn confirm(&self, exchange: &Exchange, reservations: &[String]) -> Result<(), Refusal> {
        let body = serde_json::json!({ "reservationIds": reservations }).to_string();
        match self.ask(exchange, Method::POST, "/reservations/confirmed".to_owned(), body).await? {
            (StatusCode::NO_CONTENT, _) => Ok(()),
            (status, _) => Err(unexpected(status, self.limit)),
        }
    }

    /// What has been held for so long; perhaps not all of it.
    ///
    /// # Errors
    /// 502 or 504.
    pub async fn held(&self, exchange: &Exchange, time: Duration) -> Result<Vec<Held>, Refusal> {
        let path = format!("/reservations?heldMs={}", time.as_millis());
        match self.ask(exchange, Method::GET, path, String::new()).await? {
            (StatusCode::OK, body) => serde_json::from_slice::<AllHeld>(&body)
                .map(|all| all.held)
                .map_err(|error| bad(format!("its answer makes no sense: {error}"))),
            (status, _) => Err(unexpected(status, self.limit)),
        }
    }

    /// One request, and all of its answer.
    async fn ask(
        &self,
        exchange: &Exchange,
        method: Method,
        path: String,
        body: String,
    ) -> Result<(StatusCode, BytesMut), Refusal> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::ACCEPT, "application/json");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = if body.is_empty() { empty() } else { full(body) };
        let request =
            request.body(body).map_err(|error| bad(format!("the request cannot be made: {error}")))?;
        let response = self.client.send(self.address, request, exchange).await.map_err(|error| {
            let problem = error.problem();
            let detail = format!("ask the inventory: {}. Nothing was added: try again", problem.detail);
            Problem { detail, ..problem }
        })?;
        let status = response.status();

        let begun = clock::now();
        let body = tokio::time::timeout(self.limit, read(response.into_body())).await;
        exchange.waited(clock::now().saturating_sub(begun));
        Ok((status, body.unwrap_or_else(|_| Err(late(self.limit)))?))
    }
}

/// It would be refused again.
fn no_return(why: String) -> Refusal {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Fault::Client, "no-return", why).into()
}

fn unexpected(status: StatusCode, limit: Duration) -> Refusal {
    match status {
        StatusCode::GATEWAY_TIMEOUT => late(limit),
        status => bad(format!("it answered {status}")),
    }
}

async fn read(mut body: Body) -> Result<BytesMut, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| bad(format!("its answer broke off: {error}")))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
        if bytes.len() > ANSWER_LIMIT {
            return Err(bad(format!("its answer is larger than {ANSWER_LIMIT} bytes")));
        }
    }
    Ok(bytes)
}

fn bad(what: String) -> Refusal {
    let detail = format!("ask the inventory: {what}. Nothing was added: try again");
    Problem::new(StatusCode::BAD_GATEWAY, Fault::Upstream, "inventory-unavailable", detail).into()
}

fn late(limit: Duration) -> Refusal {
    let detail = format!("ask the inventory: no answer within {limit:?}. Nothing was added: try again");
    Problem::new(StatusCode::GATEWAY_TIMEOUT, Fault::Upstream, "inventory-timeout", detail).into()
}
