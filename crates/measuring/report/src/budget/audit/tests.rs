use super::*;

/// What the protocols say: RFC 9293 §3.5, RFC 5246 §7.3, RFC 8446 §2, and one question per zone.
fn counted() -> Counted {
    Counted {
        dns_browser_knows: 0,
        dns_resolver_knows: 1,
        dns_walk: 4,
        tcp: Some(1),
        tls12: Some(2),
        tls13: Some(1),
        request: 1,
        warm_handshakes: 0,
        legs_to_pod: 3,
        legs_of_pod: 10,
    }
}

fn verdicts(counted: &Counted) -> Vec<Verdict> {
    audit(counted).rows.iter().map(|row| row.verdict).collect()
}

#[test]
fn the_rows_that_agree_and_those_that_cannot() {
    use Verdict::{Agrees, Basis, Independent, TooLong, TooShort};
    let audit = audit(&counted());
    let seen: Vec<(&str, &str, Verdict)> =
        audit.rows.iter().map(|row| (row.step, row.case, row.verdict)).collect();
    assert_eq!(
        seen,
        [
            ("DNS resolution", "the browser knows it", TooLong),
            ("DNS resolution", "the resolver knows it", Agrees),
            ("DNS resolution", "walked from the root", TooShort),
            ("TCP handshake", "SYN, SYN-ACK", Basis),
            ("TLS handshake", "TLS 1.2", Agrees),
            ("TLS handshake", "TLS 1.3", TooLong),
            ("Request to load balancer", "one way", TooShort),
            ("Load balancer to pod", "from lb to pod", Independent),
            ("Application processing", "the pod's own questions", Independent),
            ("Response back", "one way", TooShort),
        ]
    );
    let implied: Vec<Option<f64>> = audit.rows.iter().map(|row| row.implied_round_trip_ms).collect();
    let some = Some;
    assert_eq!(
        implied,
        [None, some(5.0), some(1.25), some(15.0), some(15.0), some(30.0), some(2.0), None, None, some(10.0)]
    );
    assert_eq!((audit.round_trip_ms, audit.chapter_ms), (15.0, 98.0));
    assert_eq!(audit.consistent_tls12_ms, Some(5.0 + 15.0 + 30.0 + 7.5 + 2.0 + 40.0 + 7.5));
    assert_eq!(audit.consistent_tls13_ms, Some(92.0));
    assert_eq!(audit.consistent_warm_ms, 57.0);
}

#[test]
fn another_count_is_another_verdict() {
    let right = verdicts(&counted());
    type Change = fn(&mut Counted);
    let wrong: [(&str, Change); 9] = [
        ("browser's questions", |counted| counted.dns_browser_knows = 1),
        ("resolver's questions", |counted| counted.dns_resolver_knows = 0),
        ("a walk of one question", |counted| counted.dns_walk = 1),
        ("TCP in two", |counted| counted.tcp = Some(2)),
        ("TLS 1.2 in one", |counted| counted.tls12 = Some(1)),
        ("TLS 1.2 in three", |counted| counted.tls12 = Some(3)),
        ("TLS 1.3 in two", |counted| counted.tls13 = Some(2)),
        ("no TLS 1.2", |counted| counted.tls12 = None),
        ("a request without a round trip", |counted| counted.request = 0),
    ];
    for (what, change) in wrong {
        let mut twin = counted();
        change(&mut twin);
        assert_ne!(verdicts(&twin), right, "{what} changes no verdict");
    }
}
