//! What the lab exports, read by programs of others: haralyzer, Perfetto's own engine, an HTML parser,
//! Prometheus's client and an OpenTelemetry Collector. One lab for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::{Journey, PartKind};
use lab::measure::Measured;
use lab::report;
use serde_json::{Value, json};
use tests::fixture::{Fixture, TestSlot};
use tests::readers::Readers;
use tests::{program, programs};

use crate::measuring::{Kind, cold, measure, warm};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_export_is_read_by_a_program_of_somebody_elses() -> anyhow::Result<()> {
    let Some(readers) = Readers::find("every_export_is_read_by_a_program_of_somebody_elses")? else {
        return Ok(());
    };
    let slot = TestSlot::take("exports").await?;
    let collector = readers.collector(&slot.path("received")).await?;
    let options = slot.options().set("telemetry.forward", json!(format!("http://{}", collector.address)));
    let folder = slot.path("exported");
    std::fs::create_dir_all(&folder)?;
    let lab = slot.start(options).await?;
    let measured = measure(&lab, 4, Kind::Both).await?;
    let saved = folder.join("journey.json");
    std::fs::write(&saved, serde_json::to_string(&measured)?)?;

    archive(&readers, &export(&saved, "har").await?, &measured).await.context("the HTTP archive")?;
    trace(&readers, &export(&saved, "perfetto").await?, &measured).await.context("the Perfetto trace")?;
    page(&readers, &export(&saved, "html").await?, &measured).await.context("the page")?;
    let table = std::fs::read_to_string(export(&saved, "table").await?)?;
    ensure!(table.trim_end() == report::table(&measured, report::Style::default()).trim_end(), "{table}");
    metrics(&readers, &folder, &lab, &measured).await.context("the metrics")?;

    let forward = lab.collector().forward().context("spans are passed on")?;
    let known = measured.journeys().map(|journey| u64::from(journey.counts.spans)).sum::<u64>();
    let sent = async || (forward.sent() >= known).then_some(());
    hop::wait::until(format!("{known} spans to be passed on"), SOON, sent).await?;
    hop::wait::until("the collector to have them", SOON, async || {
        received(&collector.received(), &measured).ok()
    })
    .await
    .with_context(|| {
        received(&collector.received(), &measured).err().map_or_else(String::new, |e| e.to_string())
    })?;
    ensure!(forward.lost() == 0, "{} spans were lost", forward.lost());
    lab.finish().await;
    Ok(())
}

/// Converts a saved measurement with the program itself, as a user does.
async fn export(saved: &Path, format: &str) -> anyhow::Result<PathBuf> {
    let out = saved.with_extension(format);
    let words = [
        "export",
        saved.to_str().context("text")?,
        "--format",
        format,
        "--out",
        out.to_str().context("text")?,
    ];
    let done = program::command(words).await?.output().await?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(out)
}

async fn archive(readers: &Readers, file: &Path, measured: &Measured) -> anyhow::Result<()> {
    let read = readers.python("har.py", &[], file).await?;
    ensure!(read["version"] == "1.2", "{read}");
    for (page, (kind, journeys)) in
        list(&read["pages"])?.iter().zip([("cold", cold(measured)), ("warm", warm(measured))])
    {
        ensure!(page["id"] == kind && page["title"] == format!("POST /cart/items, {kind}"), "{page}");
        let entries = list(&page["entries"])?;
        ensure!(entries.len() == journeys.len(), "{kind}: {} entries", entries.len());
        for (entry, journey) in entries.iter().zip(journeys) {
            ensure!(entry["method"] == "POST" && entry["status"] == 201, "{entry}");
            ensure!(entry["url"] == format!("{}/cart/items", measured.origin), "{entry}");
            ensure!(entry["server"] == "127.0.113.50" && entry["response_version"] == "HTTP/2.0", "{entry}");
            ensure!(entry["transferred"].as_u64() == journey.counts.response_bytes, "{entry}");
            ensure!(entry["started_unix_ns"] == journey.start_unix_ns / 1_000 * 1_000, "{entry}");
            added_up(entry, journey).with_context(|| entry.to_string())?;
            let setup = ["dns", "connect", "ssl"].map(|step| entry["timings"][step].as_f64().unwrap_or(-2.0));
            let taken = setup.map(|time| time > 0.0);
            ensure!(taken == [kind == "cold"; 3], "{kind}: {setup:?}");
            ensure!(kind == "cold" || setup == [-1.0; 3], "what was not done is -1: {setup:?}");
        }
    }
    // The twin: a reader that adds up must notice a timing that is off.
    let mut twin = list(&list(&read["pages"])?[0]["entries"])?[0].clone();
    twin["timings"]["wait"] = json!(twin["timings"]["wait"].as_f64().unwrap_or_default() + 0.01);
    ensure!(added_up(&twin, &cold(measured)[0]).is_err(), "a wrong timing must be noticed");
    Ok(())
}

/// An entry's timings, -1 and `ssl` left out, are its time, and that is the journey's; to a nanosecond, which is
/// more than the format's doubles hold.
fn added_up(entry: &Value, journey: &Journey) -> anyhow::Result<()> {
    let timings = entry["timings"].as_object().context("timings")?;
    let counted = timings.iter().filter(|(name, _)| *name != "ssl").filter_map(|(_, time)| time.as_f64());
    let sum: f64 = counted.filter(|time| *time >= 0.0).sum();
    let time = entry["time_ms"].as_f64().context("a time")?;
    ensure!((sum - time).abs() < 2e-6, "the timings add up to {sum}, the time is {time}");
    let parts = journey.sum(|_| true).saturating_add_signed(journey.unaccounted_ns.max(0));
    ensure!((time - parts as f64 / 1e6).abs() < 2e-6, "the time is {time} ms, the journey took {parts} ns");
    Ok(())
}

async fn trace(readers: &Readers, file: &Path, measured: &Measured) -> anyhow::Result<()> {
    let errors = "select name, value from stats where severity in ('error', 'data_loss') and value > 0";
    let kinds = "select s.category, count(1), sum(s.dur) from slice s group by 1 order by 1";
    let hops = "select p.name, t.name, sum(s.dur) from slice s join thread_track k on s.track_id = k.id \
                join thread t using (utid) join process p using (upid) group by 1, 2";
    let arrows = "select count(1) from flow";
    let journeys = "select name, ts, dur, extract_arg(arg_set_id, 'args.trace_id') from slice \
                    where category = 'journey' order by ts";
    let answers = readers.perfetto(file, &[errors, kinds, hops, arrows, journeys]).await?;
    let [errors, kinds, hops, arrows, seen] = answers.as_slice() else { anyhow::bail!("{answers:?}") };
    ensure!(*errors == json!([]), "Perfetto complains: {errors}");
    let parts =
        |kind: PartKind| measured.journeys().flat_map(|j| &j.parts).filter(move |part| part.kind == kind);
    for kind in [PartKind::Own, PartKind::Leg, PartKind::Wait, PartKind::Wake, PartKind::Opaque] {
        let (count, sum) = (parts(kind).count(), parts(kind).map(|part| part.duration_ns).sum::<u64>());
        let row = list(kinds)?.iter().find(|row| row[0] == kind.as_str()).cloned();
        ensure!(row.unwrap_or(json!([kind.as_str(), 0, 0])) == json!([kind.as_str(), count, sum]), "{kinds}");
    }
    ensure!(*arrows == json!([[parts(PartKind::Leg).count()]]), "arrows: {arrows}");
    let mut expected: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for part in measured.journeys().flat_map(|journey| &journey.parts) {
        let thread = if part.kind == PartKind::Leg { "arriving" } else { "program" };
        *expected.entry((&part.hop, thread)).or_default() += part.duration_ns;
    }
    for ((hop, thread), sum) in expected {
        ensure!(list(hops)?.contains(&json!([hop, thread, sum])), "{hop}, {thread} has {sum} ns: {hops}");
    }
    let first = measured.journeys().map(|journey| journey.start_unix_ns).min().unwrap_or_default();
    for (row, journey) in list(seen)?.iter().zip(measured.journeys()) {
        ensure!(row[1] == journey.start_unix_ns - first && row[2] == journey.total_ns, "{row}");
        ensure!(row[3] == journey.trace_id.to_string(), "{row}");
    }
    Ok(())
}

async fn page(readers: &Readers, file: &Path, measured: &Measured) -> anyhow::Result<()> {
    let read = readers.python("page.py", &[], file).await?;
    for nothing in ["fetches", "runs", "styles_fetch", "pointing_nowhere"] {
        ensure!(read[nothing] == json!([]), "{nothing}: {}", read[nothing]);
    }
    ensure!(read["language"] == "en" && read["schemes"] == true && read["drawings"] == 2, "{read}");
    let traces: Vec<&str> = list(&read["traces"])?.iter().filter_map(Value::as_str).collect();
    let shown: Vec<&Journey> = measured
        .journeys()
        .filter(|journey| traces.contains(&journey.trace_id.to_string().as_str()))
        .collect();
    ensure!(shown.len() == 2, "one cold and one warm journey are shown: {traces:?}");
    let after = |journey: &'_ &Journey| journey.after.clone().into_iter().flat_map(|after| after.parts);
    let parts: Vec<_> =
        shown.iter().flat_map(|journey| journey.parts.iter().cloned().chain(after(journey))).collect();
    let rows = list(&read["parts"])?;
    ensure!(rows.len() == parts.len(), "{} rows for {} parts", rows.len(), parts.len());
    for (row, part) in rows.iter().zip(&parts) {
        let label = row[0].as_str().unwrap_or_default();
        ensure!(label.contains(&part.hop) && label.contains(&part.name), "{row}: {part:?}");
        ensure!(row[1] == report::time(part.duration_ns), "{row}: {part:?}");
    }
    // The twin: a page that fetches is found out.
    let (twin, text) = (file.with_extension("twin.html"), std::fs::read_to_string(file)?);
    std::fs::write(&twin, text.replacen("<main>", "<main><img alt=\"\" src=\"http://127.0.0.1/x.png\">", 1))?;
    let read = readers.python("page.py", &[], &twin).await?;
    ensure!(list(&read["fetches"])?.len() == 1, "an image must be noticed: {read}");
    Ok(())
}

/// Every hop that took part shows a histogram, and an exemplar in it; that of HTTP hops names a journey.
async fn metrics(readers: &Readers, folder: &Path, lab: &Fixture, measured: &Measured) -> anyhow::Result<()> {
    let traces: BTreeSet<String> = measured.journeys().map(|journey| journey.trace_id.to_string()).collect();
    let hops: BTreeSet<&str> =
        measured.journeys().flat_map(|j| &j.parts).map(|part| part.hop.as_str()).collect();
    for hop in hops.into_iter().filter(|hop| *hop != "browser") {
        let url = format!("http://{}/metrics", lab.admin(hop));
        let file = folder.join(format!("{hop}.metrics"));
        let accept = "Accept: application/openmetrics-text; version=1.0.0";
        std::fs::write(
            &file,
            programs::output("curl", ["-sSf", "--noproxy", "*", "-H", accept, &url]).await?,
        )?;
        let open = readers.python("metrics.py", &["open"], &file).await.context(hop.to_owned())?;
        let histograms = list(&open)?.iter().filter(|family| family["type"] == "histogram");
        let samples: Vec<&Value> =
            histograms.flat_map(|family| family["samples"].as_array()).flatten().collect();
        let named = |sample: &&&Value| !sample["exemplar"].is_null();
        let exemplars: Vec<&Value> = samples.iter().filter(named).map(|sample| &sample["exemplar"]).collect();
        ensure!(!exemplars.is_empty(), "{hop} names no trace: {open}");
        for sample in samples.iter().filter(named) {
            let bound = sample["labels"]["le"].as_str().and_then(|bound| bound.parse::<f64>().ok());
            let value = sample["exemplar"]["value"].as_f64().context("a value")?;
            ensure!(bound.is_none_or(|bound| value <= bound), "not of this bucket: {sample}");
        }
        if list(&open)?.iter().any(|family| family["name"] == "http_server_request_duration_seconds") {
            let ours = |exemplar: &&Value| {
                exemplar["labels"]["trace_id"].as_str().is_some_and(|id| traces.contains(id))
            };
            ensure!(exemplars.iter().any(ours), "{hop} names none of the journeys: {exemplars:?}");
        }
        std::fs::write(&file, programs::output("curl", ["-sSf", "--noproxy", "*", &url]).await?)?;
        let plain = readers.python("metrics.py", &["plain"], &file).await.context(hop.to_owned())?;
        let names = |families: &Value| -> anyhow::Result<BTreeSet<String>> {
            Ok(list(families)?.iter().map(|family| family["name"].to_string()).collect())
        };
        ensure!(names(&plain)? == names(&open)?, "{hop}: both formats show the same: {plain} {open}");
        let exemplar = |sample: &Value| !sample["exemplar"].is_null();
        let any =
            list(&plain)?.iter().flat_map(|family| family["samples"].as_array()).flatten().any(exemplar);
        ensure!(!any, "the older format has no exemplars: {plain}");
    }
    Ok(())
}

/// Everything that a journey is made of has arrived: every trace, every hop, the stamps with their fields.
fn received(log: &str, measured: &Measured) -> anyhow::Result<()> {
    for journey in measured.journeys() {
        let line = format!("Trace ID       : {}", journey.trace_id);
        let spans = log.lines().filter(|seen| seen.trim() == line).count();
        ensure!(spans >= 8, "{spans} spans of {}", journey.trace_id);
    }
    for hop in measured.journeys().flat_map(|journey| &journey.parts).map(|part| &part.hop) {
        ensure!(log.contains(&format!("service.name: Str({hop})")), "nothing of {hop}");
    }
    for field in ["journey.flow: Str(tcp ", "journey.direction: Str(response)", "journey.offset: Int("] {
        ensure!(log.contains(field), "{field} is missing");
    }
    Ok(())
}

fn list(value: &Value) -> anyhow::Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("expected a list: {value}"))
}
