//! The JSON form `journey/1`: the documented keys, no others, and numbers that add up.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tests::fixture::Fixture;

use crate::ask::{Kind, measure};

/// The lines of the chapter's budget; the page lists them in a sentence.
const STAGES: [&str; 8] =
    ["browser", "dns", "tcp", "tls", "to-load-balancer", "to-pod", "application", "response"];

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
    }
    let names: Vec<&str> = list(&json["hops"])?.iter().filter_map(|hop| hop["name"].as_str()).collect();
    let plan: Vec<&str> = lab.plan().hops().map(|(_, hop)| hop.name.as_str()).collect();
    ensure!(names == plan, "hops are {names:?}, the plan has {plan:?}");

    // Only what was asked for.
    let warm = serde_json::to_value(measure(&lab, 1, Kind::Warm).await?)?;
    ensure!(warm.get("cold").is_none() && warm["warm"].is_object(), "cold was not asked for");
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

/// The keys of each object, as docs/measuring.md has them.
struct Documented {
    measured: Vec<String>,
    hop: Vec<String>,
    series: Vec<String>,
    summary: Vec<String>,
    journey: Vec<String>,
    part: Vec<String>,
    counts: Vec<String>,
    anomaly: Vec<String>,
}

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
        let (measured, rest) = block.split_once("\nSUMMARY").context("what a SUMMARY is")?;
        let (summary, journey) = rest.split_once("\nJOURNEY").context("what a JOURNEY is")?;
        let measured = fields(inside(measured));
        let journey = fields(journey);
        let within = |of: &[(String, String)], name: &str| {
            let found = of.iter().find(|(other, _)| other == name).map(|(_, inner)| fields(inside(inner)));
            found
                .map(|inner| names(&inner))
                .with_context(|| format!("docs/measuring.md does not explain {name}"))
        };
        Ok(Documented {
            hop: within(&measured, "hops")?,
            series: within(&measured, "cold")?,
            summary: names(&fields(summary)),
            part: within(&journey, "parts")?,
            counts: within(&journey, "counts")?,
            anomaly: within(&journey, "anomalies")?,
            measured: names(&measured),
            journey: names(&journey),
        })
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
    ensure!(
        page.measured.len() >= 6 && page.journey.len() >= 10 && page.part.len() >= 9,
        "too little was found"
    );
    let made_up = journey::Anomaly { hop: String::new(), what: String::new(), by_ns: 1 };
    keys(&serde_json::to_value(made_up)?, &page.anomaly)
}

/// Every documented key and no other, all the way down.
fn form(json: &Value, page: &Documented) -> anyhow::Result<()> {
    keys(json, &page.measured)?;
    ensure!(
        json["schema"] == "journey/1" && json["network"] == "loopback",
        "{} {}",
        json["schema"],
        json["network"]
    );
    ensure!(["debug", "release"].contains(&text(&json["build"])?), "build is {}", json["build"]);
    for hop in list(&json["hops"])? {
        keys(hop, &page.hop)?;
        for address in list(&hop["listen"])? {
            text(address)?.parse::<std::net::SocketAddr>()?;
        }
    }
    for series in [&json["cold"], &json["warm"]] {
        keys(series, &page.series)?;
        keys(&series["summary"], &page.summary)?;
        list(&series["journeys"])?.iter().try_for_each(|made| journey(made, page))?;
    }
    Ok(())
}

fn journey(journey: &Value, page: &Documented) -> anyhow::Result<()> {
    keys(journey, &page.journey)?;
    keys(&journey["counts"], &page.counts)?;
    let trace = text(&journey["trace_id"])?;
    ensure!(trace.len() == 32 && trace.bytes().all(|digit| digit.is_ascii_hexdigit()), "trace {trace}");
    ensure!(journey["status"] == 201, "status {}", journey["status"]);
    for part in list(&journey["parts"])? {
        keys(part, &page.part)?;
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

fn keys(object: &Value, expected: &[String]) -> anyhow::Result<()> {
    let object = object.as_object().with_context(|| format!("expected an object with {expected:?}"))?;
    let mut found: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    found.sort_unstable();
    expected.sort_unstable();
    ensure!(found == expected, "keys are {found:?}, expected {expected:?}");
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
