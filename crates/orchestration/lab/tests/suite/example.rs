//! Tests of a shop as a user of the lab writes them. docs/testing.md quotes this file, and
//! a test of the workspace sees to it that they quote it as it is.

use std::time::Duration;

use lab::journey::{Attribution, Conclusion};
use lab::{Lab, Options, SlowLink, TestSlot};

#[tokio::test]
async fn a_slow_wire_is_where_the_time_goes() -> anyhow::Result<()> {
    // A wire between load balancer and ingress: for the plan a program that runs elsewhere.
    let slot = TestSlot::take("slow-wire").await?;
    let wire = SlowLink::tcp("127.0.0.1:0".parse()?, format!("127.0.1.100:{}", slot.port(8080)).parse()?)?;
    let options = slot
        .options()
        .set("hop.wire.role", "ingress")
        .set("hop.wire.external", format!("\"http://{}\"", wire.address()))
        .set("hop.wire.rules", r#"[{ path = "/", service = "cart-service" }]"#)
        .set("hop.lb.upstreams", r#"["wire"]"#);
    let lab = slot.start(options).await?;

    let before = lab.measure_warm(21).await?;
    let delay = Duration::from_millis(100);
    wire.delay(delay);
    let after = lab.measure_warm(21).await?;

    // Lower bound: no journey crosses the wire faster than its delay.
    assert!(after.journeys.iter().all(|j| j.hop("wire").own() >= delay));
    // Relation: what is slower is slower.
    assert!(after.p50(|j| j.total()).estimate > before.p50(|j| j.total()).estimate);
    // Attribution: it is in the wire, and nowhere else.
    let noise = delay / 2;
    Attribution::between(&before.journeys, &after.journeys).only("wire", delay, noise)?;

    lab.stop().await;
    Ok(())
}

#[tokio::test]
async fn one_journey_after_the_other() -> anyhow::Result<()> {
    let lab = Lab::start(Options::for_test("one-by-one")).await?;

    // Presence and order, by role: whichever of the pods it was.
    let j = lab.post_cart_item("PROD-123", 2).await?;
    assert!(j.try_hop("cdn").is_none(), "there is none in this plan");
    let roles = j.roles();
    let at = |hop: &str| roles.iter().position(|role| *role == hop);
    assert!(at("inventory").is_some() && at("inventory") < at("store"), "{roles:?}");
    assert!(at("store") < at("events"), "{roles:?}");
    // What lies between two hops, and what a hop waited for.
    assert!(j.between("lb", "ingress").leg() > Duration::ZERO);
    assert!(!j.hop("redis").named("fsync").is_empty(), "the item is on disk before the response");

    // Round trips: two to Redis and one to Kafka, nothing was sent again, and whoever knows the name asks nobody.
    let again = lab.post_cart_item("PROD-123", 1).await?;
    assert_eq!((again.calls("cart", "redis"), again.calls("cart", "kafka")), (2, 1));
    assert_eq!((again.counts.retries, again.calls("browser", "resolver")), (0, 0));

    // Counts, cold again: a new browser, but the hops have their connections.
    lab.forget().await?;
    let cold = lab.post_cart_item("PROD-123", 1).await?;
    assert_eq!((cold.counts.connections_opened, cold.counts.dns_queries), (1, 4));

    // Whatever else there is to send, and the response.
    let cart = lab.get_cart().await?;
    assert_eq!(cart.json()?["items"][0]["quantity"], 2 + 1 + 1);
    assert!(cart.try_hop("kafka").is_none(), "looking tells nobody");
    let refused = lab.post_cart_item("no such product", 1).await?;
    assert!(refused.response.status.is_client_error() && refused.try_hop("redis").is_none());

    // A budget says what it cannot tell.
    let few = lab.measure_cold(3).await?;
    let verdict = few.p50(|j| j.total()).within(Duration::from_secs(60));
    assert_eq!(verdict.conclusion, Conclusion::Inconclusive, "{verdict}");

    lab.stop().await;
    Ok(())
}
