//! Round trips, counted on the running protocols: the same on every machine.

use anyhow::ensure;
use lab::budget::{Counted, Verdict, audit, count};
use tests::fixture::Fixture;

#[tokio::test]
async fn round_trips_are_those_of_the_protocols() -> anyhow::Result<()> {
    let lab = Fixture::start("budget").await?;
    let target = lab.target()?;
    let counted = count(&target, lab.collector()).await?;
    let expected = Counted {
        dns_browser_knows: 0,
        dns_resolver_knows: 1,
        dns_walk: 1 + 3,
        tcp: Some(1),
        tls12: Some(2), // RFC 5246 §7.3
        tls13: Some(1), // RFC 8446 §2
        request: 1,
        warm_handshakes: 0,
        legs_to_pod: 3,
        // Through the Service and back, twice redis, once kafka.
        legs_of_pod: 4 + 2 * 2 + 2,
    };
    ensure!(counted == expected, "counted {counted:?}, expected {expected:?}");

    // So these rows are what the chapter's table cannot mean, and these it can.
    let audit = audit(&counted);
    let of = |verdict| {
        let rows = audit.rows.iter().filter(move |row| row.verdict == verdict);
        rows.map(|row| (row.step, row.case)).collect::<Vec<_>>()
    };
    let (names, shakes) = ("DNS resolution", "TLS handshake");
    ensure!(of(Verdict::Agrees) == [(names, "the resolver knows it"), (shakes, "TLS 1.2")], "{audit:?}");
    ensure!(
        of(Verdict::TooShort)
            == [
                (names, "walked from the root"),
                ("Request to load balancer", "one way"),
                ("Response back", "one way")
            ],
        "{audit:?}"
    );
    ensure!(of(Verdict::TooLong) == [(names, "the browser knows it"), (shakes, "TLS 1.3")], "{audit:?}");

    // Warm or cold, the second count is the first one: nothing here depends on what was there before.
    ensure!(count(&target, lab.collector()).await? == expected, "the second time, too");
    lab.finish().await;
    Ok(())
}
