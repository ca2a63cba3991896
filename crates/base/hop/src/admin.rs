//! Alive? Ready? How is it going? One small HTTP endpoint beside the real one.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, header};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::http::{Body, plain, text};
use crate::metrics::{Metrics, OPEN_METRICS, PLAIN};

pub mod client;
mod guard;

pub use guard::{Secret, refuse_pages};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// No admin request has a larger body.
const BODY_LIMIT: usize = 1 << 20;
/// Neither a head nor a body takes longer to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

type Responding = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Route = Arc<dyn Fn(Bytes) -> Responding + Send + Sync>;

/// Liveness, readiness, metrics, and what a hop adds (routes, its own metrics). Cheap to clone.
#[derive(Clone)]
pub struct Admin(Arc<Shared>);

struct Shared {
    ready: AtomicBool,
    /// Known to those who may change something.
    secret: Option<Secret>,
    routes: Mutex<HashMap<(Method, String), Route>>,
    metrics: Metrics,
}

impl Admin {
    /// An endpoint that is not yet ready, and on which nothing can be changed.
    pub fn new(hop: &str) -> Self {
        Self::guarded(hop, None)
    }

    /// An endpoint that is not yet ready; who knows the secret may change something.
    pub fn guarded(hop: &str, secret: Option<Secret>) -> Self {
        Admin(Arc::new(Shared {
            ready: AtomicBool::new(false),
            secret,
            routes: Mutex::default(),
            metrics: Metrics::new(hop),
        }))
    }

    /// Sets what `/readyz` answers.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Relaxed);
    }

    /// May requests come?
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
    }

    /// Adds a hop's own admin request, such as `PUT /endpoints`. Whatever is not safe (RFC 9110 §9.2.1) demands
    /// the secret.
    pub fn route<H, R>(&self, method: Method, path: &str, handler: H)
    where
        H: Fn(Bytes) -> R + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let route: Route = Arc::new(move |body| Box::pin(handler(body)));
        self.0.routes.lock().insert((method, path.to_owned()), route);
    }

    /// Adds a hop's own metrics.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.0.metrics.registry());
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Serves until the process ends.
    pub async fn serve(self, listener: TcpListener) {
        let handler = move |request| {
            let admin = self.clone();
            async move { admin.respond(request).await }
        };
        plain::serve(listener, CONNECTIONS, Some(BODY_TIME), handler).await;
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let mut allowed = guard::refuse_pages(&parts.headers);
        if !parts.method.is_safe() {
            allowed = allowed.and_then(|()| guard::refuse_strangers(self.0.secret.as_ref(), &parts.headers));
        }
        if let Err(refusal) = allowed {
            return *refusal;
        }
        match (&parts.method, parts.uri.path()) {
            (&Method::GET, "/livez") => text(StatusCode::OK, "alive\n"),
            (&Method::GET, "/readyz") if self.is_ready() => text(StatusCode::OK, "ready\n"),
            (&Method::GET, "/readyz") => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            (&Method::GET, "/metrics") => self.show_metrics(&parts.headers),
            (method, path) => {
                let key = (method.clone(), path.to_owned());
                let route = self.0.routes.lock().get(&key).cloned();
                let Some(route) = route else { return self.unknown(path) };
                let body = Limited::new(body, BODY_LIMIT).collect();
                match tokio::time::timeout(BODY_TIME, body).await {
                    Ok(Ok(body)) => route(body.to_bytes()).await,
                    Ok(Err(error)) if error.is::<LengthLimitError>() => {
                        let detail = format!("a body has at most {BODY_LIMIT} bytes here\n");
                        text(StatusCode::PAYLOAD_TOO_LARGE, detail)
                    }
                    Ok(Err(error)) => text(StatusCode::BAD_REQUEST, format!("read the body: {error}\n")),
                    Err(_) => text(StatusCode::REQUEST_TIMEOUT, format!("no body within {BODY_TIME:?}\n")),
                }
            }
        }
    }

    /// 405 where the path is right, else 404; both say what there is.
    fn unknown(&self, path: &str) -> Response<Body> {
        let own = ["/livez", "/readyz", "/metrics"].map(|path| (Method::GET, path.to_owned()));
        let mut known: Vec<_> = own.into_iter().collect();
        known.extend(self.0.routes.lock().keys().cloned());
        known.sort_by(|one, other| (&one.1, one.0.as_str()).cmp(&(&other.1, other.0.as_str())));
        let list: Vec<String> = known.iter().map(|(method, path)| format!("{method} {path}")).collect();
        let allowed: Vec<&str> =
            known.iter().filter(|(_, known)| known == path).map(|(method, _)| method.as_str()).collect();
        let status = if allowed.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::METHOD_NOT_ALLOWED };
        let mut response = text(status, format!("known here: {}\n", list.join(", ")));
        if let (false, Ok(value)) = (allowed.is_empty(), HeaderValue::try_from(allowed.join(", "))) {
            response.headers_mut().insert(header::ALLOW, value);
        }
        response
    }

    /// In the format that the `Accept` header prefers: Prometheus itself names OpenMetrics there.
    fn show_metrics(&self, headers: &HeaderMap) -> Response<Body> {
        let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let open = accepted.any(|value| value.contains("application/openmetrics-text"));
        match self.0.metrics.text(open) {
            Ok(out) => {
                let mut response = text(StatusCode::OK, out);
                let kind = HeaderValue::from_static(if open { OPEN_METRICS } else { PLAIN });
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
                response
            }
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("encode metrics: {error}\n")),
        }
    }
}

#[cfg(test)]
mod tests;
