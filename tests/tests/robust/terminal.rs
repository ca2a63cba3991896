//! What a terminal shows: 80 columns and no more, colours there and nowhere else, a line that is written again there and
//! lines of their own elsewhere.

use serde_json::Value;

use super::orphans::Up;
use super::program::{self, Ended};
use super::spot::{Spot, shell};

/// The width of a terminal that nobody has widened, and of what goes to none.
const COLUMNS: usize = 80;

/// Every command whose result is for people, as it is typed while a lab runs.
const COMMANDS: [&[&str]; 10] = [
    &["status"],
    &["budget"],
    &["recipes"],
    &["events"],
    &["doctor"],
    &["certs"],
    &["measure"],
    &["measure", "-n", "3", "--warm"],
    &["check"],
    &["help"],
];

/// The letters of a text, without what only a terminal understands.
fn plain(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    let without = |part: &str| {
        part.find(|letter: char| letter.is_ascii_alphabetic()).map_or("", |end| &part[end + 1..]).to_owned()
    };
    first + &parts.map(without).collect::<String>()
}

/// Lines wider than 80 columns, but for a path or a URL that has a line to itself: those are never cut.
fn too_wide(text: &str) -> Vec<String> {
    let is_one_word = |line: &str| !line.trim().contains(' ') && line.contains('/');
    let lines = text.lines().map(plain);
    lines.filter(|line| line.chars().count() > COLUMNS && !is_one_word(line)).collect()
}

#[track_caller]
fn fits(what: &[&str], ended: &Ended) {
    for text in [&ended.stdout, &ended.stderr] {
        assert_eq!(too_wide(text), Vec::<String>::new(), "lab {} is too wide", what.join(" "));
        assert!(!text.contains('\x1b'), "lab {} writes colours to no terminal:\n{text}", what.join(" "));
    }
}

/// `lab` in a terminal of 80 columns and 24 lines: what it shows, control sequences and all.
async fn in_a_terminal(arguments: &[String], variables: &[(&str, &str)]) -> String {
    let program = tests::program::path().await.expect("build the lab");
    let words: Vec<String> = std::iter::once(program.display().to_string())
        .chain(arguments.iter().cloned())
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    let mut script = tests::program::without_cargo(tokio::process::Command::new("script"));
    let command = format!("stty cols {COLUMNS} rows 24; exec {}", words.join(" "));
    script.args(["-qefc", &command, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
    script.envs(variables.iter().copied()).kill_on_drop(true);
    script.current_dir(tests::program::root().expect("the workspace")).stdin(std::process::Stdio::null());
    program::end(script).await.stdout
}

#[test]
fn a_line_that_is_too_wide_is_seen() {
    let words = "word ".repeat(20);
    assert_eq!(too_wide(&format!("{words}\nshort")), std::slice::from_ref(&words));
    assert_eq!(too_wide(&format!("\x1b[1m{words}\x1b[0m")).len(), 1);
    assert_eq!(too_wide(&format!("  /{}", "folder/".repeat(20))), Vec::<String>::new());
    assert_eq!(too_wide(&"x".repeat(81)).len(), 1, "a word that is neither a path nor a URL");
    assert_eq!(too_wide(&"→".repeat(80)), Vec::<String>::new(), "letters count, not bytes");
    assert_eq!(plain("\x1b[1m\x1b[32mok\x1b[0m  system"), "ok  system");
}

#[tokio::test]
async fn no_line_is_wider_than_the_terminal_and_colours_are_where_they_are_seen() {
    let up = Up::start("eighty-columns").await;
    let arguments = |words: &[&str]| up.spot.arguments(words.iter().copied());
    for command in COMMANDS {
        let ended = program::lab(arguments(command)).await;
        assert!(ended.code.is_some_and(|code| code <= 1), "{command:?}: {}", ended.stderr);
        assert!(ended.stdout.lines().count() > 1, "{command:?} prints its result: {}", ended.stdout);
        fits(command, &ended);
        let shown = in_a_terminal(&arguments(command), &[]).await;
        let lines = shown.replace('\r', "\n");
        assert_eq!(too_wide(&lines), Vec::<String>::new(), "lab {} in a terminal", command.join(" "));
    }
    for (command, painted) in [(&["status"][..], "ready"), (&["doctor"], "ok"), (&["measure"], "within")] {
        let is_painted = |shown: &str| {
            shown.contains(&format!("m{painted}\x1b")) || shown.contains(&format!("m  {painted}\x1b"))
        };
        assert!(is_painted(&in_a_terminal(&arguments(command), &[]).await), "{command:?} has colours");
        let without = in_a_terminal(&arguments(command), &[("NO_COLOR", "1")]).await;
        assert!(!is_painted(&without) && without.contains(painted), "{command:?} with NO_COLOR:\n{without}");
    }
    // The running lab itself, and a request that it did not send.
    program::lab(arguments(&["curl", "-sS", "/cart"])).await.code(0);
    for text in [up.lab.stdout(), up.lab.stderr()] {
        assert_eq!(too_wide(&text), Vec::<String>::new(), "the running lab is too wide");
        assert!(!text.contains('\x1b'), "{text}");
    }
    // The twin: a table that is as wide as it needs to be does not pass.
    let parts = program::lab(arguments(&["measure", "--parts"])).await.code(0);
    assert!(!too_wide(&parts.stdout).is_empty(), "{}", parts.stdout);
    up.finish().await;
}

#[tokio::test]
async fn no_help_and_no_error_is_wider_than_the_terminal() {
    let spot = Spot::take("eighty-columns-errors").await;
    let wrong: [&[&str]; 12] = [
        &["curl", "/cart"],
        &["events"],
        &["status"],
        &["measure", "--no-such-option"],
        &["measure", "--format", "no-such-format"],
        &["measure", "-n", "0"],
        &["diff", "/no/such/file", "/no/such/file"],
        &["export", "/no/such/file"],
        &["--set", "hop.lb.balanse=round-robin"],
        &["--set", "hop.cart-pod-abc12.workers=many", "--set", "hop.ingress.role=\"nothing\""],
        &["--swap", "redis=no-such-recipe"],
        &["--config", "/no/such/folder/lab.toml"],
    ];
    for command in wrong {
        let ended = program::lab(spot.arguments(command.iter().copied())).await;
        assert!(ended.code != Some(0) && !ended.stderr.is_empty(), "{command:?}: {}", ended.stderr);
        fits(command, &ended);
    }
    let exits = shell(
        "echo a line of a program that says much more than what a terminal of eighty columns can show at once; exit 7",
    );
    let swap = ["--once", "--swap", &format!("redis={exits}")];
    let ended = program::lab(spot.arguments(swap)).await.code(3);
    fits(&swap, &ended);
    assert!(ended.stderr.contains("    | a line of a program"), "{}", ended.stderr);

    let help = program::lab(["--help"]).await.code(0);
    fits(&["--help"], &help);
    let listed = help.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"measure") && commands.len() > 10, "{commands:?}");
    for command in commands {
        // Whoever started it with cargo types more.
        for by_cargo in [None, Some("cargo")] {
            let mut help = program::command(["help", command]).await;
            help.envs(by_cargo.map(|cargo| ("CARGO", cargo)));
            fits(&["help", command], &program::end(help).await.code(0));
        }
    }
    let hops = tests::program::hops().await.expect("build the hops");
    for role in lab::plan::Role::ALL {
        let mut help = tokio::process::Command::new(hops.path(role));
        help.arg("--help").kill_on_drop(true);
        fits(&[role.as_str(), "--help"], &program::end(help).await.code(0));
    }
    spot.leave();
}

#[tokio::test]
async fn whoever_waits_for_a_start_sees_for_whom() {
    let spot = Spot::take("waits-for").await;
    let script = shell("exec sleep 600");
    let limits = ["--set", "supervise.ready_seconds=7.0"];
    let slow = ["--once", "--swap", &format!("redis={script}"), limits[0], limits[1]];
    let arguments = spot.arguments(slow);
    let shown = in_a_terminal(&arguments, &[]).await;
    let line = shown.split('\r').find(|line| line.contains("waiting for redis"));
    let line =
        line.unwrap_or_else(|| panic!("a line that is written again names whom it waits for:\n{shown}"));
    assert!(line.contains(" ready, ") && line.contains(" s ") && line.ends_with("\x1b[K"), "{line:?}");
    // Where nothing can be written again there is a line now and then.
    let ended = program::lab(arguments).await.code(3).says(&["waiting for redis (5 s)"]);
    assert!(!ended.stderr.contains('\x1b') && !ended.stderr.contains('\r'), "{}", ended.stderr);
    spot.leave();
}

#[tokio::test]
async fn a_file_gets_no_colours() {
    let spot = Spot::take("no-colours").await;
    let once = program::lab(spot.arguments(["--once", "--json"])).await.code(0);
    assert_eq!(serde_json::from_str::<Value>(&once.stdout).expect("JSON")["schema"], "journey/1");
    let saved = spot.folder().join("once.json");
    std::fs::write(&saved, &once.stdout).expect("write a file");
    let table = spot.folder().join("table.txt");
    let [saved, table] = [&saved, &table].map(|path| path.to_str().expect("a plain path"));
    // Also when a terminal is there, and forced.
    let export = ["export", saved, "--format", "table", "--out", table].map(str::to_owned);
    in_a_terminal(&export, &[("CLICOLOR_FORCE", "1")]).await;
    let written = std::fs::read_to_string(table).expect("it was written");
    assert!(written.contains("unaccounted") && !written.contains('\x1b'), "{written}");
    spot.leave();
}
