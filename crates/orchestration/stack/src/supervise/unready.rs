//! A program that was never ready: what it was sent, what it answered, and where it listens instead.

use std::net::SocketAddr;

use super::exit::Exit;
use super::ready::Readiness;
use crate::probe::Refusal;

/// Adds the last refusal to the story of a program's end; `listens` is where it and its children accept connections.
pub(super) fn told(
    exit: Exit,
    refusal: Option<Refusal>,
    listens: &[SocketAddr],
    readiness: &Readiness,
) -> Exit {
    let Some(Refusal { sent, answered, wanted }) = refusal else { return exit };
    let mut facts = vec![format!("probe: {sent}"), format!("answered: {answered}")];
    if readiness.own {
        return exit.with(facts, "");
    }
    let listen = readiness.listen;
    let right =
        |at: &SocketAddr| at.port() == listen.port() && (at.ip() == listen.ip() || at.ip().is_unspecified());
    let remedy = match listens {
        [] => {
            facts.push("it listens nowhere".to_owned());
            format!(
                "let it listen on LISTEN ({listen}); if it only takes longer, --set supervise.ready_seconds=60"
            )
        }
        others if !others.iter().any(right) => {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            facts.push(format!("it listens on {}", others.join(", ")));
            format!(
                "let it listen on LISTEN ({listen}); in its command {{IP}} and {{PORT}} stand for the halves"
            )
        }
        _ if wanted.is_empty() => String::new(),
        _ => format!("a program in this slot answers with {wanted}"),
    };
    exit.with(facts, remedy)
}
