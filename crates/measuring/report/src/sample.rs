//! A small measurement for tests: the cold journey has every stage, the warm one has not.

use journey::{After, Anomaly, Counts, Journey, Part, PartKind, Quality, Stage, TraceId};
use measure::{Measured, SCHEMA, Series, TargetHop};

pub(crate) fn measured() -> Measured {
    let series = |journeys: Vec<Journey>| Some(Series::of(journeys));
    Measured {
        schema: SCHEMA.to_owned(),
        build: "debug".to_owned(),
        network: "loopback".to_owned(),
        origin: "https://api.myshop.com:8443".to_owned(),
        hops: vec![
            hop("resolver", "127.0.53.53:5300"),
            hop("lb", "127.0.113.50:8443"),
            hop("<pod>", "127.0.0.1:1"),
        ],
        memory_bytes: 100 << 20,
        cold: series(vec![cold(1, 30), cold(2, -40)]),
        warm: series(vec![warm(3), strange(4)]),
        ..Measured::default()
    }
}

fn hop(name: &str, listen: &str) -> TargetHop {
    let (name, listen) = (name.to_owned(), listen.parse().into_iter().collect());
    TargetHop {
        role: name.clone(),
        name,
        pid: None,
        opaque: false,
        recorder: None,
        begins: None,
        listen,
        onward: Vec::new(),
    }
}

fn cold(trace: u8, unaccounted_ns: i64) -> Journey {
    journey(
        trace,
        unaccounted_ns,
        &[
            ("browser", PartKind::Own, "pool", Stage::Browser, 0, 1_001),
            ("browser", PartKind::Own, "", Stage::Dns, 0, 2_003),
            ("resolver", PartKind::Leg, "browser → resolver", Stage::Dns, 1, 10_007),
            ("resolver", PartKind::Own, "", Stage::Dns, 1, 20_011),
            ("browser", PartKind::Leg, "resolver → browser", Stage::Dns, 1, 5_003),
            ("browser", PartKind::Leg, "TCP handshake", Stage::Tcp, 0, 40_009),
            ("lb", PartKind::Own, "ServerHello", Stage::Tls, 1, 300_017),
            ("browser", PartKind::Own, "preface", Stage::Browser, 0, 3_001),
            ("browser", PartKind::Own, "", Stage::ToLoadBalancer, 0, 9_007),
            ("lb", PartKind::Leg, "browser → lb", Stage::ToLoadBalancer, 1, 50_021),
            ("lb", PartKind::Own, "", Stage::ToPod, 1, 70_001),
            ("<pod>", PartKind::Leg, "lb → <pod>", Stage::ToPod, 2, 40_001),
            ("<pod>", PartKind::Wait, "queue & wait", Stage::Application, 2, 900_001),
            ("lb", PartKind::Leg, "<pod> → lb", Stage::Response, 2, 30_001),
            ("browser", PartKind::Leg, "lb → browser", Stage::Response, 1, 20_001),
            ("browser", PartKind::Own, "", Stage::Response, 0, 10_001),
        ],
    )
}

pub(crate) fn warm(trace: u8) -> Journey {
    let mut journey = cold(trace, 7);
    let before: u64 = journey.sum(is_setup);
    journey.parts.retain(|part| !is_setup(part));
    journey.total_ns -= before;
    let mut start_ns = 0;
    for part in &mut journey.parts {
        part.start_ns = start_ns;
        start_ns += part.duration_ns;
    }
    journey
}

/// The same measurement: what two of its journeys left to be done was done at once, after the second.
pub(crate) fn settled() -> Measured {
    let mut measured = measured();
    let part = warm(1).parts[0].clone();
    for journey in measured.warm.iter_mut().flat_map(|series| &mut series.journeys).take(2) {
        let began = i128::from(warm(200).start_unix_ns) - i128::from(journey.start_unix_ns);
        journey.after.push(After {
            trace_id: TraceId([77; 16]),
            hop: "pod".to_owned(),
            role: "cart".to_owned(),
            name: "confirm <reservations>".to_owned(),
            start_ns: i64::try_from(began).expect("within a second or two"),
            duration_ns: 5_000_000,
            requests: 2,
            error: None,
            parts: vec![Part {
                hop: "stock".to_owned(),
                start_ns: 0,
                duration_ns: 5_000_000,
                ..part.clone()
            }],
            silent: Vec::new(),
            anomalies: Vec::new(),
        });
        journey.outstanding = 1;
    }
    measured
}

fn is_setup(part: &Part) -> bool {
    matches!(part.stage, Stage::Dns | Stage::Tcp | Stage::Tls)
}

fn strange(trace: u8) -> Journey {
    let (hop, what) = ("lb".to_owned(), "<script>alert(1)</script>".to_owned());
    let mut journey = warm(trace);
    journey.anomalies.push(Anomaly { hop, what, by_ns: 1_000 });
    journey.silent.push("ingress".to_owned());
    journey
}

type Brief = (&'static str, PartKind, &'static str, Stage, u16, u64);

fn journey(trace: u8, unaccounted_ns: i64, brief: &[Brief]) -> Journey {
    let mut start_ns = 0;
    let part = |&(hop, kind, name, stage, depth, duration_ns): &Brief| {
        let (hop, name) = (hop.to_owned(), name.to_owned());
        let begun = start_ns;
        start_ns += duration_ns;
        let quality = Quality::User;
        Part { role: hop.clone(), hop, kind, name, stage, start_ns: begun, duration_ns, quality, depth }
    };
    let parts: Vec<Part> = brief.iter().map(part).collect();
    Journey {
        trace_id: TraceId([trace; 16]),
        name: "POST /cart/items".to_owned(),
        // 2026-11-23, and some nanoseconds that no double has room for.
        start_unix_ns: 1_795_392_000_123_456_789 + u64::from(trace) * 10_000_000,
        total_ns: start_ns.saturating_add_signed(unaccounted_ns),
        unaccounted_ns,
        status: Some(201),
        parts,
        counts: Counts::default(),
        silent: Vec::new(),
        awaited: Vec::new(),
        anomalies: Vec::new(),
        disturbances: Vec::new(),
        after: Vec::new(),
        outstanding: 0,
    }
}
