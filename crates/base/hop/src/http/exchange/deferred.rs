//! Work that a request causes and that its response does not wait for.
//!
//! It is often done for several requests at once, so it is no child of any of them: it has a trace of its own, which links
//! to each (OpenTelemetry, "Links between spans"). The request's SERVER span says how much there will be, so that whoever
//! puts the journey together knows what to wait for.

use journey::semconv::attribute;
use journey::{Kind, Link, Span};

use super::Exchange;
use super::context::Context;
use crate::stamped::Stamps;
use crate::{Telemetry, clock};

/// A recorded request that has caused work for later: to be kept with that work.
#[derive(Clone)]
pub struct Deferred {
    telemetry: Telemetry,
    link: Link,
}

impl Exchange {
    /// Announces something that is going to be done on account of this request by [`deferred`]; `None` when the request is
    /// not recorded. Call it before the response has ended.
    pub fn defer(&self) -> Option<Deferred> {
        let Context { trace_id, span_id, sampled, .. } = self.0.context;
        sampled.then(|| {
            self.0.state.lock().deferred += 1;
            Deferred { telemetry: self.0.telemetry.clone(), link: Link { trace_id, span_id } }
        })
    }
}

/// The requests for which something is done, collected from what each of them deferred.
#[derive(Default)]
pub struct Causes {
    /// `None` when none of them is recorded.
    telemetry: Option<Telemetry>,
    links: Vec<Link>,
}

impl<'a> FromIterator<&'a Deferred> for Causes {
    fn from_iter<I: IntoIterator<Item = &'a Deferred>>(all: I) -> Self {
        let mut causes = Causes::default();
        for Deferred { telemetry, link } in all {
            causes.telemetry.get_or_insert_with(|| telemetry.clone());
            causes.links.push(*link);
        }
        causes
    }
}

/// Does what requests have left to be done, under this name. If any of them is recorded, so is this.
pub async fn deferred<T, E>(
    name: &'static str,
    causes: Causes,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Causes { telemetry: Some(telemetry), links } = causes else {
        return Exchange::unrecorded().scope(work).await;
    };
    let context = Context::root();
    let (trace_id, span_id, start) = (context.trace_id, context.span_id, clock::now());
    let exchange = Exchange::with(context, &telemetry, String::new, Stamps::of_no_connection());
    let outcome = exchange.scope(work).await;
    let span = Span::new(trace_id, span_id, None, Kind::Internal, name, (start, clock::now()));
    let span = if outcome.is_err() { span.with(attribute::ERROR_TYPE, "_OTHER") } else { span };
    telemetry.emit(Span { links, ..span });
    outcome
}
