//! `POST /cart/items`: what happens when someone clicks "Add to Cart".
//!
//! The steps are those of the book's controller, in its order, and each shows up under its own name in the
//! answer's `Server-Timing` and in the journey.

use std::sync::Arc;

use hop::http::{Body, Exchange, Fault, Problem};
use hop::{clock, trace};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::auth::Customer;
use crate::event::Event;
use crate::idempotency::{self, Answer, Claim, Claimed};
use crate::item::{self, AddItem, ProductId};
use crate::outbox::Outgoing;
use crate::redis::{Added, Addition};
use crate::refusal::Refusal;
use crate::server::{Received, Shop};
use crate::wire::Failure;

/// The answer's body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CartItem {
    cart_id: String,
    item_id: String,
    product_id: String,
}

/// Adds an item to the caller's cart. A request that is sent again with its `Idempotency-Key` gets the answer
/// that it got, or would have got, the first time.
///
/// # Errors
/// A [`Refusal`] for whatever stands in the way, in the order of the steps.
pub async fn add_item(
    shop: Arc<Shop>,
    request: Received,
    exchange: Exchange,
) -> Result<Response<Body>, Refusal> {
    let customer = request.customer;

    // Validate input.
    let (wanted, key) = {
        let _doing = exchange.internal("validate");
        item::check_content_type(&request.head.headers)?;
        (item::parse(&request.body)?, idempotency::key(&request.head.headers)?)
    };

    // The same request as before?
    let Some(key) = key else { return add(&shop, &exchange, &customer, &wanted, None).await };
    let claimed = {
        let _asking = Asking::begin(&exchange, "idempotency");
        let text = format!("POST /cart/items {} {}", wanted.product, wanted.quantity);
        Claim::stake(&shop.redis, &exchange, &customer, &key, &text).await?
    };
    match claimed {
        Claimed::Answered(answer) => again(&shop, &exchange, &customer, &answer).await,
        Claimed::Ours(claim) => {
            let added = add(&shop, &exchange, &customer, &wanted, Some(&claim)).await;
            if let Err(refusal) = &added {
                claim.refused(&shop.redis, &exchange, refusal, &shop.name).await;
            }
            added
        }
    }
}

async fn add(
    shop: &Shop,
    exchange: &Exchange,
    customer: &Customer,
    wanted: &AddItem,
    claim: Option<&Claim>,
) -> Result<Response<Body>, Refusal> {
    let AddItem { product, quantity } = wanted;

    // Check inventory (over HTTP), and take the units in the same breath: from here on nobody else gets them.
    let reservation = format!("{:032x}", rand::random::<u128>());
    {
        let _asking = Asking::begin(exchange, "inventory");
        shop.inventory.reserve(exchange, product, *quantity, &reservation).await?;
    }

    // Update cart in Redis: with the cart, the event goes into the outbox, and the answer into its record.
    let quantity = i64::try_from(*quantity).unwrap_or(i64::MAX);
    let span_id = trace::new_span_id();
    let event = Event::now("item-added", customer, product, quantity);
    let outgoing = Outgoing::new(event, exchange.traceparent(span_id));
    let answer = created(customer, product);
    let addition = Addition {
        customer,
        product,
        quantity,
        reservation: &reservation,
        outgoing: &outgoing,
        answer: claim.map(|claim| (claim, claim.answered(&answer))),
    };
    let added = {
        let _asking = Asking::begin(exchange, "redis");
        shop.redis.add(exchange, &addition).await
    };
    let queued = match added {
        Ok(Added::Kept(queued)) => *queued,
        Ok(Added::Lost) => {
            give_up(shop, exchange, product, &reservation).await;
            return Err(lost());
        }
        Err(failure) => {
            if failure.had_no_effect() {
                give_up(shop, exchange, product, &reservation).await;
            }
            return Err(not_stored(&failure));
        }
    };
    shop.outbox.keep([reservation]);

    // Publish event to Kafka.
    let published = {
        let _asking = Asking::begin(exchange, "kafka");
        shop.outbox.tell(shop.means(exchange), span_id, customer.as_str(), queued).await
    };
    published.map_err(|failure| not_told(&outgoing.event, &failure))?;

    // Return response: item and event are both acknowledged.
    let _doing = exchange.internal("answer");
    Ok(answer.response())
}

/// The request landed before. Its answer is given again, once its event is where the answer says it is.
async fn again(
    shop: &Shop,
    exchange: &Exchange,
    customer: &Customer,
    answer: &Answer,
) -> Result<Response<Body>, Refusal> {
    let _asking = Asking::begin(exchange, "kafka");
    let told = shop.outbox.clear(shop.means(exchange), customer.as_str()).await;
    told.map_err(|failure| {
        failure.problem("The item is in the cart; its event is published as soon as Kafka is back")
    })?;
    Ok(answer.response())
}

fn created(customer: &Customer, product: &ProductId) -> Answer {
    let item_id = product.item_id();
    let location = format!("/cart/items/{item_id}");
    let body = CartItem { cart_id: customer.cart_id(), item_id, product_id: product.to_string() };
    let body = serde_json::to_string(&body).unwrap_or_default();
    Answer { status: StatusCode::CREATED.as_u16(), location: Some(location), body }
}

/// It is certain that the cart did not keep the units: they go back now, and not when the relay finds them.
async fn give_up(shop: &Shop, exchange: &Exchange, product: &ProductId, reservation: &str) {
    if let Err(refusal) = shop.inventory.release(exchange, product.as_str(), reservation).await {
        tracing::debug!(reservation, "release a reservation: {}", refusal.problem.detail);
    }
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

/// This request took so long that others took it for dead.
fn lost() -> Refusal {
    let detail = "the request took so long that others took it for dead. Nothing was added by it: try again";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Ours, "too-slow", detail);
    Refusal::from(problem).retry_after(1)
}

/// Redis did not confirm the item.
fn not_stored(failure: &Failure) -> Refusal {
    hop::warn_throttled!("store an item: {}", failure.describe());
    Refusal::from(failure.problem(if failure.had_no_effect() {
        "Nothing was added: try again later"
    } else {
        "The item may or may not be in the cart: look (GET /cart) before you try again"
    }))
    .retry_after(1)
}

/// Redis has the item and the event, Kafka did not confirm the event. It will be told, but a 201 would say
/// that it has been.
fn not_told(event: &Event, failure: &Failure) -> Refusal {
    let Event { event_id, cart_id, item_id, .. } = event;
    hop::warn_throttled!(event_id, cart_id, item_id, "publish an event: {}", failure.describe());
    failure
        .problem(
            "The item is in the cart, and its event is published as soon as Kafka is back. Trying again \
             without the same Idempotency-Key would add the item a second time: look (GET /cart) first",
        )
        .into()
}
