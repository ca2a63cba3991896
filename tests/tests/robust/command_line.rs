//! What scripts rely on: which commands and options there are, how they end, and what they write where.

use lab::plan::Role;
use serde_json::Value;

use super::orphans::Up;
use super::process::taken;
use super::program::{self, Ended};
use super::spot::{Spot, shell};

/// Options that every command has.
const EVERYWHERE: [&str; 4] = ["--config", "--set", "--swap", "--json"];

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{}", ended.stdout))
}

#[tokio::test]
async fn help_names_every_option() {
    for (command, options) in [
        (None, &["--once", "measure", "check", "budget", "status", "stop", "curl", "certs", "doctor"][..]),
        (None, &["events", "recipes", "diff", "compare", "export"][..]),
        (Some("measure"), &["-n", "--cold", "--warm", "--format", "table", "json", "--out"]),
        (Some("measure"), &["--tap", "--pcap", "--keys", "SSLKEYLOGFILE"]),
        (Some("check"), &["-n", "--runs", "budget", "--strict", "--junit"]),
        (
            Some("compare"),
            &["drawn each time", "--runs", "--time", "--enough", "--out", "--fail-on-slower", "Exit codes"],
        ),
        (Some("diff"), &["--before", "--after", "--paired", "--least", "--fail-on-slower"]),
        (Some("budget"), &["round trip", "lab check"]),
        (Some("status"), &[]),
        (Some("stop"), &[]),
        (Some("events"), &["--follow", "--topic", "eventId", "Ctrl-C"]),
        (Some("certs"), &["--renew"]),
        (Some("doctor"), &[]),
    ] {
        let help = program::lab(command.into_iter().chain(["--help"])).await.code(0);
        for option in options.iter().chain(&EVERYWHERE) {
            assert!(
                help.stdout.contains(option),
                "{command:?} --help does not name {option}:\n{}",
                help.stdout
            );
        }
        assert_eq!(help.stderr, "");
    }
    // Behind `curl` everything is curl's; its help is asked for in the other way.
    let help = program::lab(["help", "curl"]).await.code(0);
    assert!(help.stdout.contains("lab curl -i /cart"), "{}", help.stdout);
    let help = program::lab(["--help"]).await.code(0);
    assert!(help.stdout.contains("Exit codes: 0"), "{}", help.stdout);
    let version = program::lab(["--version"]).await.code(0);
    assert!(version.stdout.starts_with("lab 0."), "{}", version.stdout);
}

#[tokio::test]
async fn a_running_lab_answers_scripts() {
    let up = Up::start("answers-scripts").await;
    let lab = async |arguments: &[&str]| program::lab(up.spot.arguments(arguments.iter().copied())).await;

    let status = json(&lab(&["status", "--json"]).await.code(0));
    assert_eq!(status["pid"], up.run.pid);
    let hops = status["hops"].as_array().expect("hops");
    assert_eq!(hops.len(), up.hops.len());
    for hop in hops {
        assert_eq!(hop["state"], "ready", "{hop}");
        assert_eq!(hop["restarts"], 0, "{hop}");
        assert!(hop["resident_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{hop}");
        assert!(
            hop["cpu_seconds"].is_number() && hop["listen"].is_string() && hop["log"].is_string(),
            "{hop}"
        );
    }
    let table = lab(&["status"]).await.code(0);
    assert!(up.hops.iter().all(|hop| table.stdout.contains(&hop.name)), "{}", table.stdout);

    let measured =
        lab(&["measure", "-n", "2", "--format", "json"]).await.code(0).says(&["on the running lab"]);
    let measured = json(&measured);
    assert_eq!(measured["schema"], "journey/1");
    for kind in ["cold", "warm"] {
        let journeys = measured[kind]["journeys"].as_array().expect(kind);
        assert_eq!(journeys.len(), 2);
        for journey in journeys {
            let parts = journey["parts"].as_array().expect("parts");
            let sum: u64 = parts.iter().filter_map(|part| part["duration_ns"].as_u64()).sum();
            let (total, unaccounted) = (journey["total_ns"].as_u64(), journey["unaccounted_ns"].as_i64());
            let total = total.and_then(|total| i64::try_from(total).ok()).expect("a total");
            let sum = i64::try_from(sum).expect("a sum");
            assert_eq!(sum + unaccounted.expect("a remainder"), total, "the parts tile the whole: {journey}");
        }
    }
    assert_eq!(json(&lab(&["measure", "--cold", "--json"]).await.code(0)).get("warm"), None);

    let file = up.spot.folder().join("out.json");
    let out = file.to_str().expect("a plain path");
    let written = lab(&["measure", "--warm", "--format", "json", "--out", out]).await.code(0).says(&[out]);
    assert_eq!(written.stdout, "", "the result is in the file");
    let text = std::fs::read_to_string(&file).expect("it was written");
    assert!(serde_json::from_str::<Value>(&text).is_ok_and(|json| json.get("cold").is_none()), "{text}");

    let cart = lab(&["curl", "-sS", "-i", "/cart"]).await.code(0);
    assert!(cart.stdout.starts_with("HTTP/2 200") && cart.stdout.contains("cartId"), "{}", cart.stdout);

    // The path stands where it likes; a file of this machine stays one.
    let add =
        ["curl", "-sS", "/cart/items", "-d", r#"{"productId":"PROD-123","quantity":1}"#, "-o", "/dev/null"];
    let more = ["-H", "content-type: application/json", "-w", "%{http_code}"];
    assert_eq!(lab(&[&add[..], &more[..]].concat()).await.code(0).stdout, "201");

    let told = lab(&["events", "--json"]).await.code(0);
    let event = |line: &str| serde_json::from_str::<Value>(line).expect("a line is an event");
    let events: Vec<Value> = told.stdout.lines().map(event).collect();
    for journey in ["cold", "warm"].iter().flat_map(|kind| measured[kind]["journeys"].as_array()).flatten() {
        let caused = events.iter().filter(|event| event["traceId"] == journey["trace_id"]);
        assert_eq!(caused.count(), 1, "{} and the events\n{}", journey["trace_id"], told.stdout);
    }
    let lines = lab(&["events"]).await.code(0).says(&[&format!("{} events", events.len())]);
    assert_eq!(lines.stdout.lines().count(), events.len(), "{}", lines.stdout);

    let good = json(&lab(&["check", "-n", "40", "--json"]).await.code(0));
    assert_eq!(good["good"], true, "{good}");

    let budget = json(&lab(&["budget", "--json"]).await.code(0).says(&["on the running lab"]));
    assert_eq!((&budget["counted"]["tls12"], &budget["rows"][3]["verdict"]), (&2.into(), &"basis".into()));

    // Whoever finds the control port and speaks nonsense is told so.
    for (path, body, status) in
        [("/measure", "{", 400), ("/measure", "{\"cuont\":1}", 400), ("/nonsense", "", 404)]
    {
        let reply =
            hop::admin::client::post(up.run.control, path, body, &up.run.secret).await.expect("an answer");
        assert_eq!(reply.status, status, "{path} {body}");
    }
    let stranger = hop::admin::Secret::random();
    for path in ["/stop", "/measure", "/budget"] {
        let reply = hop::admin::client::post(up.run.control, path, "", &stranger).await.expect("an answer");
        assert_eq!(reply.status, 401, "{path} without the secret of the lab's folder");
    }

    // Another plan than the one that runs cannot be measured on it.
    lab(&["measure", "--set", "hop.lb.balance=round-robin"])
        .await
        .code(2)
        .says(&["with another plan", "lab stop"]);

    let Up { spot, lab: running, hops, .. } = up;
    let stopped = program::lab(spot.arguments(["stop"])).await.code(0).says(&["has stopped"]);
    assert_eq!(stopped.stdout, "");
    running.ended().await.code(0).says(&["asked to stop"]);
    assert!(hops.iter().all(|hop| !hop.lives()), "`lab stop` returns when everything is gone");
    assert_eq!(taken(&spot.plan()), Vec::<String>::new());

    // And without one.
    program::lab(spot.arguments(["stop"])).await.code(0).says(&["does not run"]);
    let status = program::lab(spot.arguments(["status", "--json"])).await.code(1).says(&["does not run"]);
    assert_eq!(json(&status), Value::Null);
    program::lab(spot.arguments(["curl", "/cart"])).await.code(3).says(&["does not run", "what to do"]);
    program::lab(spot.arguments(["events"])).await.code(3).says(&["does not run", "what to do"]);
    // Whoever has no `lab` to type is told what to type.
    let mut by_cargo = program::command(spot.arguments(["curl", "/cart"])).await;
    program::end({
        by_cargo.env("CARGO", "cargo");
        by_cargo
    })
    .await
    .code(3)
    .says(&["`cargo run -p lab`"]);
    spot.leave();
}

#[tokio::test]
async fn a_lab_whose_folder_is_deleted_says_so_and_stops() {
    let Up { spot, lab, .. } = Up::start("deleted-folder").await;
    // What remains of a folder that is written to meanwhile does not matter.
    let _ = std::fs::remove_dir_all(spot.run_folder());
    let _ = std::fs::remove_dir_all(spot.run_folder());
    lab.ended().await.code(3).says(&["was deleted while the lab ran", "what to do"]);
    assert_eq!(taken(&spot.plan()), Vec::<String>::new());
    spot.leave();
}

#[tokio::test]
async fn without_a_home_it_is_said_where_things_are_kept() {
    // Outside its workspace.
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("lab");
    std::fs::copy(tests::program::path().await.expect("build the lab"), &program).expect("copy the lab");
    let status = async |home: Option<&str>| {
        let mut command = tokio::process::Command::new(&program);
        command.arg("status").env_clear().envs(home.map(|home| ("HOME", home))).current_dir(folder.path());
        program::end(command).await.code(1)
    };
    status(None).await.says(&["HOME is not set", "/.local/state", "what to do"]);
    assert!(!status(folder.path().to_str()).await.stderr.contains("HOME"));
}

#[tokio::test]
async fn stdout_holds_results_and_nothing_else() {
    let spot = Spot::take("only-results").await;
    let once = program::lab(spot.arguments(["--once", "--json"])).await.code(0);
    assert_eq!(json(&once)["schema"], "journey/1");
    let table = program::lab(spot.arguments(["--once"])).await.code(0);
    for word in ["plan: ", "ready in", "stopping", "waiting"] {
        assert!(!table.stdout.contains(word), "{word:?} is no result:\n{}", table.stdout);
    }
    assert!(table.stdout.contains("unaccounted") && !table.stdout.contains('\x1b'), "{}", table.stdout);
    // One screen of the smallest terminal.
    assert!(table.stdout.lines().all(|line| line.chars().count() <= 80), "{}", table.stdout);
    assert!(table.stdout.lines().count() <= 24, "{}", table.stdout);
    // Colours only where they are wanted; a file gets none, whatever is wanted.
    let saved = spot.folder().join("once.json");
    std::fs::write(&saved, &once.stdout).expect("write a file");
    let saved = saved.to_str().expect("a plain path");
    for (variables, coloured) in
        [(&[("CLICOLOR_FORCE", "1")][..], true), (&[("NO_COLOR", "1")], false), (&[("CLICOLOR", "0")], false)]
    {
        let mut export = program::command(["export", saved, "--format", "table"]).await;
        export.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").envs(variables.iter().copied());
        let shown = program::end(export).await.code(0);
        assert_eq!(shown.stdout.contains('\x1b'), coloured, "{variables:?}: {}", shown.stdout);
    }
    let to = spot.folder().join("table.txt");
    let to = to.to_str().expect("a plain path");
    let mut export = program::command(["export", saved, "--format", "table", "--out", to]).await;
    export.env("CLICOLOR_FORCE", "1");
    program::end(export).await.code(0);
    assert!(!std::fs::read_to_string(to).expect("it was written").contains('\x1b'));
    assert_eq!(taken(&spot.plan()), Vec::<String>::new());
    spot.leave();
}

#[tokio::test]
async fn a_measurement_without_a_usable_journey_ends_with_3() {
    let spot = Spot::take("unusable").await;
    // It should report, and nobody tells it where to.
    let ingress = tests::program::hops().await.expect("build the hops").path(Role::Ingress);
    let command = format!("env -u OTEL_EXPORTER_OTLP_ENDPOINT {}", ingress.display());
    let command = format!("hop.ingress.command={}", Value::from(shell(&format!("exec {command}"))));
    let silent = ["measure", "-n", "2", "--warm", "--set", &command, "--set", "hop.ingress.reports=true"];
    let ended = program::lab(spot.arguments(silent)).await.code(3);
    assert!(ended.stdout.contains("none of 2 warm journeys could be used"), "{}", ended.stdout);
    ended.says(&["can be used", "ingress did not report"]);
    assert_eq!(taken(&spot.plan()), Vec::<String>::new());
    spot.leave();
}

#[tokio::test]
async fn check_ends_with_1_when_over_budget_and_3_when_it_cannot_tell() {
    let spot = Spot::take("check").await;
    let lab = async |arguments: &[&str]| program::lab(spot.arguments(arguments.iter().copied())).await;
    let file = spot.folder().join("budget.xml");
    let junit = || std::fs::read_to_string(&file).expect("a report was written");
    let to = file.to_str().expect("a plain path");
    let over =
        lab(&["check", "-n", "40", "--json", "--junit", to, "--set", "budget.cart=0.000001"]).await.code(1);
    let over = over.says(&["over budget: cart", "lab measure"]);
    let lines = json(&over)["lines"].as_array().expect("lines").clone();
    let verdicts = lines.iter().filter(|line| line["over"] == true).map(|line| line["name"].as_str());
    assert_eq!(verdicts.collect::<Vec<_>>(), [Some("cart")], "only that line is over");
    let cases = format!("tests=\"{}\" failures=\"1\" errors=\"0\"", lines.len());
    assert!(junit().contains(&cases) && junit().contains("name=\"cart\""), "{}", junit());
    lab(&["check", "-n", "5"]).await.code(2).says(&["at least 6"]);
    // Several starts, one after the other, and nothing of them is left.
    let runs = lab(&["check", "-n", "10", "--runs", "2", "--json", "--set", "budget.cart=90000.0"]).await;
    let runs = json(&runs.says(&["run 2 of 2"]));
    assert_eq!((&runs["runs"], &runs["journeys"]), (&Value::from(2), &Value::from(20)), "{runs}");

    // A hop that no journey meets is within any limit, and proves nothing.
    let other = ["check", "-n", "6", "--set", "budget.api=1000.0", "--set", r#"hop.api.role="ingress""#];
    let rest = [
        "--set",
        r#"hop.api.listen="127.0.1.101:8080""#,
        "--set",
        r#"hop.api.rules=[{ path = "/", service = "cart-service" }]"#,
    ];
    lab(&[&other[..], &rest[..]].concat()).await.code(1).says(&["never met: api"]);

    // The request finds no route: there is an answer, but nothing to compare.
    let rules =
        "hop.ingress.rules=[{ host = \"api.myshop.com\", path = \"/other\", service = \"cart-service\" }]";
    let untold = lab(&["check", "-n", "6", "--junit", to, "--set", rules]).await.code(3);
    assert!(junit().contains("errors=\"1\"") && junit().contains("404"), "{}", junit());
    assert_eq!(untold.stdout, "");
    untold.says(&["404", "ingress"]);
    assert_eq!(taken(&spot.plan()), Vec::<String>::new(), "also then everything is stopped");
    spot.leave();
}
