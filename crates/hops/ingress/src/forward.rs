//! The life of one request in the Ingress: for whom is it, where does it go, what came back?

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response, StatusCode};

use hop::http::forward::read_ahead::{Contested, read_ahead};
use hop::http::forward::{Position, Via, authority, ends_here, outgoing, trailers};
use hop::http::server::{MinRate, RequestBody};
use hop::http::validate::about_the_server;
use hop::http::{Body, Client, Exchange, Fault, Problem, text};
use journey::semconv::attribute;

use crate::routes::{Routes, matchable};

/// What the load balancer before us requests to learn whether we live.
pub const HEALTH_PATH: &str = "/healthz";

/// What a request needs. Cheap to clone.
#[derive(Clone)]
pub struct Forwarder {
    name: Arc<str>,
    routes: Arc<Routes>,
    client: Client,
    min_rate: MinRate,
}

impl Forwarder {
    pub fn new(name: Arc<str>, routes: Routes, client: Client, min_rate: MinRate) -> Self {
        Forwarder { name, routes: Arc::new(routes), client, min_rate }
    }

    pub async fn forward(self, request: Request<RequestBody>) -> Result<Response<Body>, Box<Problem>> {
        let exchange = Exchange::current();
        let (mut head, body) = request.into_parts();
        // Probes know no host of ours, so this comes before all rules.
        if head.uri.path() == HEALTH_PATH && matches!(head.method, Method::GET | Method::HEAD) {
            return Ok(text(StatusCode::OK, "ok\n"));
        }

        if ends_here(&mut head) {
            return Ok(about_the_server());
        }

        // 1. For whom is it?
        let host = authority(&mut head)?;
        let path = matchable(head.uri.path()).map_err(|why| {
            let detail = format!("the path {:?} is ambiguous: {why}", head.uri.path());
            Problem::new(StatusCode::BAD_REQUEST, Fault::Client, "ambiguous-path", detail)
        })?;

        // 2. Which Service is that?
        let Some((backend, rule)) = self.routes.find(host.host(), &path) else {
            let detail = format!("no rule for host {:?} and path {path:?}", host.host());
            return Err(Box::new(Problem::new(StatusCode::NOT_FOUND, Fault::Client, "no-route", detail)));
        };
        exchange.attribute(attribute::SERVICE, backend.service.clone());
        exchange.attribute(attribute::SERVER_ADDRESS, host.host().to_owned());
        if let Some(rule) = rule {
            exchange.attribute(attribute::HTTP_ROUTE, rule.path.to_string());
        }

        // 3. Pass it on. Both bodies stream: what is large is never held here. A Service gets
        //    it once; only a kept connection that died unused is replaced (hop's client does that), so
        //    a pod that dies under a request is a clear 502, and whoever can judge retries.
        let via = Via {
            client: exchange.stamps().flow().client,
            scheme: "http",
            host: Some(host.as_str()),
            version: head.version,
            by: &self.name,
        };
        let back = outgoing(&mut head, &via, Position::Inside);
        let body = trailers::pass(body.map_err(Into::into).boxed_unsync(), true);
        let request = Request::from_parts(head, body);
        let response = self.client.send(backend.address, request).await.map_err(|error| error.problem())?;

        // 4. Pass the response back: off the Service's connection at once, whenever our client takes it.
        let (head, body) = back.response(response, &backend.service)?.into_parts();
        Ok(Response::from_parts(head, read_ahead(body, self.min_rate, Contested::default(), ()).await))
    }
}
