//! One request, its response and its journey.

use std::ops::Deref;
use std::time::Duration;

use anyhow::Context as _;
use browser::{Request, Response};
use journey::Journey;

use crate::browser_thread::BrowserThread;
use crate::collect::Collector;
use crate::target::Target;

/// How long the hops may take to report a finished journey, on a machine with much else to do.
const SEAL_LIMIT: Duration = Duration::from_secs(10);

/// A response and its journey, which is sealed. It is a [`Journey`] for everything that one tells:
/// `traced.hop("ingress").own()`.
#[derive(Clone, Debug)]
pub struct TracedResponse {
    /// Status, headers and body.
    pub response: Response,
    /// Every hop that should report has.
    pub journey: Journey,
}

impl TracedResponse {
    /// The response's body, read as JSON.
    ///
    /// # Errors
    /// It is none; the error shows it.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        let body = &self.response.body;
        serde_json::from_slice(body).with_context(|| format!("no JSON: {}", String::from_utf8_lossy(body)))
    }
}

impl Deref for TracedResponse {
    type Target = Journey;

    fn deref(&self) -> &Journey {
        &self.journey
    }
}

/// Sends a request, and waits until every hop has reported.
///
/// # Errors
/// There was no response, or a hop did not report: the error names it.
pub async fn send(
    browser: &BrowserThread,
    collector: &Collector,
    target: &Target,
    request: &Request,
) -> anyhow::Result<TracedResponse> {
    let Request { method, path, .. } = request;
    anyhow::ensure!(request.sampled, "{method} {path}: there is no journey without `sampled`");
    let mut response = collector.send_claimed(request, async |request| browser.send(request).await).await?;
    let trace_id = response.trace_id;
    collector.insert(std::mem::take(&mut response.spans));
    let journey = collector.journey(trace_id, &target.roster(), SEAL_LIMIT).await;
    collector.release(trace_id);
    let journey = journey.with_context(|| format!("nothing is known of the journey {trace_id}"))?;
    anyhow::ensure!(
        journey.sealed(),
        "{method} {path} was answered {}, but these hops reported nothing within {SEAL_LIMIT:?}: {}\n  what to do: \
         see their logs; `reports = false` for a program that sends no spans",
        response.status,
        journey.silent.join(", "),
    );
    Ok(TracedResponse { response, journey })
}
