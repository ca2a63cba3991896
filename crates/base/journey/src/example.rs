//! A made-up journey, for examples and tests: no lab needed.

use crate::journey::Journey;
use crate::part::{Counts, Part, PartKind, Stage};
use crate::stamp::Quality;
use crate::trace::TraceId;

/// A warm journey from the browser through lb, ingress and one pod, which worked for `cart_us`
/// microseconds. The ingress waited 3 ms in its queue; each leg took 20 µs.
pub fn example(cart_us: u64) -> Journey {
    use {PartKind::*, Stage::*};
    let mut parts = Vec::new();
    let mut start_ns = 0;
    let mut part = |hop: &str, role: &str, kind, name: &str, stage, depth, micros: u64| {
        let duration_ns = micros * 1_000;
        let (hop, role, name) = (hop.to_owned(), role.to_owned(), name.to_owned());
        let quality = Quality::User;
        parts.push(Part { hop, role, kind, name, stage, start_ns, duration_ns, quality, depth });
        start_ns += duration_ns;
    };
    let pod = "cart-pod-abc12";
    part("browser", "browser", Own, "", ToLoadBalancer, 0, 40);
    part("lb", "lb", Leg, "browser → lb", ToLoadBalancer, 1, 20);
    part("lb", "lb", Own, "", ToPod, 1, 50);
    part("ingress", "ingress", Leg, "lb → ingress", ToPod, 2, 20);
    part("ingress", "ingress", Wake, "", ToPod, 2, 10);
    part("ingress", "ingress", Wait, "queue", ToPod, 2, 3_000);
    part("ingress", "ingress", Own, "", ToPod, 2, 30);
    part(pod, "cart", Leg, "ingress → cart-pod-abc12", ToPod, 3, 20);
    part(pod, "cart", Own, "validate", Application, 3, cart_us);
    part("ingress", "ingress", Leg, "cart-pod-abc12 → ingress", Response, 3, 20);
    part("ingress", "ingress", Own, "", Response, 2, 10);
    part("lb", "lb", Leg, "ingress → lb", Response, 2, 20);
    part("lb", "lb", Own, "", Response, 1, 10);
    part("browser", "browser", Leg, "lb → browser", Response, 1, 20);
    part("browser", "browser", Own, "", Response, 0, 10);
    Journey {
        trace_id: TraceId::default(),
        name: "POST /cart/items".to_owned(),
        start_unix_ns: 0,
        total_ns: start_ns,
        unaccounted_ns: 0,
        status: Some(201),
        parts,
        counts: Counts { connections_reused: 2, spans: 7, ..Counts::default() },
        silent: Vec::new(),
        awaited: Vec::new(),
        anomalies: Vec::new(),
        disturbances: Vec::new(),
        after: Vec::new(),
        outstanding: 0,
    }
}
