//! The legs to Redis, Kafka and the database are taken apart when the lab's own programs answer, and are one
//! opaque part when a real engine does.

use anyhow::{Context as _, ensure};
use journey::{Journey, Part, PartKind};
use tests::fixture::{Fixture, TestSlot};

use crate::check::{shown, sound};
use crate::measuring::{Kind, measure, warm};

const READ: &[&str] = &["parse", "queue", "execute", "respond"];
const WRITE: &[&str] = &["parse", "queue", "execute", "append", "fsync", "respond"];
const PRODUCE: &[&str] = &["parse", "queue", "append", "fsync", "respond"];
const DATABASE: &[&str] = &["sqlite", "queue", "execute", "fsync", "sqlite"];

/// What a program did each time it was asked: its parts between two legs, once it ran.
fn visits<'a>(journey: &'a Journey, role: &str) -> Vec<Vec<&'a Part>> {
    let parts = |chunk: &'a [Part]| {
        chunk.iter().filter(|part| part.role == role && part.kind != PartKind::Wake).collect::<Vec<_>>()
    };
    let chunks = journey.parts.split(|part| part.kind == PartKind::Leg);
    chunks.map(parts).filter(|visit| !visit.is_empty()).collect()
}

/// Every step once, in this order, and nothing between two parts that is nobody's.
fn taken_apart(journey: &Journey, role: &str, expected: &[&[&str]]) -> anyhow::Result<()> {
    let visits = visits(journey, role);
    ensure!(visits.len() == expected.len(), "{role} was asked {} times", visits.len());
    for (visit, expected) in visits.iter().zip(expected) {
        let steps: Vec<&str> =
            visit.iter().map(|part| part.name.as_str()).filter(|name| !name.is_empty()).collect();
        ensure!(steps == *expected, "{role} did {steps:?}, expected {expected:?}");
        for pair in visit.windows(2) {
            let end = pair[0].start_ns + pair[0].duration_ns;
            ensure!(end == pair[1].start_ns, "{role}: after {} comes a gap", pair[0].name);
        }
        ensure!(
            visit.iter().all(|part| (part.kind == PartKind::Wait) == ["queue", "fsync"].contains(&part.name.as_str())),
            "what {role} waits for is a wait, and nothing else is"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_legs_to_redis_kafka_and_the_database_have_parts() -> anyhow::Result<()> {
    let lab = Fixture::start("parts").await?;
    let measured = measure(&lab, 5, Kind::Warm).await?;
    for journey in warm(&measured) {
        sound(journey)?;
        // First what the transaction must know (WATCH), then the transaction.
        // A question that shares its group with someone's write (the relay's) waits for the disk, too.
        let shares = visits(journey, "store").first().is_some_and(|visit| visit.len() > READ.len());
        let question = if shares { WRITE } else { READ };
        taken_apart(journey, "store", &[question, WRITE]).with_context(|| shown(journey))?;
        taken_apart(journey, "events", &[PRODUCE]).with_context(|| shown(journey))?;
        let database = taken_apart(journey, "inventory", &[DATABASE]);
        database.with_context(|| shown(journey))?;
        // The checker itself: a step too few, or too many, is noticed.
        ensure!(taken_apart(journey, "events", &[&PRODUCE[..4]]).is_err(), "a missing step was not noticed");
        ensure!(taken_apart(journey, "store", &[WRITE, READ]).is_err(), "a wrong order was not noticed");
    }
    lab.finish().await;
    Ok(())
}

/// What it waits for inside is its own business; others know only how long it took.
#[tokio::test]
async fn a_real_redis_keeps_its_parts_to_itself() -> anyhow::Result<()> {
    tests::programs::find("redis-server")?;
    let slot = TestSlot::take("parts-redis").await?;
    let options = slot.options().swap("store", "redis-server");
    let lab = slot.start(options).await?;
    let measured = measure(&lab, 3, Kind::Warm).await?;
    for journey in warm(&measured) {
        sound(journey)?;
        let redis = visits(journey, "store").concat();
        ensure!(!redis.is_empty(), "redis took no time\n{}", shown(journey));
        ensure!(redis.iter().all(|part| part.kind == PartKind::Opaque), "{}", shown(journey));
        taken_apart(journey, "events", &[PRODUCE]).with_context(|| shown(journey))?;
    }
    lab.finish().await;
    Ok(())
}
