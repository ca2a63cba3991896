//! Which path leads where: what `DispatcherServlet` does in the book.

use std::sync::Arc;

use bytes::Bytes;
use hop::http::server::{BodyError, RequestBody};
use hop::http::{Body, Exchange, Fault, Problem};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use journey::semconv::attribute;

use crate::shop::Shop;
use crate::{add_item, cart};

/// The largest body, in bytes. An honest one has fifty.
const BODY_LIMIT: u64 = 16 << 10;

/// What a request wants.
enum Wanted {
    AddItem,
    Cart,
    RemoveItem(String),
}

/// First where it leads and who sends it, then the body, then a worker: who sends slowly holds none, and of
/// who is not authenticated not even the body is read.
///
/// # Errors
/// A [`Problem`] for whatever stands in the way, in this order.
pub async fn handle(shop: Arc<Shop>, request: Request<RequestBody>) -> Result<Response<Body>, Box<Problem>> {
    let (head, body) = request.into_parts();
    let wanted = route(&head)?;
    let customer = shop.verifier.customer(&head.headers)?;
    let body = match wanted {
        Wanted::AddItem => body.read(BODY_LIMIT).await.map_err(broken)?,
        Wanted::Cart | Wanted::RemoveItem(_) => Bytes::new(),
    };
    let work = {
        let shop = Arc::clone(&shop);
        async move {
            match wanted {
                Wanted::AddItem => add_item::add_item(&shop, &customer, &head.headers, &body).await,
                Wanted::Cart => cart::get(&shop, &customer).await,
                Wanted::RemoveItem(id) => cart::remove(&shop, &customer, &id).await,
            }
        }
    };
    shop.workers.run(work).await
}

fn route(head: &Parts) -> Result<Wanted, Problem> {
    let (method, path) = (&head.method, head.uri.path());
    let template = match path {
        "/cart" => "/cart",
        "/cart/items" => "/cart/items",
        item if item.starts_with("/cart/items/") => "/cart/items/{id}",
        _ => {
            let detail = format!("there is nothing at {path}: this service has /cart and /cart/items");
            return Err(Problem::new(StatusCode::NOT_FOUND, Fault::Client, "no-such-path", detail));
        }
    };
    Exchange::current().attribute(attribute::HTTP_ROUTE, template);
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

fn not_allowed(method: &Method, path: &str, allowed: &'static str) -> Problem {
    let detail = format!("{path} does not understand {method}: it understands {allowed}");
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, Fault::Client, "method-not-allowed", detail).allow(allowed)
}

/// The rest of the body is not read, so no further request can follow on this connection.
fn broken(error: BodyError) -> Problem {
    error.problem().header(header::CONNECTION, HeaderValue::from_static("close"))
}
