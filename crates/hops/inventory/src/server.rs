//! A request becomes a query and an answer.
//!
//! Nothing here knows which database it is; nothing in [`stock`](crate::stock) knows HTTP.
#![allow(
    clippy::result_large_err,
    reason = "a problem is made once per refused request and answered at once"
)]

use std::sync::Arc;

use hop::http::server::{Limits, Protocol, RequestBody, Server};
use hop::http::{Body, Exchange, Fault, Problem, empty, full};
use hop::{Hop, clock};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::body;
use crate::stock::{Change, Item, Name, ProductId, Released, Reservation, Stock, StockError, Taken};
use journey::semconv::attribute;

/// Connections served at once: a process commonly has 1024 descriptors, and the database needs some.
const CONNECTIONS: usize = 900;
/// `{"available": 4294967295}` is 25 bytes.
const BODY_LIMIT: usize = 4 << 10;
/// A list of [`LISTED`] ids of 64 bytes fits.
const LIST_LIMIT: usize = 128 << 10;
/// How many products one list shows.
const LISTED: u32 = 1_000;

/// Serves until the hop is told to stop and its requests are answered.
///
/// # Errors
/// None as yet: what fails, fails in one request and is told there.
pub async fn run(listener: TcpListener, stock: Stock, hop: Hop) -> anyhow::Result<()> {
    let service = Arc::new(Service { name: Arc::clone(&hop.name), stock });
    let server =
        Server::new(&hop, Limits { connections: CONNECTIONS, ..Limits::default() }, move |request| {
            let service = Arc::clone(&service);
            async move { service.answer(request).await }
        });
    hop.ready();
    hop::accept::run(listener, CONNECTIONS, &hop.shutdown, hop.drain, |stream, stop| {
        let stamps = stream.stamps();
        server.clone().serve(stream, Protocol::Http1, stamps, stop)
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
        let exchange = Exchange::current();
        let path = request.uri().path().to_owned();
        // The names of products and reservations need no escaping, so the path is what it looks like.
        let steps: Vec<&str> = path.split('/').skip(1).collect();
        let method = request.method().clone();
        let is_read = matches!(method, Method::GET | Method::HEAD);
        let route = |template| exchange.attribute(attribute::HTTP_ROUTE, template);
        let answered = match steps[..] {
            ["stock"] => {
                route("/stock");
                match method {
                    _ if is_read => self.list(&exchange).await,
                    _ => return self.only("GET, HEAD", &request),
                }
            }
            ["stock", product] => {
                route("/stock/{productId}");
                match method {
                    _ if is_read => self.show(product, &exchange).await,
                    Method::PUT => self.set(product, request, &exchange).await,
                    _ => return self.only("GET, HEAD, PUT", &request),
                }
            }
            ["stock", product, "reservations"] => {
                route("/stock/{productId}/reservations");
                match method {
                    Method::POST => self.reserve(product, request, &exchange).await,
                    _ => return self.only("POST", &request),
                }
            }
            ["stock", product, "reservations", id] => {
                route("/stock/{productId}/reservations/{id}");
                match method {
                    Method::DELETE => self.release(product, id, &exchange).await,
                    _ => return self.only("DELETE", &request),
                }
            }
            ["stock", product, "returns"] => {
                route("/stock/{productId}/returns");
                match method {
                    Method::POST => self.give_back(product, request, &exchange).await,
                    _ => return self.only("POST", &request),
                }
            }
            ["reservations"] => {
                route("/reservations");
                match method {
                    _ if is_read => self.held(request.uri().query(), &exchange).await,
                    _ => return self.only("GET, HEAD", &request),
                }
            }
            ["reservations", "confirmed"] => {
                route("/reservations/confirmed");
                match method {
                    Method::POST => self.confirm(request, &exchange).await,
                    _ => return self.only("POST", &request),
                }
            }
            _ => Err(refuse(
                StatusCode::NOT_FOUND,
                "no-such-path",
                format!("{path} is not here: there are /stock, /stock/{{productId}} and /reservations"),
            )),
        };
        answered.unwrap_or_else(|problem| problem.at(&self.name).into_response())
    }

    /// `GET /stock/{productId}`
    async fn show(&self, id: &str, exchange: &Exchange) -> Result<Response<Body>, Problem> {
        let product_id = product_id(id)?;
        let found = {
            let _querying = self.query(exchange, "SELECT");
            self.stock.find(&product_id).await.map_err(failed)?
        };
        let Some(available) = found else {
            return Err(unknown(&product_id));
        };
        Ok(json(StatusCode::OK, &Item { product_id, available }))
    }

    /// `PUT /stock/{productId}`; answers when the new number is on disk.
    async fn set(
        &self,
        product: &str,
        request: Request<RequestBody>,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Problem> {
        let product_id = product_id(product)?;
        let [available] = read(request, BODY_LIMIT, ["available"]).await?;
        let item = Item { product_id, available: body::number("available", &available, 0)? };
        let change = {
            let _querying = self.query(exchange, "UPSERT");
            self.stock.serving(exchange).set(item.clone()).await.map_err(failed)?
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
            let _querying = self.query(exchange, "SELECT");
            // One more than is shown tells whether there are more.
            self.stock.list(LISTED + 1).await.map_err(failed)?
        };
        let more = items.len() > LISTED as usize;
        items.truncate(LISTED as usize);
        Ok(json(StatusCode::OK, &List { items, more }))
    }

    /// `POST /stock/{productId}/reservations`: takes units, once for each id; answers when that is on disk.
    async fn reserve(
        &self,
        product: &str,
        request: Request<RequestBody>,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Problem> {
        let wanted = units(product, request, "reservationId").await?;
        let taken = {
            let _querying = self.query(exchange, "RESERVE");
            self.stock.serving(exchange).reserve(wanted.clone(), now()).await.map_err(failed)?
        };
        let Reservation { reservation_id, product_id, quantity } = &wanted;
        match taken {
            Taken::Now => Ok(json(StatusCode::CREATED, &wanted)),
            Taken::Before => Ok(json(StatusCode::OK, &wanted)),
            Taken::Unknown => Err(unknown(product_id)),
            Taken::TooFew(available) => {
                let detail = match available {
                    0 => format!("{product_id} is out of stock"),
                    _ => format!(
                        "{quantity} of {product_id} were asked for, but only {available} are available"
                    ),
                };
                Err(refuse(StatusCode::CONFLICT, "not-enough-stock", detail).field("quantity"))
            }
            Taken::Ended => {
                let detail = format!("{reservation_id} was given back: take under another id");
                Err(refuse(StatusCode::CONFLICT, "reservation-ended", detail).field("reservationId"))
            }
            Taken::Other => {
                let detail = format!("{reservation_id} was used for something else: take under another id");
                Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, "reservation-differs", detail)
                    .field("reservationId"))
            }
        }
    }

    /// `DELETE /stock/{productId}/reservations/{id}`: what is held goes back, and the id ends.
    async fn release(&self, product: &str, id: &str, exchange: &Exchange) -> Result<Response<Body>, Problem> {
        let (product, id) = (product_id(product)?, name("reservationId", id)?);
        let released = {
            let _querying = self.query(exchange, "RELEASE");
            self.stock.serving(exchange).release(id.clone(), product, now()).await.map_err(failed)?
        };
        match released {
            Released::Done => Ok(nothing()),
            Released::Confirmed => {
                let detail = format!("{id} is confirmed: POST to /returns what comes back from a cart");
                Err(refuse(StatusCode::CONFLICT, "reservation-confirmed", detail))
            }
        }
    }

    /// `POST /stock/{productId}/returns`: units come back out of a cart, once for each id.
    async fn give_back(
        &self,
        product: &str,
        request: Request<RequestBody>,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Problem> {
        let units = units(product, request, "returnId").await?;
        let first = {
            let _querying = self.query(exchange, "RETURN");
            self.stock.serving(exchange).give_back(units, now()).await.map_err(failed)?
        };
        let mut response = nothing();
        *response.status_mut() = if first { StatusCode::CREATED } else { StatusCode::OK };
        Ok(response)
    }

    /// `GET /reservations?heldMs=30000`: what has been held for at least so long.
    async fn held(&self, query: Option<&str>, exchange: &Exchange) -> Result<Response<Body>, Problem> {
        let time = match query {
            None => Some(0),
            Some(query) => query.strip_prefix("heldMs=").and_then(|time| time.parse::<u32>().ok()),
        };
        let Some(time) = time else {
            let detail = "expected ?heldMs= and a whole number of milliseconds";
            return Err(refuse(StatusCode::BAD_REQUEST, "bad-query", detail).field("heldMs"));
        };
        let mut held = {
            let _querying = self.query(exchange, "SELECT");
            self.stock.held(now() - i64::from(time), LISTED + 1).await.map_err(failed)?
        };
        let more = held.len() > LISTED as usize;
        held.truncate(LISTED as usize);
        Ok(json(StatusCode::OK, &Held { held, more }))
    }

    /// `POST /reservations/confirmed`: these are in carts.
    async fn confirm(
        &self,
        request: Request<RequestBody>,
        exchange: &Exchange,
    ) -> Result<Response<Body>, Problem> {
        let [ids] = read(request, LIST_LIMIT, ["reservationIds"]).await?;
        let ids = body::names("reservationIds", &ids, LISTED as usize)?;
        let _querying = self.query(exchange, "CONFIRM");
        self.stock.serving(exchange).confirm(ids, now()).await.map_err(failed)?;
        Ok(nothing())
    }

    /// Marks the time until the guard is dropped as the database's: a span, and `Server-Timing`.
    fn query(&self, exchange: &Exchange, operation: &'static str) -> impl Sized + use<> {
        // OpenTelemetry's names for database clients.
        exchange.attribute(attribute::DB_SYSTEM_NAME, self.stock.system());
        exchange.attribute(attribute::DB_OPERATION_NAME, operation);
        exchange.internal(self.stock.system())
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

/// The answer to `GET /reservations`.
#[derive(Serialize)]
struct Held {
    held: Vec<Reservation>,
    /// There are younger ones.
    more: bool,
}

/// So many of a product, under an id: the bodies of reservations and returns.
async fn units(
    product: &str,
    request: Request<RequestBody>,
    id: &'static str,
) -> Result<Reservation, Problem> {
    let product_id = product_id(product)?;
    let [given, quantity] = read(request, BODY_LIMIT, [id, "quantity"]).await?;
    let reservation_id = body::name(id, &given)?;
    Ok(Reservation { reservation_id, product_id, quantity: body::number("quantity", &quantity, 1)? })
}

/// Reads the request's body: JSON, with exactly these members.
async fn read<const N: usize>(
    request: Request<RequestBody>,
    limit: usize,
    members: [&'static str; N],
) -> Result<[Value; N], Problem> {
    body::check_content_type(request.headers())?;
    body::members(&body::read(request.into_body(), limit).await?, members)
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    i64::try_from(clock::now() / 1_000_000).unwrap_or(i64::MAX)
}

fn product_id(text: &str) -> Result<ProductId, Problem> {
    name("productId", text)
}

fn name(field: &'static str, text: &str) -> Result<Name, Problem> {
    text.parse().map_err(|expected| {
        let kind = if field == "productId" { "bad-product-id" } else { "bad-id" };
        refuse(StatusCode::BAD_REQUEST, kind, format!("{text:?}: {expected}")).field(field)
    })
}

fn unknown(product_id: &ProductId) -> Problem {
    let detail = format!("there is no product {product_id}: PUT its number first");
    refuse(StatusCode::NOT_FOUND, "unknown-product", detail).field("productId")
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The caller has to change something.
pub(crate) fn refuse(status: StatusCode, kind: &str, detail: impl Into<String>) -> Problem {
    Problem::new(status, Fault::Client, kind, detail)
}

/// The database let us down: our fault, whatever was asked.
fn failed(error: StockError) -> Problem {
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    hop::error_throttled!(%cause, "{error}");
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
