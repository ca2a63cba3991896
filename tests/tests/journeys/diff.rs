//! `lab compare` and `lab diff`: a wire that is slower is found, and called by its name; two runs decide nothing.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::{Change, PartKind, Stage};
use lab::diff::{Diff, FORM};
use tests::fixture::TestSlot;
use tests::program;
use tests::slow_link::SlowLink;

use crate::wire::WIRE;

/// Far more than what a busy machine adds to a median.
const DELAY: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_slower_wire_is_found_and_named_by_several_starts_and_by_no_single_one() -> anyhow::Result<()> {
    let slot = TestSlot::take("compare").await?;
    let link = SlowLink::tcp("127.0.0.1:0".parse()?, format!("127.0.1.100:{}", slot.port(8080)).parse()?)?;
    link.delay(DELAY);
    let runs = slot.path("runs");
    // Without the wire, and with it: what stands before the command holds for both.
    let mut typed: Vec<String> =
        slot.options().sets.iter().flat_map(|set| ["--set", set]).map(String::from).collect();
    typed.extend(
        ["compare", "--warm", "-n", "10", "--runs", "4", "--json", "--fail-on-slower", "--out"]
            .map(String::from),
    );
    typed.push(runs.display().to_string());
    for set in [
        "hop.wire.role=\"ingress\"".to_owned(),
        format!("hop.wire.external=\"http://{}\"", link.address()),
        "hop.wire.rules=[{ path = \"/\", service = \"cart-service\" }]".to_owned(),
        "hop.lb.upstreams=[\"wire\"]".to_owned(),
    ] {
        typed.extend(["--set".to_owned(), set]);
    }
    let said = program::command(&typed).await?.output().await?;
    let stderr = String::from_utf8_lossy(&said.stderr);
    ensure!(stderr.contains("run 8 of at most 8") && stderr.contains("half-width now"), "{stderr}");
    let compared = read(&said, 1)?;
    ensure!(
        (compared.before_runs, compared.after_runs) == (4, 4) && compared.undecidable.is_none(),
        "{compared:?}"
    );
    names_the_wire(&compared)?;
    ensure!(compared.warnings.iter().any(|warning| warning.contains(WIRE)), "{:?}", compared.warnings);

    // The files that it kept say the same, and the other way round it is faster.
    let files = |which: &str| -> Vec<PathBuf> {
        (1..=4).map(|run| runs.join(format!("{which}-{run:02}.json"))).collect()
    };
    let (a, b) = (files("a"), files("b"));
    let sides = |before: &[PathBuf], after: &[PathBuf]| -> Vec<PathBuf> {
        let flag = |flag: &str| std::iter::once(PathBuf::from(flag));
        flag("--before").chain(before.to_vec()).chain(flag("--after")).chain(after.to_vec()).collect()
    };
    let again = read(&diff(&sides(&a, &b), &["--paired", "--fail-on-slower"]).await?, 1)?;
    names_the_wire(&again)?;
    ensure!(again.warm == compared.warm, "the same runs, and another result");
    let unpaired = read(&diff(&sides(&a, &b), &["--fail-on-slower"]).await?, 1)?;
    names_the_wire(&unpaired)?;
    let back = read(&diff(&sides(&b, &a), &["--fail-on-slower"]).await?, 0)?;
    ensure!(total(&back)? == Change::Faster, "{back:?}");
    let lenient = ["--fail-on-slower", "--least", "10000"];
    let lenient = read(&diff(&sides(&a, &b), &lenient).await?, 0)?;
    ensure!(total(&lenient)? != Change::Slower, "{lenient:?}");

    // One of each: the differences, no verdict, and why; a script that wants one is told, too.
    let two = [a[0].clone(), b[0].clone()];
    let one = read(&diff(&two, &[]).await?, 0)?;
    ensure!(total(&one)? == Change::Inconclusive && !one.decided(), "{one:?}");
    ensure!(one.undecidable.as_ref().is_some_and(|why| why.contains("lab compare")), "{one:?}");
    let refused = diff(&two, &["--fail-on-slower"]).await?;
    ensure!(refused.status.code() == Some(2), "{refused:?}");
    let twice = diff(&sides(&[a[0].clone(), a[0].clone()], &b), &[]).await?;
    ensure!(twice.status.code() == Some(2) && text(&twice.stderr).contains("twice"), "{twice:?}");

    // For people: tables of 80 columns. And nonsense is refused with exit code 2.
    for (files, said) in [(sides(&a, &b), "slower"), (two.to_vec(), "No verdict")] {
        let shown =
            program::command([&[PathBuf::from("diff")], files.as_slice()].concat()).await?.output().await?;
        let shown = text(&shown.stdout);
        ensure!(shown.contains(said) && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
    let nonsense = slot.path("nonsense.json");
    std::fs::write(&nonsense, "{}")?;
    let said = diff(&[a[0].clone(), nonsense], &[]).await?;
    ensure!(said.status.code() == Some(2), "{:?}", said.status);
    let words = program::unbroken(&text(&said.stderr));
    ensure!(words.contains("nonsense.json is no measurement"), "{said:?}");
    slot.release();
    Ok(())
}

/// The total is slower by the delay, and of all programs only the wire.
fn names_the_wire(diff: &Diff) -> anyhow::Result<()> {
    let warm = diff.warm.as_ref().context("both are warm")?;
    ensure!(warm.total.verdict == Change::Slower, "{:?}", warm.total);
    ensure!(warm.total.difference_ns >= DELAY.as_nanos() as i64 / 2, "{:?}", warm.total);
    let slower = |verdict: Change| verdict == Change::Slower;
    let stages: Vec<Stage> =
        warm.stages.iter().filter(|row| slower(row.comparison.verdict)).map(|row| row.stage).collect();
    ensure!(stages == [Stage::ToPod], "{:?}", warm.stages);
    // A program that has waited for that long has lost its caches, and is a little slower itself.
    let own = warm.parts.iter().filter(|part| part.row.kind.is_own() && slower(part.comparison.verdict));
    let own = own.filter(|part| part.comparison.difference_ns >= DELAY.as_nanos() as i64 / 10);
    let own: Vec<_> = own.map(|part| (part.row.role.as_str(), part.row.kind)).collect();
    // It stands in an ingress's place, and is the only one that reports nothing.
    ensure!(own == [("ingress", PartKind::Opaque)], "{own:?}");
    Ok(())
}

fn total(diff: &Diff) -> anyhow::Result<Change> {
    Ok(diff.warm.as_ref().context("both are warm")?.total.verdict)
}

/// What `lab diff --json` ends with.
async fn diff(files: &[PathBuf], more: &[&str]) -> anyhow::Result<Output> {
    let mut command = program::command([Path::new("diff")]).await?;
    Ok(command.args(files).arg("--json").args(more).output().await?)
}

/// The comparison that was printed, if it ended so.
fn read(said: &Output, code: i32) -> anyhow::Result<Diff> {
    ensure!(said.status.code() == Some(code), "{:?} {}", said.status, text(&said.stderr));
    let diff: Diff = serde_json::from_slice(&said.stdout).with_context(|| text(&said.stderr))?;
    ensure!(diff.schema == FORM, "{}", diff.schema);
    Ok(diff)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
