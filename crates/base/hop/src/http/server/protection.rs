//! Overload protection around a handler, by tower, and what a client is told when it acts.

use std::sync::Arc;

use hyper::{Request, Response, StatusCode};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, service_fn};

use super::limits::Limits;
use super::request_body::RequestBody;
use crate::http::{Body, BoxError, Exchange, Fault, HandlerResult, Problem};

/// A handler with its protection around it; see [`protect`].
pub(super) type Handler = BoxCloneSyncService<Request<RequestBody>, Response<Body>, BoxError>;

/// Puts the overload protection around a handler: the one place where it is assembled.
///
/// From the outside in: refuse at once when full, count the requests inside, end those that take too long.
pub(super) fn protect<H, R>(hop: Arc<str>, limits: Limits, handler: H) -> Handler
where
    H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output: HandlerResult> + Send + 'static,
{
    let handler = service_fn(move |request: Request<RequestBody>| {
        let (handler, hop) = (handler.clone(), Arc::clone(&hop));
        // Within the time limit, so that its end does not hide who was waited for.
        exchange(&request).scope(async move { Ok::<_, BoxError>(handler(request).await.response_of(&hop)) })
    });
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(limits.requests)
            .timeout(limits.request_time)
            .service(handler),
    )
}

/// The exchange that the server put into a request's extensions, on its way through the protection.
fn exchange<B>(request: &Request<B>) -> Exchange {
    #[allow(clippy::expect_used, reason = "the server puts it there")]
    request.extensions().get::<Exchange>().cloned().expect("requests come through hop::http::Server")
}

pub(super) fn overloaded(limit: usize, what: &str) -> Problem {
    let detail = format!("{limit} {what} already: try again later");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, Fault::Ours, "overloaded", detail)
}

/// What tower's protection says, as a problem, and who is to blame for it.
pub(super) fn refusal(error: &BoxError, limits: Limits, exchange: &Exchange) -> Problem {
    let problem = |status, fault, kind, detail| Problem::new(status, fault, kind, detail);
    let time = limits.request_time;
    if error.is::<tower::load_shed::error::Overloaded>() {
        overloaded(limits.requests, "requests are being answered")
    } else if error.is::<tower::timeout::error::Elapsed>() {
        match exchange.awaited() {
            Some(Fault::Client) => {
                let detail = format!("the request's body did not come within {time:?}");
                problem(StatusCode::REQUEST_TIMEOUT, Fault::Client, "body-slow", detail)
            }
            Some(Fault::Upstream) => {
                let detail = format!("the upstreams gave no response within {time:?}");
                problem(StatusCode::GATEWAY_TIMEOUT, Fault::Upstream, "upstream-timeout", detail)
            }
            _ => {
                let detail = format!("no response within {time:?}");
                problem(StatusCode::GATEWAY_TIMEOUT, Fault::Ours, "timeout", detail)
            }
        }
    } else {
        problem(StatusCode::INTERNAL_SERVER_ERROR, Fault::Ours, "internal-error", error.to_string())
    }
}
