//! Programs that report nothing, or should have reported.

use super::*;

fn roster(name: &str, flow: Flow, reports: bool) -> Roster {
    let mut roster = Roster::default();
    roster.add(
        Hop {
            name: name.into(),
            role: name.into(),
            reports,
            keeps: false,
            begins: None,
            onward: vec!["pod".into()],
        },
        [flow.server],
    );
    roster
}

#[test]
fn a_hop_that_should_report_and_does_not_is_named() {
    let without_relay: Vec<Span> = three_hops().into_iter().filter(|span| span.name != "relay").collect();
    let journey = assembled(without_relay.clone(), &roster("cart-service", flow(2), true));
    tiles(&journey);
    assert_eq!(journey.silent, ["cart-service"]);
    // The same program, known to report nothing, is opaque: its time is inferred from its neighbours.
    let journey = assembled(without_relay, &roster("cart-service", flow(2), false));
    tiles(&journey);
    assert!(journey.sealed());
    assert_eq!(journey.own("cart-service"), (250 - 150) + (850 - 700));
    assert_eq!(journey.own("pod"), 450);
}

#[test]
fn a_journey_is_not_complete_while_nobody_behind_an_opaque_hop_has_reported() {
    let mut roster = roster("cart-service", flow(2), false);
    let pod = Hop {
        name: "pod".into(),
        role: "cart".into(),
        reports: true,
        keeps: false,
        begins: None,
        onward: Vec::new(),
    };
    roster.add(pod, [flow(3).server]);
    let early: Vec<Span> =
        three_hops().into_iter().filter(|span| span.hop != "pod" && span.name != "relay").collect();
    let early = assembled(early, &roster);
    // It may still report; and if the program in front of it never called it, that is no flaw.
    assert_eq!(early.awaited, ["pod"]);
    assert!(early.sealed() && !early.complete());
    let late: Vec<Span> = three_hops().into_iter().filter(|span| span.name != "relay").collect();
    assert!(assembled(late, &roster).complete());
}

#[test]
fn nobody_behind_an_opaque_load_balancer_is_missed_in_its_handshake() {
    let mut roster = roster("lb", flow(1), false);
    roster.add(
        Hop {
            name: "pod".into(),
            role: "pod".into(),
            reports: true,
            keeps: false,
            begins: None,
            onward: Vec::new(),
        },
        [flow(2).server],
    );
    let journey = |stage: Option<Stage>| {
        let call = client("browser", 2, 1, flow(1), (10, 300));
        let call = stage.into_iter().fold(call, Span::stage);
        let root = span("browser", 1, None, Kind::Internal, "journey", (0, 1000));
        assembled(vec![root, call], &roster)
    };
    assert!(journey(Some(Stage::Tls)).complete());
    assert_eq!(journey(Some(Stage::Tls)).own("lb"), 290);
    assert_eq!(journey(None).awaited, ["pod"], "a request is passed on");
}

#[test]
fn an_opaque_program_in_front_of_a_relay_ends_where_the_relay_begins() {
    // lb → nginx (reports nothing, passes traceparent on) → layer 4 → pod
    let mut spans = three_hops();
    for span in &mut spans {
        if span.name == "relay" {
            for stamp in &mut span.stamps {
                if stamp.flow == flow(2) {
                    stamp.flow = flow(4);
                }
            }
        }
    }
    let journey = assembled(spans, &roster("nginx", flow(2), false));
    tiles(&journey);
    assert!(journey.sealed(), "{:?}", journey.silent);
    assert_eq!(journey.own("nginx"), (200 - 150) + (850 - 770));
    assert_eq!(journey.own("cart-service"), 10 + 20);
}

#[test]
fn opaque_programs_in_a_row_share_a_part_that_names_them_all() {
    let known = |name: &str, reports, onward: &[&str]| Hop {
        name: name.into(),
        role: name.into(),
        reports,
        keeps: false,
        begins: None,
        onward: onward.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut roster = Roster::default();
    roster.add(known("ingress", false, &["cart-service"]), [flow(2).server]);
    roster.add(known("cart-service", false, &["other", "pod"]), [flow(4).server]);
    roster.add(known("other", false, &["nobody"]), [flow(5).server]);
    roster.add(known("pod", true, &[]), [flow(3).server]);
    let spans = three_hops().into_iter().filter(|span| span.name != "relay").collect();
    let journey = assembled(spans, &roster);
    tiles(&journey);
    let names = |kind| journey.parts.iter().filter(move |part| part.kind == kind).map(|part| &*part.name);
    assert_eq!(
        names(PartKind::Opaque).collect::<Vec<_>>(),
        ["ingress + cart-service (request)", "ingress + cart-service (response)"]
    );
    assert_eq!(journey.own("ingress"), (250 - 150) + (850 - 700));
}

/// A stock SDK's SERVER span ends a while after the response has left; the next hop may have passed it on by then.
#[test]
fn a_server_without_stamps_ends_when_the_next_hop_has_its_response() {
    let mut spans = three_hops();
    for span in spans.iter_mut().filter(|span| span.hop == "pod" && span.kind == Kind::Server) {
        span.stamps.clear();
        span.end += 10_000;
    }
    let journey = assembled(spans, &roster("cart-service", flow(2), true));
    tiles(&journey);
    assert!(journey.anomalies.is_empty() && journey.sealed(), "{journey:#?}");
    let untouched = assembled(three_hops(), &roster("cart-service", flow(2), true));
    for hop in ["browser", "lb", "cart-service"] {
        assert_eq!(journey.own(hop), untouched.own(hop), "{hop}");
    }
}

/// Without stamps nobody knows which of the store's work this was; whose it was, the client says.
#[test]
fn a_client_without_stamps_names_its_peer() {
    let store = flow(2).server;
    let root = span("pod", 1, None, Kind::Server, "GET /", (0, 1000));
    let mut call = span("pod", 2, Some(1), Kind::Client, "HGETALL", (100, 300));
    let roster = roster("redis", flow(2), true);
    let journey = assembled(vec![root.clone(), call.clone()], &roster);
    assert_eq!((journey.own("pod"), journey.own("redis")), (1000, 0), "a call to whom it may concern");
    call = call.with(attribute::SERVER_ADDRESS, "redis.example").with(attribute::SERVER_PORT, 80_u16);
    call = call.with(attribute::NETWORK_PEER_ADDRESS, store.ip().to_string());
    call = call.with(attribute::NETWORK_PEER_PORT, store.port());
    let journey = assembled(vec![root, call], &roster);
    tiles(&journey);
    assert_eq!((journey.own("pod"), journey.own("redis")), (800, 200));
    assert!(journey.sealed() && journey.anomalies.is_empty(), "{journey:#?}");
}
