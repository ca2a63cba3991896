//! Every hop once, in order, each part inside its parent: cold and warm.

use anyhow::ensure;
use journey::{PartKind, Quality};
use tests::fixture::Fixture;

use crate::check::{deeds, handed_on, once, shown, sound, way};
use crate::measuring::{Kind, cold, measure, warm};

/// The walk from the root: one question per zone, also with QNAME minimisation (RFC 9156).
const WALK: [&str; 8] = ["browser", "resolver", "root", "resolver", "com", "resolver", "myshop", "resolver"];
/// The request's way and back.
const WAY: [&str; 17] = [
    "browser",
    "lb",
    "ingress",
    "cart-service",
    "cart",
    "inventory-service",
    "inventory",
    "inventory-service",
    "cart",
    "redis",
    "cart",
    "kafka",
    "cart",
    "cart-service",
    "ingress",
    "lb",
    "browser",
];

#[tokio::test]
async fn a_request_meets_every_hop_in_the_order_of_the_plan() -> anyhow::Result<()> {
    let lab = Fixture::start("shape").await?;
    let measured = measure(&lab, 3, Kind::Both).await?;
    for journey in measured.journeys() {
        sound(journey)?;
        every_program_says_what_it_did(journey)?;
    }
    for journey in cold(&measured) {
        let way = way(journey, lab.plan())?;
        let (walk, rest) = way.split_at(WALK.len());
        ensure!(walk == WALK, "the walk was {walk:?}\n{}", shown(journey));
        // browser → lb → browser is the TLS handshake; the request follows.
        ensure!(rest[..2] == ["browser", "lb"], "then came {rest:?}\n{}", shown(journey));
        ensure!(once(&rest[2..]) == WAY, "the request's way was {:?}\n{}", once(&rest[2..]), shown(journey));
    }
    for journey in warm(&measured) {
        let way = way(journey, lab.plan())?;
        ensure!(once(&way) == WAY, "the request's way was {:?}\n{}", once(&way), shown(journey));
        ensure!(
            journey
                .parts
                .iter()
                .all(|part| part.quality != Quality::Inferred && part.kind != PartKind::Opaque),
            "every hop of the default stack reports\n{}",
            shown(journey)
        );
    }
    lab.finish().await;
    Ok(())
}

/// The pod's steps are the chapter's; store and broker sync before they answer.
fn every_program_says_what_it_did(journey: &journey::Journey) -> anyhow::Result<()> {
    let pod: Vec<&str> =
        deeds(journey, "cart").into_iter().filter(|deed| !deed.contains("connect")).collect();
    ensure!(pod == ["auth", "queue", "validate", "respond"], "the pod did {pod:?}\n{}", shown(journey));
    let redis = deeds(journey, "store");
    let kafka = deeds(journey, "events");
    ensure!(
        redis
            == [
                &["parse", "queue", "execute", "respond"][..],
                &["parse", "queue", "execute", "append", "fsync", "respond"],
            ]
            .concat(),
        "redis did {redis:?}\n{}",
        shown(journey)
    );
    ensure!(
        kafka == ["parse", "queue", "append", "fsync", "respond"],
        "kafka did {kafka:?}\n{}",
        shown(journey)
    );
    ensure!(
        deeds(journey, "inventory") == ["sqlite", "queue", "execute", "fsync", "sqlite"],
        "{}",
        shown(journey)
    );
    for (role, waits) in
        [("cart", &["queue"][..]), ("store", &["queue", "fsync"]), ("events", &["queue", "fsync"])]
    {
        for part in
            journey.parts.iter().filter(|part| part.role == role && waits.contains(&part.name.as_str()))
        {
            ensure!(part.kind == PartKind::Wait, "{}: {} is a {:?}", part.hop, part.name, part.kind);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_plan_without_services_is_walked_as_it_is() -> anyhow::Result<()> {
    // One pod behind the ingress, without layer 4 in between: the journey follows the plan, not a list.
    let slot = tests::fixture::TestSlot::take("shape-direct").await?;
    let options = slot.options().set(
        "hop.ingress.rules",
        r#"[{ host = "api.myshop.com", type = "Prefix", path = "/cart", service = "cart-pod-def34" }]"#,
    );
    let options = options.set("hop.cart-pod-def34.inventory", "inventory-pod-mno90");
    let lab = slot.start(options).await?;
    let measured = measure(&lab, 2, Kind::Warm).await?;
    for journey in warm(&measured) {
        sound(journey)?;
        let holders = handed_on(journey)?;
        let (pod, stock) = ("cart-pod-def34", "inventory-pod-mno90");
        let expected = [
            "browser", "lb", "ingress", pod, stock, pod, "redis", pod, "kafka", pod, "ingress", "lb",
            "browser",
        ];
        ensure!(once(&holders) == expected, "the way was {:?}\n{}", once(&holders), shown(journey));
    }
    lab.finish().await;
    Ok(())
}
