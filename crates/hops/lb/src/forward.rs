//! The life of one request in the load balancer: is it valid, who gets it, what came back, and if nothing did: may
//! somebody else get it?

use std::sync::Arc;

use hyper::body::Body as _;
use hyper::http::request;
use hyper::{Request, Response, StatusCode};

use hop::clock;
use hop::http::forward::read_ahead::read_ahead;
use hop::http::forward::replay::ReplayBody;
use hop::http::forward::{Position, Via, authority, ends_here, outgoing};
use hop::http::server::{BodyError, MinRate, RequestBody};
use hop::http::validate::about_the_server;
use hop::http::{Body, Client, Exchange, Fault, Problem};
use journey::semconv::attribute;
use parking_lot::Mutex;

use crate::config::Settings;
use crate::retry::{self, Budget};
use crate::upstreams::{Lease, Upstreams};

/// Request bodies up to this many bytes are held until there is a response, so that they can be
/// sent again. Larger ones stream through; once a byte of them was taken, they are sent once.
const REPLAYABLE: u64 = 64 << 10;

pub struct Forwarder {
    name: Arc<str>,
    upstreams: Arc<Upstreams>,
    client: Client,
    budget: Mutex<Budget>,
    retries: u32,
    max_body: u64,
    min_rate: MinRate,
}

impl Forwarder {
    pub fn new(name: Arc<str>, upstreams: Arc<Upstreams>, settings: &Settings) -> Self {
        let retry = &settings.retry;
        let share = f64::from(retry.retry_percent) / 100.0;
        let budget = Budget::new(share, f64::from(retry.retry_per_second), clock::monotonic());
        Forwarder {
            name,
            upstreams,
            client: Client::new(settings.client.limits()),
            budget: Mutex::new(budget),
            retries: retry.retries,
            max_body: settings.max_body,
            min_rate: settings.server.min_rate(),
        }
    }

    pub async fn forward(
        self: Arc<Self>,
        request: Request<RequestBody>,
    ) -> Result<Response<Body>, Box<Problem>> {
        let exchange = Exchange::current();
        let (mut head, body) = request.into_parts();

        // 1. Is it valid? What an edge lets through, every program behind it has to live with.
        if ends_here(&mut head) {
            return Ok(about_the_server());
        }
        let host = authority(&mut head)?;
        exchange.attribute(attribute::SERVER_ADDRESS, host.host().to_owned());
        if body.size_hint().lower() > self.max_body {
            return Err(Box::new(BodyError::TooLarge { limit: self.max_body }.problem()));
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
        let back = outgoing(&mut head, &via, Position::Edge);
        let body = ReplayBody::new(&head, body, REPLAYABLE, self.max_body).await;
        let body = body.map_err(|error| error.problem())?;

        // 3. Send it.
        let (response, lease) = self.send(head, body).await?;

        // 4. Pass the response back, without what concerned the connection to the upstream.
        let (head, body) = back.response(response, lease.address())?.into_parts();
        // The permit is the exchange's with the upstream, not the reader's.
        let contested = lease.request.contested();
        Ok(Response::from_parts(head, read_ahead(body, self.min_rate, contested, lease).await))
    }

    /// Sends the request to one upstream after another until there is a response worth giving.
    async fn send(
        &self,
        head: request::Parts,
        body: ReplayBody,
    ) -> Result<(Response<Body>, Lease), Box<Problem>> {
        self.budget.lock().request();
        let mut avoid = Vec::new();
        let mut lease = self.upstreams.pick(&avoid).ok_or_else(no_upstream)?;
        for resent in 0_u32.. {
            lease.request.permit().await;
            let request = Request::from_parts(head.clone(), body.body());
            let begun = clock::monotonic();
            let outcome = self.client.send(lease.address(), request).await;
            let took = clock::since(begun);
            if resent > 0 {
                Exchange::current().attribute(attribute::HTTP_REQUEST_RESEND_COUNT, i64::from(resent));
            }

            // What does the outcome say about the upstream, and may the request be sent again?
            let (repeatable, same_again) = match &outcome {
                // A gateway behind us found nobody: the next try may reach a living server.
                Ok(response) if response.status() == StatusCode::BAD_GATEWAY => {
                    lease.responded(took);
                    (retry::is_safe(&head), true)
                }
                Ok(_) => {
                    lease.responded(took);
                    (false, false)
                }
                Err(error) if error.nothing_was_sent() => {
                    lease.refused();
                    (true, false)
                }
                Err(error) if error.is_the_bodys() => return Err(Box::new(error.problem())),
                Err(_) => {
                    lease.failed(took);
                    (retry::is_safe(&head), true)
                }
            };
            if repeatable && resent < self.retries && body.is_whole() {
                avoid.push(lease.address());
                // Someone else, if there is someone else.
                let next = self
                    .upstreams
                    .pick(&avoid)
                    .or_else(|| if same_again { self.upstreams.pick(&[]) } else { None });
                if let Some(next) = next
                    && self.budget.lock().withdraw(clock::monotonic())
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
}

fn no_upstream() -> Box<Problem> {
    let detail = "no upstream is healthy: GET /upstreams on the admin address shows them";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Box::new(Problem::new(status, Fault::Upstream, "no-healthy-upstream", detail))
}
