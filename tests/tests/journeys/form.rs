//! The JSON form `journey/1`: the documented keys, no others, and numbers that add up.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use lab::measure::Options;
use lab::measure::overhead::{Cost, Overhead};
use serde_json::Value;
use tests::fixture::Fixture;

use crate::measuring::{Kind, measure};

/// The lines of the chapter's budget; the page lists them in a sentence.
const STAGES: [&str; 8] =
    ["browser", "dns", "tcp", "tls", "to-load-balancer", "to-pod", "application", "response"];

/// Keys that are absent when they were not asked for, or when nothing failed.
const ON_REQUEST: [&str; 6] = ["cold", "warm", "overhead", "open_loop", "tap", "failures"];

#[tokio::test]
async fn json_has_the_documented_form_and_adds_up() -> anyhow::Result<()> {
    let lab = Fixture::start("form").await?;
    let measured = measure(&lab, 3, Kind::Both).await?;
    // What a script reads: text, parsed by somebody who knows nothing of our types.
    let text = serde_json::to_string(&measured)?;
    let json: Value = serde_json::from_str(&text)?;
    let page = Documented::read()?;
    form(&json, &page)?;
    for kind in ["cold", "warm"] {
        let made = list(&json[kind]["journeys"])?;
        ensure!(made.len() == 3 && json[kind]["summary"]["journeys"] == 3, "{kind}: {} journeys", made.len());
        made.iter().try_for_each(adds_up)?;
        // Three can tell their least and their most, and no percentile.
        let total = &json[kind]["summary"]["total"];
        ensure!(
            total["p50_ns"].is_null() && total["p99_ns"].is_null() && total["max_ns"].is_u64(),
            "{total}"
        );
        ensure!(json[kind]["summary"]["decomposition"]["p50"].is_null(), "a median of three");
    }
    let names: Vec<&str> = list(&json["hops"])?.iter().filter_map(|hop| hop["name"].as_str()).collect();
    let plan: Vec<&str> = lab.plan().hops().map(|(_, hop)| hop.name.as_str()).collect();
    ensure!(names == plan, "hops are {names:?}, the plan has {plan:?}");

    // Only what was asked for: journeys one after the other, cold and warm; then at a rate, warm only.
    for key in ["overhead", "tap"] {
        ensure!(json.get(key).is_none() && json["warm"].get("open_loop").is_none(), "nobody asked for {key}");
    }
    let options = Options { count: 3, cold: false, rate: Some(10.0), ..Options::default() };
    let at_rate = lab::measure::run(&lab.target()?, lab.collector(), &options, |_, _| {}).await?;
    let at_rate = serde_json::to_value(at_rate)?;
    ensure!(at_rate.get("cold").is_none(), "cold was not asked for");
    ensure!(at_rate["warm"]["open_loop"].is_object(), "the open loop is in the form");
    form(&at_rate, &page)?;
    list(&at_rate["warm"]["journeys"])?.iter().try_for_each(adds_up)?;
    // The twins: a key too few, one too many, and a number that is off by one.
    let mut twin = json.clone();
    twin["warm"]["journeys"][0]["parts"][0].as_object_mut().context("a part")?.remove("depth");
    ensure!(form(&twin, &page).is_err(), "a missing key must be noticed");
    let mut twin = json.clone();
    twin["hops"][0]["secret"] = Value::Null;
    ensure!(form(&twin, &page).is_err(), "an undocumented key must be noticed");
    let mut twin = json["warm"]["journeys"][0].clone();
    twin["total_ns"] = (whole(&twin["total_ns"])? + 1).into();
    ensure!(adds_up(&twin).is_err(), "a wrong sum must be noticed");
    lab.finish().await;
    Ok(())
}

/// The fields of each object, as docs/measuring.md has them: `MEASURED`, and those in capital letters.
struct Documented(HashMap<String, Vec<(String, String)>>);

impl Documented {
    fn read() -> anyhow::Result<Documented> {
        let root = lab::workspace::root().context("the workspace")?;
        let page = std::fs::read_to_string(root.join("docs/measuring.md"))?;
        let (_, section) =
            page.split_once("## The JSON form: `journey/1`").context("the page explains the form")?;
        for stage in STAGES {
            ensure!(
                section.contains(&format!("`{stage}`")),
                "docs/measuring.md does not explain the stage {stage}"
            );
        }
        let mut blocks = section.splitn(3, "```");
        let block = blocks.nth(1).and_then(|block| block.strip_prefix("text")).context("a block of text")?;
        let mut texts = vec![("MEASURED", String::new())];
        for line in block.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let is_name =
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
            if is_name {
                texts.push((word, rest.to_owned()));
            } else if let Some((_, text)) = texts.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
        let all = texts.into_iter().map(|(name, text)| {
            let text = if name == "MEASURED" { inside(&text) } else { &text };
            (name.to_owned(), fields(text))
        });
        Ok(Documented(all.collect()))
    }

    /// The keys of an object, such as `SUMMARY` or `MEASURED hops`.
    fn keys(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let missing = || format!("docs/measuring.md does not explain {path}");
        let mut words = path.split(' ');
        let mut found = words.next().and_then(|name| self.0.get(name)).with_context(missing)?.clone();
        for word in words {
            let (_, inner) = found.iter().find(|(name, _)| name == word).with_context(missing)?;
            found = fields(inside(inner));
        }
        Ok(names(&found))
    }
}

/// What stands between the first `{` and the last `}`.
fn inside(text: &str) -> &str {
    let inner = text.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
    inner.map_or(text, |(inner, _)| inner)
}

fn names(fields: &[(String, String)]) -> Vec<String> {
    fields.iter().map(|(name, _)| name.clone()).collect()
}

/// `a, "b": [ … ], some words "c": { … }` → a, b and c, each with what follows its colon.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut items = vec![String::new()];
    let mut depth = 0;
    for letter in text.chars() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        match items.last_mut() {
            Some(_) if letter == ',' && depth == 0 => items.push(String::new()),
            Some(item) => item.push(letter),
            None => {}
        }
    }
    let field = |item: String| {
        let (head, rest) = item.split_once(':').unwrap_or((&item, ""));
        let name = head.split_whitespace().next_back()?;
        let bare = name.trim_matches('"');
        let is_name =
            bare.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        // Words in a sentence are no fields.
        let alone = name != bare || head.split_whitespace().count() == 1;
        (is_name && alone && !bare.is_empty()).then(|| (bare.to_owned(), rest.to_owned()))
    };
    items.into_iter().filter_map(field).collect()
}

#[test]
fn the_page_is_read_as_it_is_meant() -> anyhow::Result<()> {
    let found = fields(r#" "a": 1 | 2, two words, "b": [ { "c", "d" } ], }   not asked for "e": { … } f"#);
    ensure!(names(&found) == ["a", "b", "e"], "{found:?}");
    ensure!(names(&fields(inside(&found[1].1))) == ["c", "d"], "{found:?}");
    let page = Documented::read()?;
    for (path, least) in [("MEASURED", 8), ("JOURNEY", 10), ("JOURNEY parts", 9), ("SUMMARY", 9)] {
        ensure!(page.keys(path)?.len() >= least, "too little was found: {:?}", page.keys(path)?);
    }
    // What the lab below does not show, because nothing is strange there and nobody asked for it.
    let made_up = journey::Anomaly { hop: String::new(), what: String::new(), by_ns: 1 };
    keys(&serde_json::to_value(&made_up)?, &page, "JOURNEY anomalies")?;
    keys(&serde_json::to_value(made_up)?, &page, "JOURNEY disturbances")?;
    let flagged = journey::Flagged { trace_id: journey::TraceId::default(), what: Vec::new() };
    keys(&serde_json::to_value(flagged)?, &page, "MEASURED cold flagged")?;
    let cost = Cost { without_ns: 1, added_ns: 1, low_ns: 1, high_ns: 1 };
    let overhead =
        Overhead { pairs: 1, requests: 1, verdict: cost.verdict(1.0), total: cost, cpu: cost, lab_cpu: cost };
    let overhead = serde_json::to_value(overhead)?;
    keys(&overhead, &page, "MEASURED overhead")?;
    keys(&overhead["cpu"], &page, "COST")
}

/// Every documented key and no other, all the way down.
fn form(json: &Value, page: &Documented) -> anyhow::Result<()> {
    keys(json, page, "MEASURED")?;
    ensure!(
        json["schema"] == "journey/1" && json["network"] == "loopback",
        "{} {}",
        json["schema"],
        json["network"]
    );
    ensure!(["debug", "release"].contains(&text(&json["build"])?), "build is {}", json["build"]);
    keys(&json["machine"], page, "MEASURED machine")?;
    for hop in list(&json["hops"])? {
        keys(hop, page, "MEASURED hops")?;
        for address in list(&hop["listen"])? {
            text(address)?.parse::<std::net::SocketAddr>()?;
        }
    }
    for kind in ["cold", "warm"] {
        if let Some(found) = json.get(kind) {
            series(found, page)?;
        }
    }
    Ok(())
}

fn series(series: &Value, page: &Documented) -> anyhow::Result<()> {
    keys(series, page, "MEASURED cold")?;
    let summary = &series["summary"];
    keys(summary, page, "SUMMARY")?;
    list(&summary["parts"])?.iter().try_for_each(|part| keys(part, page, "SUMMARY parts"))?;
    list(&summary["counts"])?.iter().try_for_each(|counts| keys(counts, page, "SUMMARY counts"))?;
    keys(&summary["decomposition"], page, "SUMMARY decomposition")?;
    for times in ["total", "undisturbed"] {
        keys(&summary[times], page, "PERCENTILES")?;
    }
    for near in ["mean", "p50", "p99"] {
        let near = &summary["decomposition"][near];
        // Too few have neither median nor tail.
        if near.is_null() {
            continue;
        }
        keys(near, page, "SUMMARY decomposition mean")?;
        let parts = list(&near["parts"])?;
        parts.iter().try_for_each(|part| keys(part, page, "SUMMARY decomposition mean parts"))?;
        adds_up(near)?;
    }
    if let Some(open_loop) = series.get("open_loop") {
        keys(open_loop, page, "OPEN_LOOP")?;
        for times in ["response", "service", "pacing"] {
            keys(&open_loop[times], page, "PERCENTILES")?;
        }
    }
    list(&series["journeys"])?.iter().try_for_each(|made| journey(made, page))
}

fn journey(journey: &Value, page: &Documented) -> anyhow::Result<()> {
    keys(journey, page, "JOURNEY")?;
    keys(&journey["counts"], page, "JOURNEY counts")?;
    let trace = text(&journey["trace_id"])?;
    ensure!(trace.len() == 32 && trace.bytes().all(|digit| digit.is_ascii_hexdigit()), "trace {trace}");
    ensure!(journey["status"] == 201, "status {}", journey["status"]);
    for part in list(&journey["parts"])? {
        keys(part, page, "JOURNEY parts")?;
        let one_of = |key: &str, words: &[&str]| {
            let word = text(&part[key])?;
            ensure!(words.contains(&word), "{key} is {word:?}");
            Ok(())
        };
        one_of("kind", &["self", "leg", "wake", "wait", "opaque"])?;
        one_of("quality", &["kernel", "user", "inferred"])?;
        one_of("stage", &STAGES)?;
    }
    Ok(())
}

/// Parts and what is unaccounted make the total, in whole nanoseconds.
fn adds_up(journey: &Value) -> anyhow::Result<()> {
    let parts = list(&journey["parts"])?.iter().map(|part| whole(&part["duration_ns"]));
    let sum: i64 = parts.sum::<anyhow::Result<i64>>()?;
    let (unaccounted, total) = (whole(&journey["unaccounted_ns"])?, whole(&journey["total_ns"])?);
    ensure!(sum + unaccounted == total, "{sum} + {unaccounted} is not {total}");
    Ok(())
}

/// An object has the keys that the page explains under `path`, but for those that only appear on request.
fn keys(object: &Value, page: &Documented, path: &str) -> anyhow::Result<()> {
    let expected = page.keys(path)?;
    let object = object.as_object().with_context(|| format!("expected an object with {expected:?}"))?;
    let mut found: Vec<&str> = object.keys().map(String::as_str).collect();
    let requested = |key: &&str| found.contains(key) || !ON_REQUEST.contains(key);
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).filter(requested).collect();
    found.sort_unstable();
    expected.sort_unstable();
    ensure!(found == expected, "keys of {path} are {found:?}, expected {expected:?}");
    Ok(())
}

fn list(value: &Value) -> anyhow::Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("expected an array, found {value}"))
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().with_context(|| format!("expected a string, found {value}"))
}

fn whole(value: &Value) -> anyhow::Result<i64> {
    value.as_i64().with_context(|| format!("expected a whole number, found {value}"))
}
