//! `POST /cart/items`: what happens when someone clicks "Add to Cart".
//!
//! The steps are those of the book's controller, in its order, and each shows up under its own name in the
//! answer's `Server-Timing` and in the journey.

use std::sync::Arc;

use hop::clock;
use hop::http::{Body, Exchange};
use hyper::{Response, StatusCode, header};
use serde::Serialize;

use crate::auth::Customer;
use crate::event::Event;
use crate::item::{self, AddItem};
use crate::redis::Added;
use crate::refusal::Refusal;
use crate::server::{Received, Shop, json};
use crate::wire::Failure;

/// The answer's body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CartItem {
    cart_id: String,
    item_id: String,
    product_id: String,
}

/// Adds an item to the caller's cart.
///
/// # Errors
/// A [`Refusal`] for whatever stands in the way, in the order of the steps.
pub async fn add_item(
    shop: Arc<Shop>,
    request: Received,
    exchange: Exchange,
) -> Result<Response<Body>, Refusal> {
    // Who asks? Before anything is said about the body.
    let customer = shop.authenticate(&request.head.headers, &exchange)?;

    // Validate input.
    let wanted = {
        let _doing = exchange.internal("validate");
        item::check_content_type(&request.head.headers)?;
        item::parse(&request.body?)?
    };
    let AddItem { product, quantity } = &wanted;
    let quantity = i64::try_from(*quantity).unwrap_or(i64::MAX);

    // Check inventory (over HTTP). The stock is asked for, not reserved: that is for the order to do.
    let available = {
        let _asking = Asking::begin(&exchange, "inventory");
        shop.inventory.available(&exchange, product).await?
    };
    if quantity > available {
        return Err(too_many(&wanted, available, 0));
    }

    // Update cart in Redis.
    let added = {
        let _asking = Asking::begin(&exchange, "redis");
        shop.redis.add(&exchange, &customer, product, quantity, available).await
    };
    if let Added::TooMany { in_cart } = added.map_err(|failure| not_stored(&failure))? {
        return Err(too_many(&wanted, available, in_cart));
    }

    // Publish event to Kafka.
    let event = Event::now("item-added", &customer, product, quantity);
    let published = {
        let _asking = Asking::begin(&exchange, "kafka");
        shop.kafka.publish(&exchange, &event).await
    };
    published.map_err(|failure| not_told(&event, &failure))?;

    // Return response: item and event are both acknowledged.
    let _doing = exchange.internal("answer");
    Ok(created(&customer, &wanted))
}

fn created(customer: &Customer, AddItem { product, .. }: &AddItem) -> Response<Body> {
    let item_id = product.item_id();
    let location = header::HeaderValue::from_str(&format!("/cart/items/{item_id}"));
    let body = CartItem { cart_id: customer.cart_id(), item_id, product_id: product.to_string() };
    let mut response = json(StatusCode::CREATED, &body);
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A neighbour is being asked; when this is dropped, `Server-Timing` says how long it took in all, as this
/// program saw it. (The exact times of each exchange are in the CLIENT spans.)
pub(crate) struct Asking<'a> {
    exchange: &'a Exchange,
    whom: &'static str,
    begun: u64,
}

impl<'a> Asking<'a> {
    pub(crate) fn begin(exchange: &'a Exchange, whom: &'static str) -> Self {
        Asking { exchange, whom, begun: clock::now() }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.exchange.timing(self.whom, clock::now().saturating_sub(self.begun));
    }
}

fn too_many(wanted: &AddItem, available: i64, in_cart: i64) -> Refusal {
    let AddItem { product, quantity } = wanted;
    let detail = match (available, in_cart) {
        (..=0, _) => format!("{product} is out of stock"),
        (_, 0) => format!("{quantity} of {product} were asked for, but only {available} are available"),
        _ => format!(
            "{quantity} more of {product} would make {}, but only {available} are available",
            in_cart.saturating_add_unsigned(*quantity)
        ),
    };
    Refusal::client(StatusCode::CONFLICT, "not-enough-stock", "quantity", detail)
}

/// Redis did not confirm the item.
fn not_stored(failure: &Failure) -> Refusal {
    tracing::warn!("store an item: {}", failure.describe());
    Refusal::from(failure.problem(if failure.had_no_effect() {
        "Nothing was added: try again later"
    } else {
        "The item may or may not be in the cart: look (GET /cart) before you try again"
    }))
    .retry_after(1)
}

/// Redis has the item, Kafka did not confirm the event. Undoing the first could fail just the same, so the
/// caller is told how things are.
fn not_told(event: &Event, failure: &Failure) -> Refusal {
    let Event { event_id, cart_id, item_id, .. } = event;
    tracing::warn!(event_id, cart_id, item_id, "publish an event: {}", failure.describe());
    failure
        .problem(
            "The item is in the cart, but the event that tells others of it is not confirmed. \
             Trying again would add the item a second time: look (GET /cart) first",
        )
        .into()
}
