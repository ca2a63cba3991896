//! The inventory service: units of products are reserved over HTTP, through its ClusterIP.
//!
//! Units are taken, not counted: between "are there enough?" and the cart's change another cart could take them. Each
//! reservation has a name of its own, so that what is not kept can be given back by that name.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hop::clock;
use hop::http::client::ClientLimits;
use hop::http::{Client, Exchange, Fault, Problem, collect, content_type, empty, full};
use hyper::{Method, Request, StatusCode, header};
use reliability::{Held, Participant};
use serde::Deserialize;

use crate::event::Event;
use crate::item::ProductId;

/// No response of the inventory is longer, in bytes.
const LONGEST: usize = 512 << 10;

/// What the inventory says when it refuses; members it has besides are ignored.
#[derive(Deserialize)]
struct Refused {
    detail: String,
}

#[derive(Deserialize)]
struct AllHeld {
    held: Vec<Held>,
}

/// The HTTP client of the inventory service.
pub struct Inventory {
    address: SocketAddr,
    limit: Duration,
    client: Client,
}

impl Inventory {
    /// A client that waits up to `limit` for a response to begin.
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        let client = Client::new(ClientLimits { response: limit, ..ClientLimits::default() });
        Inventory { address, limit, client }
    }

    /// Takes units from the stock, under a name that was never used before.
    ///
    /// # Errors
    /// 404 when there is no such product; 409 when there are too few; 502 or 504 when the inventory does not respond, or
    /// not sensibly: then they may be taken or not, and the relay gives them back.
    pub async fn reserve(
        &self,
        product: &ProductId,
        quantity: u64,
        reservation: &str,
    ) -> Result<(), Box<Problem>> {
        let _timed = Exchange::current().timed("inventory");
        let body = format!("{{\"reservationId\":\"{reservation}\",\"quantity\":{quantity}}}");
        let (status, body) = self.send(Method::POST, &format!("/stock/{product}/reservations"), body).await?;
        let refused =
            |kind, field, detail| Err(Problem::new(status, Fault::Client, kind, detail).field(field).into());
        match status {
            StatusCode::CREATED | StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                refused("unknown-product", "productId", format!("there is no product {product}"))
            }
            StatusCode::CONFLICT => {
                let detail = detail_of(&body, || format!("there are too few of {product}"));
                refused("not-enough-stock", "quantity", detail)
            }
            _ => Err(self.unexpected(status)),
        }
    }

    /// Gives back units that were reserved and not kept. What is confirmed stays.
    ///
    /// # Errors
    /// 502 or 504.
    pub async fn cancel(&self, product: &str, reservation: &str) -> Result<(), Box<Problem>> {
        let path = format!("/stock/{product}/reservations/{reservation}");
        match self.send(Method::DELETE, &path, String::new()).await? {
            (StatusCode::NO_CONTENT | StatusCode::CONFLICT, _) => Ok(()),
            (status, _) => Err(self.unexpected(status)),
        }
    }

    /// One request, and all of its response.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Bytes), Box<Problem>> {
        let exchange = Exchange::current();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::ACCEPT, content_type::JSON);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type::JSON);
        }
        let body = if body.is_empty() { empty() } else { full(body) };
        let request =
            request.body(body).map_err(|error| bad(format!("the request cannot be made: {error}")))?;
        let response = self.client.send(self.address, request).await.map_err(|error| {
            let problem = error.problem();
            let detail = format!("call the inventory: {}. Nothing was added: try again", problem.detail);
            Problem { detail, ..problem }
        })?;
        let status = response.status();

        let begun = clock::now();
        let body = tokio::time::timeout(self.limit, collect(response.into_body(), LONGEST)).await;
        exchange.waited(clock::now().saturating_sub(begun));
        let body = body.map_err(|_| self.late())?;
        Ok((status, body.map_err(|error| bad(format!("its response broke off: {error}")))?))
    }

    fn unexpected(&self, status: StatusCode) -> Box<Problem> {
        match status {
            StatusCode::GATEWAY_TIMEOUT => self.late(),
            status => bad(format!("it responded with {status}")),
        }
    }

    fn late(&self) -> Box<Problem> {
        let limit = self.limit;
        let detail =
            format!("call the inventory: no response within {limit:?}. Nothing was added: try again");
        Problem::new(StatusCode::GATEWAY_TIMEOUT, Fault::Upstream, "inventory-timeout", detail).into()
    }
}

/// How reservations and returns end in the background.
impl Participant<Event> for Inventory {
    async fn held(&self, time: Duration) -> Result<Vec<Held>, Box<Problem>> {
        let path = format!("/reservations?heldMs={}", time.as_millis());
        match self.send(Method::GET, &path, String::new()).await? {
            (StatusCode::OK, body) => serde_json::from_slice::<AllHeld>(&body)
                .map(|all| all.held)
                .map_err(|error| bad(format!("its response makes no sense: {error}"))),
            (status, _) => Err(self.unexpected(status)),
        }
    }

    async fn confirm(&self, reservations: &[String]) -> Result<(), Box<Problem>> {
        let body = serde_json::json!({ "reservationIds": reservations }).to_string();
        match self.send(Method::POST, "/reservations/confirmed", body).await? {
            (StatusCode::NO_CONTENT, _) => Ok(()),
            (status, _) => Err(self.unexpected(status)),
        }
    }

    async fn release(&self, held: &Held) -> Result<(), Box<Problem>> {
        self.cancel(&held.product_id, &held.reservation_id).await
    }

    /// Once for each event: the inventory knows the event's id.
    async fn restock(&self, removed: &Event) -> Result<(), Box<Problem>> {
        let Event { event_id, product_id, quantity, .. } = removed;
        let never = |why| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Problem::new(status, Fault::Client, "no-return", why).into())
        };
        if ProductId::parse(product_id).is_none() {
            return never(format!("there can be no product {product_id:?}"));
        }
        let body = format!("{{\"returnId\":\"{event_id}\",\"quantity\":{quantity}}}");
        match self.send(Method::POST, &format!("/stock/{product_id}/returns"), body).await? {
            (StatusCode::CREATED | StatusCode::OK, _) => Ok(()),
            (StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY, body) => {
                never(detail_of(&body, || "the inventory refuses it".to_owned()))
            }
            (status, _) => Err(self.unexpected(status)),
        }
    }
}

/// The detail of the inventory's problem, or another text.
fn detail_of(problem: &[u8], others: impl FnOnce() -> String) -> String {
    serde_json::from_slice::<Refused>(problem).map_or_else(|_| others(), |refused| refused.detail)
}

fn bad(what: String) -> Box<Problem> {
    let detail = format!("call the inventory: {what}. Nothing was added: try again");
    Problem::new(StatusCode::BAD_GATEWAY, Fault::Upstream, "inventory-unavailable", detail).into()
}
