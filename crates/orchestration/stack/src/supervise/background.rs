//! A program that ended and left another one running: it went into the background, or forgot a child.

use std::process::ExitStatus;

use super::exit::Exit;
use super::leftovers::Leftover;

/// How well-known daemons are told to stay in the foreground: a word of their command, and what to add.
const FOREGROUND: [(&str, &str); 11] = [
    ("nginx", "nginx -g 'daemon off;'"),
    ("redis-server", "redis-server --daemonize no"),
    ("valkey-server", "valkey-server --daemonize no"),
    ("haproxy", "haproxy -db"),
    ("unbound", "unbound -d"),
    ("nsd", "nsd -d"),
    ("knotd", "knotd without -d"),
    ("named", "named -g"),
    ("kafka-server-start", "kafka-server-start.sh without -daemon"),
    ("caddy", "caddy run instead of caddy start"),
    ("httpd", "httpd -DFOREGROUND"),
];

/// Adds what the program left running to the story of its end.
pub(super) fn told(exit: Exit, status: Option<ExitStatus>, left: &[Leftover]) -> Exit {
    if left.is_empty() {
        return exit;
    }
    let facts = left.iter().map(|leftover| format!("it left {leftover}: ended"));
    let facts: Vec<String> = facts.collect();
    // Who does so on purpose says that all went well (daemon(7)).
    if !status.is_some_and(|status| status.success()) {
        return exit.with(facts, "a program ends its children before it ends itself");
    }
    let what = format!("went into the background: its first process ended ({})", exit.what);
    let commands: Vec<&str> =
        exit.facts.iter().chain(left.iter().map(|left| &left.command)).map(String::as_str).collect();
    let known = FOREGROUND.iter().find(|(word, _)| commands.iter().any(|command| command.contains(word)));
    let remedy = match known {
        Some((_, typed)) => format!("run it in the foreground: {typed}"),
        None => "run it in the foreground, without the option that makes it a daemon".to_owned(),
    };
    Exit { what, ..exit }.with(facts, remedy)
}
