//! Looking at a cart (`GET /cart`), and taking an item out of it (`DELETE /cart/items/{id}`).

use std::sync::Arc;

use hop::http::{Body, Exchange, Fault, Problem, empty};
use hop::trace;
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::add_item::Asking;
use crate::auth::Customer;
use crate::event::Event;
use crate::item::ProductId;
use crate::outbox::Outgoing;
use crate::redis::Removal;
use crate::refusal::Refusal;
use crate::returns::Return;
use crate::server::{Shop, json};
use crate::wire::Failure;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cart {
    cart_id: String,
    items: Vec<Line>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    item_id: String,
    product_id: String,
    quantity: i64,
}

/// The caller's cart. Everyone has one; at first it is empty.
///
/// # Errors
/// 503 when Redis does not answer.
pub async fn get(shop: Arc<Shop>, customer: Customer, exchange: Exchange) -> Result<Response<Body>, Refusal> {
    let lines = {
        let _asking = Asking::begin(&exchange, "redis");
        shop.redis.lines(&exchange, &customer).await
    };
    let lines = lines.map_err(|failure| {
        hop::warn_throttled!("read a cart: {}", failure.describe());
        Refusal::from(failure.problem("Nothing was changed: try again later")).retry_after(1)
    })?;

    let _doing = exchange.internal("answer");
    let line = |(product, quantity): (ProductId, i64)| Line {
        item_id: product.item_id(),
        product_id: product.to_string(),
        quantity,
    };
    let items = lines.into_iter().map(line).collect();
    Ok(json(StatusCode::OK, &Cart { cart_id: customer.cart_id(), items }))
}

/// Takes an item out, however many there are, and tells Kafka.
///
/// # Errors
/// 404 when it is not in the cart; 503 when Redis or Kafka do not confirm.
pub async fn remove(
    shop: Arc<Shop>,
    customer: Customer,
    item_id: String,
    exchange: Exchange,
) -> Result<Response<Body>, Refusal> {
    let absent = || {
        let detail = format!("there is no {item_id} in the cart");
        Refusal::from(Problem::new(StatusCode::NOT_FOUND, Fault::Client, "no-such-item", detail))
    };
    let product = ProductId::of_item(&item_id).ok_or_else(absent)?;

    // Removing twice is the same as removing once, so trying again is always safe.
    let again = |failure: Failure| {
        hop::warn_throttled!("remove an item: {}", failure.describe());
        Refusal::from(failure.problem("Whether the item was removed is not confirmed: try again"))
            .retry_after(1)
    };
    let span_id = trace::new_span_id();
    let outgoing = |quantity| {
        let event = Event::now("item-removed", &customer, &product, quantity);
        Outgoing::new(event, exchange.traceparent(span_id))
    };
    let removed = {
        let _asking = Asking::begin(&exchange, "redis");
        shop.redis.remove(&exchange, &customer, &product, outgoing).await
    };
    let Removal { queued, returned } = removed.map_err(again)?.ok_or_else(absent)?;

    // The units go back to the stock in the background.
    shop.returns.bring(Return { place: returned, event: queued.entry.outgoing.event.clone() });
    let published = {
        let _asking = Asking::begin(&exchange, "kafka");
        shop.outbox.tell(shop.means(&exchange), span_id, customer.as_str(), queued).await
    };
    published.map_err(|failure| {
        hop::warn_throttled!(cart_id = customer.cart_id(), "publish an event: {}", failure.describe());
        failure.problem("The item is out of the cart; its event is published as soon as Kafka is back")
    })?;

    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
