//! What every request of a measurement needs, and what it has to come to: anything but 201 is a failure.

use std::time::Instant;

use browser::{Browser, Request, Response};
use journey::TraceId;

use crate::collect::Collector;
use crate::options::Options;
use crate::target::Target;

/// A measurement that is under way.
pub(crate) struct Job<'a> {
    pub(crate) target: &'a Target,
    pub(crate) collector: &'a Collector,
    pub(crate) options: &'a Options,
    /// The same each time.
    pub(crate) request: Request,
}

impl Job<'_> {
    /// Sends the request, gives its spans to the collector, and says under which name they are there.
    pub(crate) async fn send(&self, browser: &mut Browser) -> anyhow::Result<Answered> {
        let response = browser_sends(self.collector, browser, &self.request, None).await?;
        let answered = Answered::of(&response);
        self.collector.insert(response.spans);
        Ok(answered)
    }
}

/// Sends a request, which may be overdue; anything but 201 is an error.
pub(crate) async fn browser_sends(
    collector: &Collector,
    browser: &mut Browser,
    request: &Request,
    due: Option<Instant>,
) -> anyhow::Result<Response> {
    let send = async |claimed: &Request| created(browser.send_due(claimed, due).await?, claimed);
    collector.send_claimed(request, send).await
}

/// A recorded request that got what it asked for. How long it took is known, whatever becomes of its spans.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) trace_id: TraceId,
    pub(crate) total_ns: u64,
}

impl Answered {
    pub(crate) fn of(response: &Response) -> Self {
        Answered { trace_id: response.trace_id, total_ns: response.total_ns }
    }
}

/// The response, if it is the one that was hoped for.
fn created(response: Response, request: &Request) -> anyhow::Result<Response> {
    anyhow::ensure!(
        response.status == hyper::StatusCode::CREATED,
        "{} {} was answered {}: {}",
        request.method,
        request.path,
        response.status,
        String::from_utf8_lossy(&response.body)
    );
    Ok(response)
}
