//! A request becomes an operation on the stock, and its outcome a response.
//!
//! Nothing here knows which database it is; nothing in [`stock`](crate::stock) knows HTTP.

use hop::clock;
use hop::http::server::RequestBody;
use hop::http::{Body, Exchange, Problem, empty, json};
use hyper::{Method, Request, Response, StatusCode};
use journey::semconv::attribute;
use serde::Serialize;

use crate::body;
use crate::problem::{failed, refuse, unknown_product};
use crate::stock::{Change, Item, Name, ProductId, Released, Reservation, Stock, Taken};

/// `{"available": 4294967295}` is 25 bytes.
const BODY_LIMIT: u64 = 4 << 10;
/// A list of [`LISTED`] ids of 64 bytes fits.
const LIST_LIMIT: u64 = 128 << 10;
/// How many products one list shows.
const LISTED: u32 = 1_000;

type Handled = Result<Response<Body>, Box<Problem>>;

pub(crate) struct Handlers {
    stock: Stock,
}

impl Handlers {
    pub(crate) fn new(stock: Stock) -> Self {
        Handlers { stock }
    }

    pub(crate) async fn handle(&self, request: Request<RequestBody>) -> Handled {
        let (path, method) = (request.uri().path().to_owned(), request.method().clone());
        let is_read = matches!(method, Method::GET | Method::HEAD);
        let route = |template| Exchange::current().attribute(attribute::HTTP_ROUTE, template);
        // The names of products and reservations need no escaping, so the path is what it looks like.
        let steps: Vec<&str> = path.split('/').skip(1).collect();
        let allowed = match steps[..] {
            ["stock"] => {
                route("/stock");
                match method {
                    _ if is_read => return self.list().await,
                    _ => "GET, HEAD",
                }
            }
            ["stock", product] => {
                route("/stock/{productId}");
                match method {
                    _ if is_read => return self.show(product).await,
                    Method::PUT => return self.set(product, request).await,
                    _ => "GET, HEAD, PUT",
                }
            }
            ["stock", product, "reservations"] => {
                route("/stock/{productId}/reservations");
                match method {
                    Method::POST => return self.reserve(product, request).await,
                    _ => "POST",
                }
            }
            ["stock", product, "reservations", id] => {
                route("/stock/{productId}/reservations/{id}");
                match method {
                    Method::DELETE => return self.release(product, id).await,
                    _ => "DELETE",
                }
            }
            ["stock", product, "returns"] => {
                route("/stock/{productId}/returns");
                match method {
                    Method::POST => return self.restock(product, request).await,
                    _ => "POST",
                }
            }
            ["reservations"] => {
                route("/reservations");
                match method {
                    _ if is_read => return self.held(request.uri().query()).await,
                    _ => "GET, HEAD",
                }
            }
            ["reservations", "confirmed"] => {
                route("/reservations/confirmed");
                match method {
                    Method::POST => return self.confirm(request).await,
                    _ => "POST",
                }
            }
            _ => {
                let detail =
                    format!("{path} is not here: there are /stock, /stock/{{productId}} and /reservations");
                return Err(refuse(StatusCode::NOT_FOUND, "no-such-path", detail).into());
            }
        };
        // The path is right, the method is not: the response must name those that are (RFC 9110 §15.5.6).
        let detail = format!("{method} can't be used on {path}: {allowed}");
        Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail).allow(allowed).into())
    }

    /// `GET /stock/{productId}`
    async fn show(&self, id: &str) -> Handled {
        let product_id = product_id(id)?;
        let found = {
            let _querying = self.query("SELECT");
            self.stock.find(&product_id).await.map_err(failed)?
        };
        let available = found.ok_or_else(|| unknown_product(&product_id))?;
        Ok(json(StatusCode::OK, &Item { product_id, available }))
    }

    /// `PUT /stock/{productId}`; responds when the new number is on disk.
    async fn set(&self, product: &str, request: Request<RequestBody>) -> Handled {
        let product_id = product_id(product)?;
        let [available] = body::members(request, BODY_LIMIT, ["available"]).await?;
        let item = Item { product_id, available: body::number("available", &available, 0)? };
        let change = {
            let _querying = self.query("UPSERT");
            self.stock.set(item.clone()).await.map_err(failed)?
        };
        let status = match change {
            Change::Created => StatusCode::CREATED,
            Change::Replaced => StatusCode::OK,
        };
        Ok(json(status, &item))
    }

    /// `GET /stock`
    async fn list(&self) -> Handled {
        let mut items = {
            let _querying = self.query("SELECT");
            // One more than is shown tells whether there are more.
            self.stock.list(LISTED + 1).await.map_err(failed)?
        };
        let more = items.len() > LISTED as usize;
        items.truncate(LISTED as usize);
        Ok(json(StatusCode::OK, &List { items, more }))
    }

    /// `POST /stock/{productId}/reservations`: takes units, once for each id; responds when that is on disk.
    async fn reserve(&self, product: &str, request: Request<RequestBody>) -> Handled {
        let wanted = units(product, request, "reservationId").await?;
        let taken = {
            let _querying = self.query("RESERVE");
            self.stock.reserve(wanted.clone(), now()).await.map_err(failed)?
        };
        let Reservation { reservation_id, product_id, quantity } = &wanted;
        let problem = match taken {
            Taken::Now => return Ok(json(StatusCode::CREATED, &wanted)),
            Taken::Before => return Ok(json(StatusCode::OK, &wanted)),
            Taken::Unknown => unknown_product(product_id),
            Taken::TooFew(available) => {
                let detail = match available {
                    0 => format!("{product_id} is out of stock"),
                    _ => format!(
                        "{quantity} of {product_id} were asked for, but only {available} are available"
                    ),
                };
                refuse(StatusCode::CONFLICT, "not-enough-stock", detail).field("quantity")
            }
            Taken::Ended => {
                let detail = format!("{reservation_id} was given back: take under another id");
                refuse(StatusCode::CONFLICT, "reservation-ended", detail).field("reservationId")
            }
            Taken::Other => {
                let detail = format!("{reservation_id} was used for something else: take under another id");
                refuse(StatusCode::UNPROCESSABLE_ENTITY, "reservation-differs", detail).field("reservationId")
            }
        };
        Err(problem.into())
    }

    /// `DELETE /stock/{productId}/reservations/{id}`: what is held goes back, and the id ends.
    async fn release(&self, product: &str, id: &str) -> Handled {
        let (product, id) = (product_id(product)?, name("reservationId", "bad-id", id)?);
        let released = {
            let _querying = self.query("RELEASE");
            self.stock.release(id.clone(), product, now()).await.map_err(failed)?
        };
        match released {
            Released::Done => Ok(no_content()),
            Released::Confirmed => {
                let detail = format!("{id} is confirmed: POST to /returns what comes back from a cart");
                Err(refuse(StatusCode::CONFLICT, "reservation-confirmed", detail).into())
            }
        }
    }

    /// `POST /stock/{productId}/returns`: units come back out of a cart, once for each id.
    async fn restock(&self, product: &str, request: Request<RequestBody>) -> Handled {
        let units = units(product, request, "returnId").await?;
        let first = {
            let _querying = self.query("RETURN");
            self.stock.restock(units, now()).await.map_err(failed)?
        };
        let mut response = no_content();
        *response.status_mut() = if first { StatusCode::CREATED } else { StatusCode::OK };
        Ok(response)
    }

    /// `GET /reservations?heldMs=30000`: what has been held for at least so long.
    async fn held(&self, query: Option<&str>) -> Handled {
        let time = match query {
            None => Some(0),
            Some(query) => query.strip_prefix("heldMs=").and_then(|time| time.parse::<u32>().ok()),
        };
        let Some(time) = time else {
            let detail = "expected ?heldMs= and a whole number of milliseconds";
            return Err(refuse(StatusCode::BAD_REQUEST, "bad-query", detail).field("heldMs").into());
        };
        let mut held = {
            let _querying = self.query("SELECT");
            self.stock.held(now() - i64::from(time), LISTED + 1).await.map_err(failed)?
        };
        let more = held.len() > LISTED as usize;
        held.truncate(LISTED as usize);
        Ok(json(StatusCode::OK, &Held { held, more }))
    }

    /// `POST /reservations/confirmed`: these are in carts.
    async fn confirm(&self, request: Request<RequestBody>) -> Handled {
        let [ids] = body::members(request, LIST_LIMIT, ["reservationIds"]).await?;
        let ids = body::names("reservationIds", &ids, LISTED as usize)?;
        let _querying = self.query("CONFIRM");
        self.stock.confirm(ids, now()).await.map_err(failed)?;
        Ok(no_content())
    }

    /// Marks the time until the guard is dropped as the database's: a span, and `Server-Timing`.
    fn query(&self, operation: &'static str) -> impl Sized + use<> {
        let system = self.stock.system();
        Exchange::current()
            .internal(system)
            .with(attribute::DB_SYSTEM_NAME, system)
            .with(attribute::DB_OPERATION_NAME, operation)
    }
}

/// The body of `GET /stock`.
#[derive(Serialize)]
struct List {
    items: Vec<Item>,
    /// There are products after these.
    more: bool,
}

/// The body of `GET /reservations`.
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
) -> Result<Reservation, Box<Problem>> {
    let product_id = product_id(product)?;
    let [given, quantity] = body::members(request, BODY_LIMIT, [id, "quantity"]).await?;
    let reservation_id = body::name(id, &given)?;
    Ok(Reservation { reservation_id, product_id, quantity: body::number("quantity", &quantity, 1)? })
}

fn product_id(text: &str) -> Result<ProductId, Box<Problem>> {
    name("productId", "bad-product-id", text)
}

/// A name in a path.
fn name(field: &str, kind: &str, text: &str) -> Result<Name, Box<Problem>> {
    let wrong = |expected| refuse(StatusCode::BAD_REQUEST, kind, format!("{text:?}: {expected}"));
    text.parse().map_err(|expected: &str| wrong(expected).field(field).into())
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    i64::try_from(clock::now() / 1_000_000).unwrap_or(i64::MAX)
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
