//! The life of one request in the load balancer: is it acceptable, who gets it, what came back, and
//! if nothing did: may someone else be asked?

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper::header;
use hyper::http::request;
use hyper::{HeaderMap, Request, Response, StatusCode};

use hop::clock;
use hop::http::acceptable::about_the_server;
use hop::http::ahead::read_ahead;
use hop::http::client::ClientError;
use hop::http::forward::{Place, Via, authority, ends_here, outgoing, trailers};
use hop::http::server::{BodyError, Pace, RequestBody};
use hop::http::{Body, Client, Exchange, Fault, Problem, empty, full};

use crate::config::Settings;
use crate::retry::{self, Budget};
use crate::untouched::Untouched;
use crate::upstreams::{Lease, Upstreams};
use journey::semconv::attribute;

/// Request bodies up to this many bytes are held until the request is answered, so that they can be
/// sent again. Larger ones stream through; once a byte of them was taken, they are sent once.
const REPLAYABLE: u64 = 64 << 10;

/// Everything a request needs.
pub struct Forwarder {
    name: Arc<str>,
    upstreams: Arc<Upstreams>,
    client: Client,
    budget: Mutex<Budget>,
    retries: u32,
    max_body: u64,
    pace: Pace,
}

impl Forwarder {
    /// Forwards as `name` to these upstreams.
    pub fn new(name: Arc<str>, upstreams: Arc<Upstreams>, settings: &Settings) -> Self {
        let share = f64::from(settings.retry_percent) / 100.0;
        let budget = Budget::new(share, f64::from(settings.retry_per_second), clock::monotonic());
        Forwarder {
            name,
            upstreams,
            client: Client::new(settings.client_limits()),
            budget: Mutex::new(budget),
            retries: settings.retries,
            max_body: settings.max_body,
            pace: settings.pace(),
        }
    }

    /// Answers one request.
    pub async fn answer(self: Arc<Self>, request: Request<RequestBody>) -> Response<Body> {
        self.forward(request).await.unwrap_or_else(|problem| problem.at(&self.name).into_response())
    }

    async fn forward(&self, request: Request<RequestBody>) -> Result<Response<Body>, Box<Problem>> {
        let exchange = Exchange::current();
        let (mut head, body) = request.into_parts();

        // 1. Is it acceptable? What an edge lets through, every program behind it has to live with.
        if ends_here(&mut head) {
            return Ok(about_the_server());
        }
        let host = authority(&head)?;
        exchange.attribute(attribute::SERVER_ADDRESS, host.host().to_owned());
        exchange.attribute(attribute::URL_SCHEME, "https");
        if body.size_hint().lower() > self.max_body {
            return Err(self.too_large());
        }

        // 2. What the upstream shall see. A client's own traceparent stays (that is how a browser's
        //    trace and ours become one), its word on how it got here does not.
        let via = Via {
            client: exchange.stamps().flow().client,
            scheme: "https",
            host: Some(host.as_str()),
            version: head.version,
            by: &self.name,
        };
        let back = outgoing(&mut head, &via, Place::Edge);
        let payload = self.payload(&head, body).await?;

        // 3. Ask.
        let (response, lease) = self.ask(head, payload, &exchange).await?;

        // 4. Pass the answer back, without what concerned the connection to the upstream.
        let from = lease.address().to_string();
        let response = back.response(response, &from)?;
        // The place is the exchange's with the upstream, not the reader's.
        let contested = lease.contested();
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, read_ahead(body, self.pace, contested, lease).await))
    }

    /// Holds small bodies, lets others stream up to the limit.
    async fn payload(&self, head: &request::Parts, body: RequestBody) -> Result<Payload, Box<Problem>> {
        // The server has held what is small and comes. None that waits for the upstream to ask for it.
        let small = body.is_whole() || body.size_hint().exact().is_some_and(|length| length <= REPLAYABLE);
        if small && !head.headers.contains_key(header::EXPECT) {
            let collected = body.collect().await.map_err(|error| Box::new(error.problem()))?;
            let trailers = collected.trailers().cloned().map(|fields| trailers::keep(fields, true));
            return Ok(Payload::Held(collected.to_bytes(), trailers.filter(|fields| !fields.is_empty())));
        }
        let limit = usize::try_from(self.max_body).unwrap_or(usize::MAX);
        let body = trailers::pass(Limited::new(body, limit).boxed_unsync(), true);
        Ok(Payload::Streaming(Untouched::new(body)))
    }

    /// Sends the request to one upstream after another until there is an answer worth giving.
    async fn ask(
        &self,
        head: request::Parts,
        mut payload: Payload,
        exchange: &Exchange,
    ) -> Result<(Response<Body>, Lease), Box<Problem>> {
        self.budget().request();
        let mut avoid = Vec::new();
        let mut lease = self.upstreams.pick(&avoid).ok_or_else(no_upstream)?;
        for resent in 0_u32.. {
            lease.place(exchange).await;
            let request = Request::from_parts(head.clone(), payload.body());
            let begun = clock::monotonic();
            let outcome = self.client.send(lease.address(), request, exchange).await;
            let took = clock::since(begun);
            if resent > 0 {
                exchange.attribute(attribute::HTTP_REQUEST_RESEND_COUNT, i64::from(resent));
            }

            // What does the outcome say about the upstream, and may the request be sent again?
            let (repeatable, same_again) = match &outcome {
                // A gateway behind us found nobody: the next try may reach a living server.
                Ok(response) if response.status() == StatusCode::BAD_GATEWAY => {
                    lease.answered(took);
                    (retry::is_safe(&head), true)
                }
                Ok(_) => {
                    lease.answered(took);
                    (false, false)
                }
                Err(error) if error.nothing_was_sent() => {
                    lease.refused();
                    (true, false)
                }
                Err(ClientError::Broken { source, .. }) if source.is_user() => {
                    return Err(self.client_broke_off(source));
                }
                Err(_) => {
                    lease.failed(took);
                    (retry::is_safe(&head), true)
                }
            };
            if repeatable && resent < self.retries && payload.is_whole() {
                avoid.push(lease.address());
                // Someone else, if there is someone else.
                let next = self
                    .upstreams
                    .pick(&avoid)
                    .or_else(|| if same_again { self.upstreams.pick(&[]) } else { None });
                if let Some(next) = next
                    && self.budget().withdraw(clock::monotonic())
                {
                    tracing::debug!(from = %lease.address(), to = %next.address(), resent, "sending again");
                    lease = next;
                    continue;
                }
            }
            return outcome.map(|response| (response, lease)).map_err(|error| Box::new(error.problem()));
        }
        Err(no_upstream())
    }

    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn too_large(&self) -> Box<Problem> {
        let detail = format!("the request's body is larger than the {} bytes allowed here", self.max_body);
        problem(StatusCode::PAYLOAD_TOO_LARGE, Fault::Client, "body-too-large", detail)
    }

    /// Sending failed because the client's body did: no upstream is to blame.
    fn client_broke_off(&self, error: &hyper::Error) -> Box<Problem> {
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return self.too_large();
            }
            cause = error.source();
        }
        BodyError::among_causes(error).map_or_else(
            || problem(StatusCode::BAD_REQUEST, Fault::Client, "body-broken", error.to_string()),
            |error| Box::new(error.problem()),
        )
    }
}

/// A request's body, on its way to one or more upstreams.
enum Payload {
    /// All of it, trailers included: can be sent again.
    Held(Bytes, Option<HeaderMap>),
    /// Taken by the first attempt that sends any of it.
    Streaming(Untouched),
}

impl Payload {
    /// Can all of it be sent (again)?
    fn is_whole(&self) -> bool {
        match self {
            Payload::Held(..) => true,
            Payload::Streaming(body) => body.is_here(),
        }
    }

    fn body(&mut self) -> Body {
        match self {
            Payload::Held(bytes, Some(trailers)) => {
                let trailers = std::future::ready(Some(Ok(trailers.clone())));
                full(bytes.clone()).with_trailers(trailers).boxed_unsync()
            }
            Payload::Held(bytes, None) if !bytes.is_empty() => full(bytes.clone()),
            Payload::Held(_, None) => empty(),
            Payload::Streaming(body) => body.lend(),
        }
    }
}

fn problem(status: StatusCode, fault: Fault, kind: &str, detail: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::new(status, fault, kind, detail))
}

fn no_upstream() -> Box<Problem> {
    let detail = "no upstream is healthy: GET /upstreams on the admin address shows them";
    problem(StatusCode::SERVICE_UNAVAILABLE, Fault::Upstream, "no-healthy-upstream", detail)
}
