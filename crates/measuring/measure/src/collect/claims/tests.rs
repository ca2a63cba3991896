use std::time::Duration;

use browser::Request;
use journey::semconv::attribute;
use journey::{Hop, Kind, Roster, Span, TraceId};

use crate::collect::Collector;

/// Long enough for what is there already.
const SOON: Duration = Duration::from_millis(50);

fn roster() -> Roster {
    let (name, role) = ("edge".to_owned(), "edge".to_owned());
    let mut roster = Roster::default();
    roster.add(Hop { name, role, reports: true, keeps: false, begins: None, onward: Vec::new() }, []);
    roster
}

/// What the edge reports of a request of this trace; its parent is the browser's, which is not known yet.
fn edge(trace_id: TraceId) -> Span {
    let (id, parent) = (hop::trace::new_span_id(), Some(hop::trace::new_span_id()));
    let mut span = Span::new(trace_id, id, parent, Kind::Server, "POST /cart/items", (10, 20));
    span.hop = "edge".into();
    span.with(attribute::URL_PATH, "/cart/items")
}

/// Is there a request from outside, as the terminal would show it?
async fn one_from_outside(collector: &Collector) -> bool {
    tokio::time::timeout(SOON, collector.next_outside(&roster())).await.is_ok()
}

#[tokio::test]
async fn a_request_of_the_lab_s_own_is_known_before_its_first_hop_reports_it() {
    let collector = Collector::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
    // The edge reports while the response is on its way, and once more when it has come to nothing.
    let mut trace_id = TraceId::default();
    let cart = Request::cart();
    let failed = collector.send_claimed(&cart, async |request| {
        trace_id = request.trace_id.expect("a claimed one");
        collector.add(vec![edge(trace_id)]);
        assert!(!one_from_outside(&collector).await, "it is the lab's own");
        anyhow::bail!("no response")
    });
    assert!(failed.await.is_err());
    collector.add(vec![edge(trace_id)]);
    assert!(!one_from_outside(&collector).await, "it was the lab's own");
    assert!(collector.store().index.len() == 2, "its spans are there all the same");

    // The twin: who claims when the response is there is too late.
    let trace_id = hop::trace::new_trace_id();
    collector.add(vec![edge(trace_id)]);
    assert!(one_from_outside(&collector).await, "nobody had said whose it is");
    collector.claim(trace_id);
}
