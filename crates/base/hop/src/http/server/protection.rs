//! Overload protection around a handler, and what a client is told when it acts.
//!
//! By hand and not by tower, whose layers are boxes that are cloned, moved and thrown away for each request.

use std::pin::Pin;
use std::sync::Arc;

use hyper::{Request, Response, StatusCode};
use tokio::sync::Semaphore;

use super::limits::Limits;
use super::request_body::RequestBody;
use crate::http::{Body, Exchange, Fault, HandlerResult, Problem};

type Handling = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A handler with its protection around it: refuses at once when full, counts the requests inside, ends those that take
/// too long.
pub(super) struct Protected {
    handler: Box<dyn Fn(Request<RequestBody>) -> Handling + Send + Sync>,
    free: Semaphore,
    limits: Limits,
}

impl Protected {
    pub(super) fn new<H, R>(hop: Arc<str>, limits: Limits, handler: H) -> Arc<Self>
    where
        H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output: HandlerResult> + Send + 'static,
    {
        let handler = move |request| -> Handling {
            let (handler, hop) = (handler.clone(), Arc::clone(&hop));
            // Called where it is to lie: what it returns has kilobytes, which are moved otherwise.
            Box::pin(async move { handler(request).await.response_of(&hop) })
        };
        let free = Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS));
        Arc::new(Protected { handler: Box::new(handler), free, limits })
    }

    pub(super) async fn call(&self, request: Request<RequestBody>) -> Result<Response<Body>, Box<Problem>> {
        let Ok(_permit) = self.free.try_acquire() else {
            return Err(Box::new(overloaded(self.limits.requests, "requests are being answered")));
        };
        let exchange = request.body().exchange.clone();
        let mut handling = (self.handler)(request);
        let scoped = exchange.clone().scope(handling.as_mut());
        let handled = tokio::time::timeout(self.limits.request_time, scoped).await;
        // The handler is still there: it says who is waited for.
        handled.map_err(|_| Box::new(late(self.limits, &exchange)))
    }
}

pub(super) fn overloaded(limit: usize, what: &str) -> Problem {
    let detail = format!("{limit} {what} already: try again later");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Ours, "overloaded", detail)
}

/// There was no response in time; who is to blame for it?
fn late(limits: Limits, exchange: &Exchange) -> Problem {
    let time = limits.request_time;
    match exchange.awaited() {
        Some(Fault::Client) => {
            let detail = format!("the request's body did not come within {time:?}");
            Problem::new(StatusCode::REQUEST_TIMEOUT, Fault::Client, "body-slow", detail)
        }
        Some(Fault::Upstream) => {
            let detail = format!("the upstreams gave no response within {time:?}");
            Problem::new(StatusCode::GATEWAY_TIMEOUT, Fault::Upstream, "upstream-timeout", detail)
        }
        _ => {
            let detail = format!("no response within {time:?}");
            Problem::new(StatusCode::GATEWAY_TIMEOUT, Fault::Ours, "timeout", detail)
        }
    }
}
