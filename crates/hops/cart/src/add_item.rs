//! `POST /cart/items`: what happens when someone clicks "Add to Cart".
//!
//! The steps are those of the book's controller, in its order, and each shows up under its own name in the response's
//! `Server-Timing` and in the journey.

use hop::http::{Body, Exchange, Fault, Problem, content_type};
use hop::trace;
use hop::upstream::Failure;
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use reliability::idempotency::{self, Claim, Claimed, SavedResponse};
use reliability::{Message, reservations};
use serde_json::json;

use crate::auth::Customer;
use crate::event::Event;
use crate::item::{self, AddItem, ProductId};
use crate::shop::Shop;

/// Adds an item to the caller's cart. A request that is sent again with its `Idempotency-Key` gets the response that it
/// got, or would have got, the first time.
///
/// # Errors
/// A [`Problem`] for whatever stands in the way, in the order of the steps.
pub async fn add_item(
    shop: &Shop,
    customer: &Customer,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response<Body>, Box<Problem>> {
    // Validate input.
    let validating = Exchange::current().internal("validate");
    content_type::require(headers, content_type::JSON)?;
    let wanted = item::parse(body)?;
    let key = idempotency::key(headers)?;
    drop(validating);

    // The same request as before?
    let Some(key) = key else { return add(shop, customer, &wanted, None).await };
    let fingerprint = format!("POST /cart/items {} {}", wanted.product, wanted.quantity);
    match Claim::acquire(&shop.carts.redis, customer.as_str(), &key, &fingerprint).await? {
        Claimed::Done(response) => repeat(shop, customer, &response).await,
        Claimed::Ours(claim) => {
            let added = add(shop, customer, &wanted, Some(&claim)).await;
            if let Err(problem) = &added {
                claim.refuse(&shop.carts.redis, problem, &shop.name).await;
            }
            added
        }
    }
}

async fn add(
    shop: &Shop,
    customer: &Customer,
    wanted: &AddItem,
    claim: Option<&Claim>,
) -> Result<Response<Body>, Box<Problem>> {
    let AddItem { product, quantity } = wanted;

    // Check inventory (over HTTP), and take the units in the same request: from here on nobody else gets them.
    let reservation = reservations::new_name();
    shop.inventory.reserve(product, *quantity, &reservation).await?;

    // Update cart in Redis: with the cart, the event goes into the outbox, and the response into its record.
    let span_id = trace::new_span_id();
    let event = Event::now("item-added", customer, product, i64::try_from(*quantity).unwrap_or(i64::MAX));
    let message = Message::new(event, Exchange::current().traceparent(span_id));
    let response = created(customer, product);
    let claim = claim.map(|claim| (claim, &response));
    let appended = match shop.carts.add(customer, &reservation, &message, claim).await {
        Ok(Some(appended)) => appended,
        Ok(None) => {
            give_up(shop, product, &reservation).await;
            return Err(lost().into());
        }
        Err(failure) => {
            if failure.had_no_effect() {
                give_up(shop, product, &reservation).await;
            }
            return Err(not_stored(&failure).into());
        }
    };
    shop.reservations.kept(reservation);

    // Publish event to Kafka.
    let published = shop.outbox.publish(shop.upstreams(), span_id, customer.as_str(), appended).await;
    published.map_err(|failure| not_published(&message.event, &failure))?;

    // Return response: item and event are both acknowledged.
    let _responding = Exchange::current().internal("respond");
    Ok(response.response())
}

/// The request landed before. Its response is given again, once its event is where the response says it is.
async fn repeat(
    shop: &Shop,
    customer: &Customer,
    response: &SavedResponse,
) -> Result<Response<Body>, Box<Problem>> {
    let published = shop.outbox.flush(shop.upstreams(), customer.as_str()).await;
    published.map_err(|failure| {
        failure.problem("The item is in the cart; its event is published as soon as Kafka is back")
    })?;
    Ok(response.response())
}

fn created(customer: &Customer, product: &ProductId) -> SavedResponse {
    let item_id = product.item_id();
    let location = format!("/cart/items/{item_id}");
    let body = json!({"cartId": customer.cart_id(), "itemId": item_id, "productId": product.as_str()});
    SavedResponse { status: StatusCode::CREATED.as_u16(), location: Some(location), body: body.to_string() }
}

/// It is certain that the cart did not keep the units: they go back now, and not when the relay finds them.
async fn give_up(shop: &Shop, product: &ProductId, reservation: &str) {
    if let Err(problem) = shop.inventory.cancel(product.as_str(), reservation).await {
        tracing::debug!(reservation, "release a reservation: {}", problem.detail);
    }
}

/// This request took so long that another pod has ended its reservation or taken over its claim.
fn lost() -> Problem {
    let detail = "the request took so long that others took it for dead. Nothing was added by it: try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Ours, "too-slow", detail).retry_after(1)
}

/// Redis did not confirm the item.
fn not_stored(failure: &Failure) -> Problem {
    hop::warn_throttled!("store an item: {}", failure.describe());
    let meaning = if failure.had_no_effect() {
        "Nothing was added: try again later"
    } else {
        "The item may or may not be in the cart: look (GET /cart) before you try again"
    };
    failure.problem(meaning).retry_after(1)
}

/// Redis has the item and the event, Kafka did not confirm the event. It will be published, but a 201 would say that it
/// has been.
fn not_published(event: &Event, failure: &Failure) -> Problem {
    let Event { event_id, cart_id, item_id, .. } = event;
    hop::warn_throttled!(event_id, cart_id, item_id, "publish an event: {}", failure.describe());
    failure.problem(
        "The item is in the cart, and its event is published as soon as Kafka is back. Trying again \
         without the same Idempotency-Key would add the item a second time: look (GET /cart) first",
    )
}
