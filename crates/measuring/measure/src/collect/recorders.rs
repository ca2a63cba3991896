//! Asking those who keep what they did: programs without trace context and their flight recorders.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use hop::admin::Secret;
use hop::http::plain::{self, Kept, SendError};
use hop::telemetry::recorder::{KEPT_SINCE, PATH, Query};
use http_body_util::Full;
use hyper::{Request, header};
use journey::{Roster, Span, TraceId, Wanted};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// A program that takes longer to answer has other troubles.
const LIMIT: Duration = Duration::from_secs(2);
/// So many queries at once: the program's only thread has requests to serve meanwhile.
const QUESTIONS: usize = 64;
/// No answer is larger, in bytes.
const ANSWER_LIMIT: usize = 32 << 20;

/// The flight recorders of a stack.
pub struct Recorders {
    pub(super) roster: Roster,
    secret: Secret,
    /// By the hop's name: where to ask, and the connection there.
    hops: HashMap<String, Arc<Hop>>,
}

struct Hop(Mutex<Kept>);

/// What is asked, and for which journey.
pub(super) struct TraceQuery {
    pub(super) trace_id: TraceId,
    pub(super) wanted: Wanted,
}

/// What a flight recorder says.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) spans: Vec<Span>,
    /// As they came, for whoever else wants them, and how many spans are in each.
    pub(super) messages: Vec<(Bytes, usize)>,
    /// What ended after this moment is all there; `None` when it did not answer.
    pub(super) since: Option<u64>,
}

impl Recorders {
    /// Of the stack that `roster` describes, the programs that keep what they did, and where each is asked.
    pub fn new(roster: Roster, secret: Secret, hops: impl IntoIterator<Item = (String, SocketAddr)>) -> Self {
        let hop = |admin| Arc::new(Hop(Mutex::new(Kept::new(admin))));
        let hops = hops.into_iter().map(|(name, admin)| (name, hop(admin))).collect();
        Recorders { roster, secret, hops }
    }

    /// Asks all of them at the same time, on the thread that serves the collector; the answers by hop.
    pub(super) async fn query(&self, on: &Handle, queries: &[TraceQuery]) -> HashMap<String, Reply> {
        let mut lines: HashMap<&str, Vec<String>> = HashMap::new();
        for TraceQuery { wanted, .. } in queries {
            let line = Query::line((wanted.from, wanted.to), wanted.flow);
            lines.entry(&wanted.hop).or_default().push(line);
        }
        let queried = lines.into_iter().filter_map(|(name, lines)| {
            let hop = Arc::clone(self.hops.get(name)?);
            let secret = self.secret.clone();
            Some((name.to_owned(), on.spawn(async move { hop.answer(&secret, &lines).await })))
        });
        let mut answers = HashMap::new();
        for (name, answer) in queried.collect::<Vec<_>>() {
            let answer = answer.await.unwrap_or_else(|error| Err(error.into()));
            let answer = answer.unwrap_or_else(|error| {
                tracing::debug!(hop = name, "ask the flight recorder: {error:#}");
                Reply::default()
            });
            answers.insert(name, answer);
        }
        answers
    }
}

impl Hop {
    async fn answer(&self, secret: &Secret, lines: &[String]) -> anyhow::Result<Reply> {
        let mut whole = Reply::default();
        for lines in lines.chunks(QUESTIONS) {
            let body = Bytes::from(lines.concat());
            let posted = tokio::time::timeout(LIMIT, self.post(secret, body));
            let (message, since) = posted.await.context("no response in time")??;
            let spans = hop::otlp::decode(&message)?;
            whole.messages.push((message, spans.len()));
            whole.spans.extend(spans);
            whole.since = Some(whole.since.unwrap_or(0).max(since));
        }
        Ok(whole)
    }

    async fn post(&self, secret: &Secret, body: Bytes) -> anyhow::Result<(Bytes, u64)> {
        let mut kept = self.0.lock().await;
        let admin = kept.to();
        let mut connection = kept.take().await?;
        let response = match connection.send(request(admin, secret, body.clone())?).await {
            // It ended the connection in the same moment.
            Err(SendError::Unseen(_)) => {
                connection = kept.take().await?;
                connection.send(request(admin, secret, body)?).await
            }
            response => response,
        };
        let response = plain::whole(response?, ANSWER_LIMIT).await?;
        anyhow::ensure!(response.status().is_success(), "{admin} responded {}", response.status());
        kept.keep(connection);
        let since = response.headers().get(KEPT_SINCE).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok((response.into_body(), since.context("it does not say since when it keeps")?))
    }
}

fn request(admin: SocketAddr, secret: &Secret, body: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
    Ok(Request::post(PATH)
        .header(header::HOST, admin.to_string())
        .header(header::AUTHORIZATION, secret.bearer()?)
        .body(Full::new(body))?)
}
