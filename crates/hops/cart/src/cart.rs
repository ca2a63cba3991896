//! Looking at a cart (`GET /cart`), and taking an item out of it (`DELETE /cart/items/{id}`).

use hop::http::{self, Body, Exchange, Fault, Problem, empty};
use hop::trace;
use hop::upstream::Failure;
use hyper::{Response, StatusCode};
use reliability::Message;
use serde_json::{Value, json};

use crate::auth::Customer;
use crate::carts::Removal;
use crate::event::Event;
use crate::item::ProductId;
use crate::shop::Shop;

/// The caller's cart. Everyone has one; at first it is empty.
///
/// # Errors
/// 503 when Redis does not respond.
pub async fn get(shop: &Shop, customer: &Customer) -> Result<Response<Body>, Box<Problem>> {
    let lines = shop.carts.lines(customer).await.map_err(|failure| {
        hop::warn_throttled!("read a cart: {}", failure.describe());
        failure.problem("Nothing was changed: try again later").retry_after(1)
    })?;

    let _responding = Exchange::current().internal("respond");
    let line = |(product, quantity): (ProductId, i64)| json!({"itemId": product.item_id(), "productId": product.as_str(), "quantity": quantity});
    let items: Vec<Value> = lines.into_iter().map(line).collect();
    Ok(http::json(StatusCode::OK, &json!({"cartId": customer.cart_id(), "items": items})))
}

/// Takes an item out, however many there are, and tells Kafka.
///
/// # Errors
/// 404 when it is not in the cart; 503 when Redis or Kafka do not confirm.
pub async fn remove(shop: &Shop, customer: &Customer, item_id: &str) -> Result<Response<Body>, Box<Problem>> {
    let absent = || {
        let detail = format!("there is no {item_id} in the cart");
        Problem::new(StatusCode::NOT_FOUND, Fault::Client, "no-such-item", detail)
    };
    let product = ProductId::of_item(item_id).ok_or_else(absent)?;

    // Removing twice is the same as removing once, so trying again is always safe.
    let unconfirmed = |failure: Failure| {
        hop::warn_throttled!("remove an item: {}", failure.describe());
        failure.problem("Whether the item was removed is not confirmed: try again").retry_after(1)
    };
    let span_id = trace::new_span_id();
    let message = |quantity| {
        let event = Event::now("item-removed", customer, &product, quantity);
        Message::new(event, Exchange::current().traceparent(span_id))
    };
    let removed = shop.carts.remove(customer, &product, message).await;
    let Removal { appended, returned } = removed.map_err(unconfirmed)?.ok_or_else(absent)?;

    // The units go back to the stock in the background.
    shop.returns.add(returned, appended.message.event.clone());
    let published = shop.outbox.publish(shop.upstreams(), span_id, customer.as_str(), appended).await;
    published.map_err(|failure| {
        hop::warn_throttled!(cart_id = customer.cart_id(), "publish an event: {}", failure.describe());
        failure.problem("The item is out of the cart; its event is published as soon as Kafka is back")
    })?;

    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
