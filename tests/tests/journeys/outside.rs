//! Requests that the lab did not send: plain curl, and what the real clients of store and broker see.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::Journey;
use serde_json::Value;
use tests::fixture::Fixture;
use tests::programs;

use crate::check::{handed_on, once, shown, tiled, unremarkable};

/// Long: only a broken test waits for it.
const LIMIT: Duration = Duration::from_secs(10);
/// The chapter's request.
const BODY: &str = r#"{"productId":"PROD-123","quantity":1}"#;

/// The options that make curl send the chapter's request to this lab; `more` comes last.
fn arguments(lab: &Fixture, more: &[&str]) -> anyhow::Result<Vec<String>> {
    let target = lab.target()?;
    let (lb, host) = (lab.listen("lb"), &target.browser.host);
    let fixed = [
        "-sS",
        "-i",
        "--noproxy",
        "*",
        "--cacert",
        target.browser.ca.to_str().context("a path that is text")?,
        "--resolve",
        &format!("{host}:{}:{}", lb.port(), lb.ip()),
        "-H",
        &format!("Authorization: Bearer {}", target.browser.token.as_deref().unwrap_or_default()),
        "-H",
        "Content-Type: application/json",
    ]
    .map(str::to_owned);
    let url = format!("https://{host}:{}/cart/items", lb.port());
    Ok(fixed.into_iter().chain(more.iter().map(|word| (*word).to_owned())).chain([url]).collect())
}

/// A response as `curl -i` shows it; the names of headers are in lower case.
struct Response {
    status: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Response {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }
}

fn parsed(text: &str) -> anyhow::Result<Response> {
    let (head, body) = text.split_once("\r\n\r\n").with_context(|| format!("no answer: {text}"))?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default().trim().to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Ok(Response { status, headers: headers.collect(), body: body.to_owned() })
}

#[tokio::test]
async fn curl_is_answered_as_in_the_chapter_and_seen_from_the_lb_on() -> anyhow::Result<()> {
    let lab = Fixture::start("outside").await?;
    let said = programs::output("curl", arguments(&lab, &["--http2", "-d", BODY])?).await?;
    let response = parsed(&said)?;
    ensure!(response.status == "HTTP/2 201", "{said}");
    ensure!(response.header("location") == "/cart/items/ITEM-123", "{said}");
    ensure!(response.header("content-type").starts_with("application/json"), "{said}");
    let expected = serde_json::json!({ "cartId": "CART-789", "itemId": "ITEM-123", "productId": "PROD-123" });
    ensure!(serde_json::from_str::<Value>(&response.body)? == expected, "{said}");

    // From nothing, without a traceparent, the lab sees it from its first hop on.
    let journey = noticed(&lab).await?;
    let trace = journey.trace_id;
    ensure!(journey.counts.response_bytes.is_none(), "nobody counted what curl's connection carried");
    unremarkable(&journey).and_then(|()| tiled(&journey)).with_context(|| shown(&journey))?;
    let holders = handed_on(&journey)?;
    ensure!(holders.len() > 10 && holders[..3] == ["lb", "ingress", "cart-service"], "{}", shown(&journey));
    ensure!(journey.unaccounted_ns == 0, "{}", shown(&journey));
    let pod = once(&holders)[3].to_owned();
    ensure!(pod.starts_with("cart-pod-"), "{}", shown(&journey));

    // Server-Timing says the same, the innermost first.
    let timing = response.header("server-timing");
    let names: Vec<&str> = timing.split(", ").filter_map(|entry| entry.split(';').next()).collect();
    let hops: Vec<&&str> =
        names.iter().filter(|name| **name == pod || ["ingress", "lb"].contains(*name)).collect();
    ensure!(hops == [&pod.as_str(), &"ingress", &"lb"], "Server-Timing: {timing}");
    for entry in timing.split(", ") {
        let milliseconds = entry.split(";dur=").nth(1).and_then(|number| number.parse::<f64>().ok());
        ensure!(
            milliseconds.is_some_and(|number| (0.0..60_000.0).contains(&number)),
            "Server-Timing: {entry}"
        );
    }

    // What the next one finds: the item in Redis, the event in Kafka, with this very trace.
    let redis = lab.listen("redis");
    let (ip, port) = (redis.ip().to_string(), redis.port().to_string());
    let cart = programs::output("redis-cli", ["-h", &ip, "-p", &port, "HGETALL", "cart:789"]).await?;
    ensure!(cart.lines().collect::<Vec<_>>() == ["PROD-123", "1"], "HGETALL cart:789 says {cart:?}");
    let records = consume(&lab).await?;
    ensure!(records.len() == 1, "one request makes one record: {records:?}");
    let (headers, key, value) = &records[0];
    ensure!(headers.contains(&format!("traceparent=00-{trace}-")), "the record's headers are {headers}");
    ensure!(headers.contains("type=item-added"), "the record's headers are {headers}");
    ensure!(key == "CART-789", "the record's key is {key}");
    let event: Value = serde_json::from_str(value)?;
    ensure!(event["type"] == "item-added" && event["productId"] == "PROD-123", "{value}");
    ensure!(event["quantity"] == 1 && event["itemId"] == "ITEM-123", "{value}");
    lab.finish().await;
    Ok(())
}

/// The next request from outside, put together.
async fn noticed(lab: &Fixture) -> anyhow::Result<Journey> {
    let roster = lab.target()?.roster();
    let next = lab.collector().next_outside(&roster);
    let next = tokio::time::timeout(LIMIT, next).await.context("the request is noticed")?;
    let journey = lab.collector().outside_journey(next, &roster, LIMIT).await;
    journey.context("the journey is put together")
}

#[tokio::test]
async fn curl_may_bring_a_trace_of_its_own_and_speak_http_1() -> anyhow::Result<()> {
    let lab = Fixture::start("outside-traced").await?;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01");
    let said =
        programs::output("curl", arguments(&lab, &["--http1.1", "-H", &traceparent, "-d", BODY])?).await?;
    let response = parsed(&said)?;
    ensure!(response.status == "HTTP/1.1 201 Created", "{said}");
    let records = consume(&lab).await?;
    ensure!(records.len() == 1 && records[0].0.contains(trace), "the caller's trace goes on: {records:?}");
    // It is shown as any other is, from the lb on; also a second one that brings the same traceparent.
    let first = noticed(&lab).await?;
    programs::output("curl", arguments(&lab, &["--http2", "-H", &traceparent, "-d", BODY])?).await?;
    let second = noticed(&lab).await?;
    for journey in [&first, &second] {
        unremarkable(journey).and_then(|()| tiled(journey)).with_context(|| shown(journey))?;
        ensure!(
            journey.trace_id.to_string() == trace && journey.name == "POST /cart/items",
            "{}",
            shown(journey)
        );
        ensure!(handed_on(journey)?[..2] == ["lb", "ingress"], "{}", shown(journey));
    }
    ensure!(first.start_unix_ns < second.start_unix_ns, "each is shown once");

    // One whose sender does not record it is not recorded (W3C Trace Context, the `sampled` flag), and passed on as it is.
    let unsampled = traceparent.replace("-01", "-00");
    programs::output("curl", arguments(&lab, &["--http2", "-H", &unsampled, "-d", BODY])?).await?;
    programs::output("curl", arguments(&lab, &["--http2", "-d", BODY])?).await?;
    let third = noticed(&lab).await?;
    ensure!(third.trace_id.to_string() != trace, "only the last one is recorded\n{}", shown(&third));
    let records = consume(&lab).await?;
    let flags: Vec<bool> = records
        .iter()
        .map(|(headers, ..)| headers.contains(unsampled.trim_start_matches("traceparent: ")))
        .collect();
    ensure!(flags == [false, false, true, false], "{records:?}");

    // The twin: what is refused is not stored, not published, and says whose fault it is.
    let said =
        programs::output("curl", arguments(&lab, &["--http2", "-d", r#"{"productId":"PROD-123"}"#])?).await?;
    let response = parsed(&said)?;
    ensure!(response.status == "HTTP/2 400" || response.status == "HTTP/2 422", "{said}");
    ensure!(response.header("content-type") == "application/problem+json", "{said}");
    ensure!(serde_json::from_str::<Value>(&response.body)?["fault"] == "client", "{said}");
    ensure!(consume(&lab).await?.len() == 4, "a refused request publishes nothing");
    lab.finish().await;
    Ok(())
}

/// Every record of the shop's topic, by a real consumer: headers, key and value.
async fn consume(lab: &Fixture) -> anyhow::Result<Vec<(String, String, String)>> {
    let broker = lab.listen("kafka").to_string();
    let arguments =
        ["-C", "-q", "-e", "-b", &broker, "-t", "cart-events", "-o", "beginning", "-f", "%h|%k|%s\n"];
    let text = programs::output("kcat", arguments).await?;
    let record = |line: &str| {
        let mut fields = line.splitn(3, '|').map(str::to_owned);
        Some((fields.next()?, fields.next()?, fields.next()?))
    };
    text.lines().map(|line| record(line).with_context(|| format!("kcat wrote {line:?}"))).collect()
}
