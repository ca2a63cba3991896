//! A request becomes a query and an answer.
//!
//! Nothing here knows SQLite beyond its name; nothing in [`stock`](crate::stock) knows HTTP.
#![allow(
    clippy::result_large_err,
    reason = "a problem is made once per refused request and answered at once"
)]

use std::sync::Arc;

use bytes::Bytes;
use hop::Hop;
use hop::http::server::{Limits, RequestBody, Server, exchange};
use hop::http::{Body, Exchange, Fault, Problem, full};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::stock::{Change, Item, ProductId, Stock, StockError};

/// Connections served at once: a process commonly has 1024 descriptors, and the database needs some.
const CONNECTIONS: usize = 900;
/// `{"available": 4294967295}` is 25 bytes.
const BODY_LIMIT: usize = 4 << 10;
/// How many products one list shows.
const LISTED: u32 = 1_000;

/// Serves until the hop is told to stop and its requests are answered.
///
/// # Errors
/// None as yet: what fails, fails in one request and is told there.
pub async fn run(listener: TcpListener, stock: Stock, hop: Hop) -> anyhow::Result<()> {
    let service = Arc::new(Service { name: Arc::clone(&hop.name), stock });
    let server = Server::new(&hop, Limits::default(), move |request| {
        let service = Arc::clone(&service);
        async move { service.answer(request).await }
    });
    hop.ready();
    hop::accept::run(listener, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
        let stamps = stream.stamps();
        server.clone().serve(stream, stamps, stop)
    })
    .await;
    Ok(())
}

struct Service {
    name: Arc<str>,
    stock: Stock,
}

impl Service {
    async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let exchange = exchange(&request);
        let answered = match request.uri().path().strip_prefix("/stock") {
            Some("") => {
                exchange.attribute("http.route", "/stock");
                match *request.method() {
                    Method::GET | Method::HEAD => self.list(&exchange).await,
                    _ => return self.only("GET, HEAD", &request),
                }
            }
            // Not /stocks, and no folders below a product.
            Some(rest) if rest.starts_with('/') && !rest[1..].contains('/') => {
                exchange.attribute("http.route", "/stock/{productId}");
                match *request.method() {
                    Method::GET | Method::HEAD => self.show(&rest[1..], &exchange).await,
                    Method::PUT => self.set(request, &exchange).await,
                    _ => return self.only("GET, HEAD, PUT", &request),
                }
            }
            _ => Err(refuse(
                StatusCode::NOT_FOUND,
                "no-such-path",
                format!("{} is not here: there are /stock and /stock/{{productId}}", request.uri().path()),
            )),
        };
        answered.unwrap_or_else(|problem| problem.at(&self.name).into_response())
    }

    /// `GET /stock/{productId}`
    async fn show(&self, id: &str, exchange: &Exchange) -> Result<Response<Body>, Problem> {
        let product_id = product_id(id)?;
        let found = {
            let _querying = query(exchange, "SELECT");
            self.stock.find(&product_id).await.map_err(failed)?
        };
        let Some(available) = found else {
            let detail = format!("there is no product {product_id}: PUT its number first");
            return Err(refuse(StatusCode::NOT_FOUND, "unknown-product", detail).field("productId"));
        };
        Ok(json(StatusCode::OK, &Item { product_id, available }))
    }

    /// `PUT /stock/{productId}`; answers when the new number is on disk.
    async fn set(
        &self,
        request: Request<RequestBody>,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Problem> {
        let id = request.uri().path().rsplit('/').next().unwrap_or_default();
        let product_id = product_id(id)?;
        check_content_type(request.headers())?;
        let body = read(request.into_body()).await?;
        let item = Item { product_id, available: available(&body)? };
        let change = {
            let _querying = query(exchange, "UPSERT");
            self.stock.set(item.clone()).await.map_err(failed)?
        };
        let status = match change {
            Change::Created => StatusCode::CREATED,
            Change::Replaced => StatusCode::OK,
        };
        Ok(json(status, &item))
    }

    /// `GET /stock`
    async fn list(&self, exchange: &Exchange) -> Result<Response<Body>, Problem> {
        let mut items = {
            let _querying = query(exchange, "SELECT");
            // One more than is shown tells whether there are more.
            self.stock.list(LISTED + 1).await.map_err(failed)?
        };
        let more = items.len() > LISTED as usize;
        items.truncate(LISTED as usize);
        Ok(json(StatusCode::OK, &List { items, more }))
    }

    /// The path is right, the method is not; the answer must name those that are (RFC 9110 §15.5.6).
    fn only(&self, allowed: &'static str, request: &Request<RequestBody>) -> Response<Body> {
        let detail = format!("{} can't be used on {}: {allowed}", request.method(), request.uri().path());
        let problem = refuse(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
        let mut response = problem.at(&self.name).into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        response
    }
}

/// The answer to `GET /stock`.
#[derive(Serialize)]
struct List {
    items: Vec<Item>,
    /// There are products after these.
    more: bool,
}

/// Marks the time until the guard is dropped as the database's: a span, and `Server-Timing`.
fn query(exchange: &Exchange, operation: &'static str) -> impl Sized + use<> {
    // OpenTelemetry's names for database clients.
    exchange.attribute("db.system.name", "sqlite");
    exchange.attribute("db.operation.name", operation);
    exchange.internal("sqlite")
}

fn product_id(text: &str) -> Result<ProductId, Problem> {
    text.parse().map_err(|expected| {
        let detail = format!("{text:?}: {expected}");
        refuse(StatusCode::BAD_REQUEST, "bad-product-id", detail).field("productId")
    })
}

/// Refuses anything but JSON before its bytes are read (RFC 9110 §15.5.16).
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = format!("content-type is {given:?}: expected application/json");
    Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail).field("content-type"))
}

/// Reads the body, and no more than a sane one has.
async fn read(body: RequestBody) -> Result<Bytes, Problem> {
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {BODY_LIMIT} bytes");
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail).field("content-length"))
        }
        Err(error) => {
            let detail = format!("the body broke off: {error}");
            Err(refuse(StatusCode::BAD_REQUEST, "body-broke-off", detail).field("body"))
        }
    }
}

/// Takes the number out of `{"available": n}`, and names the member that is wrong.
fn available(body: &[u8]) -> Result<u32, Problem> {
    let bad =
        |field: &str, detail: String| Err(refuse(StatusCode::BAD_REQUEST, "bad-body", detail).field(field));
    let members = match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return bad("body", "expected an object such as {\"available\": 42}".into()),
        Err(error) => return bad("body", format!("not JSON: {error}")),
    };
    if let Some(unknown) = members.keys().find(|name| *name != "available") {
        return bad(unknown, format!("{unknown:?} is not known: there is only \"available\""));
    }
    let Some(given) = members.get("available") else {
        return bad("available", "\"available\" is missing".into());
    };
    match given.as_u64().and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => bad("available", format!("{given}: expected a whole number from 0 to {}", u32::MAX)),
    }
}

/// The caller has to change something.
fn refuse(status: StatusCode, kind: &str, detail: impl Into<String>) -> Problem {
    Problem::new(status, Fault::Client, kind, detail)
}

/// The database let us down: our fault, whatever was asked.
fn failed(error: StockError) -> Problem {
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    tracing::error!(%cause, "{error}");
    let (status, kind) = match error {
        StockError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "storage-full"),
        StockError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "database-unavailable"),
        StockError::Stopping(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        StockError::Broken(_) => (StatusCode::INTERNAL_SERVER_ERROR, "database-broken"),
    };
    Problem::new(status, Fault::Ours, kind, format!("{error}: {cause}"))
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(full(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
