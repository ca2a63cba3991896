//! Which requests the lab sends itself: from before they are sent until their journeys are put together.

use browser::{Request, Response};
use journey::TraceId;
use tap::reported::ReportedStamps;

use super::Collector;
use super::store::Store;

impl Collector {
    /// Sends a request of the lab's own with `send`. If it is recorded, its trace is claimed before: its first hop may
    /// report it while the response is still on its way.
    ///
    /// # Errors
    /// Those of `send`.
    pub async fn send_claimed(
        &self,
        request: &Request,
        send: impl AsyncFnOnce(&Request) -> anyhow::Result<Response>,
    ) -> anyhow::Result<Response> {
        if !request.sampled {
            return send(request).await;
        }
        let trace_id = hop::trace::new_trace_id();
        self.claim(trace_id);
        let response = send(&Request { trace_id: Some(trace_id), ..request.clone() }).await;
        if response.is_err() {
            self.give_up(trace_id);
        }
        response
    }

    /// Says that a trace is the lab's own, so that it is not taken for a request from outside.
    pub fn claim(&self, trace_id: TraceId) {
        self.store().open(trace_id, true);
    }

    /// A claimed request failed: nobody puts its journey together, and what hops still report of it is not from outside
    /// either.
    pub(crate) fn give_up(&self, trace_id: TraceId) {
        self.store().give_up(trace_id);
    }

    /// Forgets a claim; call it when the journey is put together.
    pub fn release(&self, trace_id: TraceId) {
        let mut store = self.store();
        let Store { index, reported, .. } = &mut *store;
        if let Some(reported) = reported {
            reported.push(ReportedStamps::of(trace_id, &index.joined(trace_id)));
        }
        store.close(trace_id);
    }

    /// From now on, keeps what was reported of each journey when it is [released](Collector::release).
    pub(crate) fn keep_reported(&self) {
        self.store().reported = Some(Vec::new());
    }

    /// What was kept; keeps nothing more.
    pub(crate) fn take_reported(&self) -> Vec<ReportedStamps> {
        self.store().reported.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
