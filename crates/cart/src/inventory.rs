//! Asking the inventory service, over HTTP and through its ClusterIP, how many of a product there are.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use hop::clock;
use hop::http::client::ClientLimits;
use hop::http::{Body, Client, Exchange, Fault, Problem, empty};
use http_body_util::BodyExt as _;
use hyper::{Request, StatusCode, header};
use serde::Deserialize;

use crate::item::ProductId;
use crate::refusal::Refusal;

/// No answer of the inventory is longer.
const ANSWER_LIMIT: usize = 64 << 10;

/// What the inventory says about a product; members it has besides are ignored.
#[derive(Deserialize)]
struct Stock {
    available: i64,
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

    /// How many can be had now.
    ///
    /// # Errors
    /// 404 when there is no such product; 502 or 504 when the inventory does not answer, or not sensibly.
    pub async fn available(&self, exchange: &Exchange, product: &ProductId) -> Result<i64, Refusal> {
        let request = Request::get(format!("/stock/{product}"))
            .header(header::HOST, self.address.to_string())
            .header(header::ACCEPT, "application/json")
            .body(empty())
            .map_err(|error| bad(format!("the request cannot be made: {error}")))?;
        let response = self.client.send(self.address, request, exchange).await.map_err(|error| {
            let problem = error.problem();
            let detail = format!("ask the inventory: {}. Nothing was added: try again", problem.detail);
            Problem { detail, ..problem }
        })?;
        let status = response.status();

        let begun = clock::now();
        let body = tokio::time::timeout(self.limit, read(response.into_body())).await;
        exchange.waited(clock::now().saturating_sub(begun));
        let body = body.unwrap_or_else(|_| Err(late(self.limit)))?;

        match status {
            StatusCode::OK => serde_json::from_slice::<Stock>(&body)
                .map(|stock| stock.available)
                .map_err(|error| bad(format!("its answer makes no sense: {error}"))),
            StatusCode::NOT_FOUND => Err(Refusal::client(
                StatusCode::NOT_FOUND,
                "unknown-product",
                "productId",
                format!("there is no product {product}"),
            )),
            StatusCode::GATEWAY_TIMEOUT => Err(late(self.limit)),
            status => Err(bad(format!("it answered {status}"))),
        }
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
