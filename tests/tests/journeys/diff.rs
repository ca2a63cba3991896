//! `lab diff`: a wire that got slower is found, and called by its name; the same is not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::{Change, PartKind};
use lab::diff::{Diff, FORM};
use tests::fixture::Fixture;
use tests::program;

use crate::measuring::{Kind, measure};
use crate::wire::behind_a_wire;

/// Far more than what a busy machine adds to a median.
const DELAY: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_slower_wire_is_found_and_named() -> anyhow::Result<()> {
    let (lab, link) = behind_a_wire("diff").await?;
    let before = written(&lab, "before.json", 40).await?;
    let few = written(&lab, "few.json", 4).await?;
    link.delay(DELAY);
    let after = written(&lab, "after.json", 40).await?;

    let (slower, code) = diff(&before, &after, &["--fail-on-slower"]).await?;
    let warm = slower.warm.as_ref().context("both are warm")?;
    ensure!(code == Some(1) && warm.total.verdict == Change::Slower, "{code:?} {:?}", warm.total);
    ensure!(warm.before_journeys > 30 && warm.after_journeys > 30, "{warm:?}");
    let wire = warm.parts.iter().find(|part| part.row.kind == PartKind::Opaque).context("the wire's row")?;
    let low = wire.comparison.low_ns.unwrap_or(0);
    ensure!(wire.comparison.verdict == Change::Slower && low > 0, "{wire:?}");
    ensure!(wire.comparison.difference_ns >= DELAY.as_nanos() as i64 / 2, "{wire:?}");
    ensure!(slower.statistic.contains("95 %") && warm.part_confidence > 0.99, "{}", slower.statistic);

    // The other way round; a limit above the delay; too few journeys: three ways not to be slower.
    let (faster, code) = diff(&after, &before, &["--fail-on-slower"]).await?;
    ensure!(code == Some(0) && total(&faster)? == Change::Faster, "{code:?} {faster:?}");
    let (lenient, code) = diff(&before, &after, &["--fail-on-slower", "--least", "10000"]).await?;
    ensure!(code == Some(0) && total(&lenient)? == Change::Inconclusive, "{code:?} {lenient:?}");
    let (scant, code) = diff(&few, &after, &["--fail-on-slower"]).await?;
    ensure!(code == Some(0) && total(&scant)? == Change::Inconclusive, "{code:?} {scant:?}");

    // For people: a table that states its statistic. And nonsense is refused with exit code 2.
    let said = program::command([Path::new("diff"), &before, &after]).await?.output().await?;
    let text = String::from_utf8_lossy(&said.stdout);
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    for word in ["slower", "Statistic", "order statistics", "Bonferroni", "total"] {
        ensure!(text.contains(word), "no {word:?} in\n{text}");
    }
    let nonsense = lab.folder().join("nonsense.json");
    std::fs::write(&nonsense, "{}")?;
    let said = program::command([Path::new("diff"), &before, &nonsense]).await?.output().await?;
    ensure!(said.status.code() == Some(2), "{:?}", said.status);
    ensure!(String::from_utf8_lossy(&said.stderr).contains("nonsense.json is no measurement"), "{said:?}");
    lab.finish().await;
    Ok(())
}

fn total(diff: &Diff) -> anyhow::Result<Change> {
    Ok(diff.warm.as_ref().context("both are warm")?.total.verdict)
}

/// Measures warm journeys into a file.
async fn written(lab: &Fixture, name: &str, count: usize) -> anyhow::Result<PathBuf> {
    let path = lab.folder().join(name);
    let measured = measure(lab, count, Kind::Warm).await?;
    std::fs::write(&path, serde_json::to_vec(&measured)?)?;
    Ok(path)
}

/// What `lab diff --json` says, and its exit code.
async fn diff(before: &Path, after: &Path, more: &[&str]) -> anyhow::Result<(Diff, Option<i32>)> {
    let mut command = program::command([Path::new("diff"), before, after]).await?;
    let said = command.arg("--json").args(more).output().await?;
    let diff: Diff = serde_json::from_slice(&said.stdout)
        .with_context(|| String::from_utf8_lossy(&said.stderr).into_owned())?;
    ensure!(diff.schema == FORM, "{}", diff.schema);
    Ok((diff, said.status.code()))
}
