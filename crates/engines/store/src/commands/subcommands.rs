//! Which subcommands CLIENT, CONFIG, COMMAND and XINFO have.

use super::spec::{accepts, wrong_arity};
use crate::reply::{Failure, failure};

/// Subcommands, each with the number of its words; negative means at least so many.
const SUBCOMMANDS: &[(&str, &[(&str, i64)])] = &[
    (
        "client",
        &[("id", 2), ("getname", 2), ("setname", 3), ("setinfo", 4), ("no-evict", 3), ("no-touch", 3)],
    ),
    ("config", &[("get", -3), ("set", -4), ("resetstat", 2)]),
    ("command", &[("count", 2), ("info", -2), ("docs", -2)]),
    ("xinfo", &[("stream", -3), ("groups", 3)]),
];

/// Looks at a subcommand's name and number of words. As with commands, that comes before anything runs or
/// is queued.
pub(super) fn check(name: &str, command: &[&[u8]]) -> Result<(), Failure> {
    let Some((_, known)) = SUBCOMMANDS.iter().find(|(container, _)| *container == name) else {
        return Ok(());
    };
    let Some(said) = command.get(1) else { return Ok(()) };
    let found = known.iter().find(|(sub, _)| said.eq_ignore_ascii_case(sub.as_bytes()));
    let Some((sub, arity)) = found else {
        let said = String::from_utf8_lossy(&said[..said.len().min(128)]);
        let text = format!("ERR unknown subcommand '{said}'. Try {} HELP.", name.to_ascii_uppercase());
        return Err(failure(text));
    };
    if accepts(*arity, command.len()) { Ok(()) } else { Err(wrong_arity(&format!("{name}|{sub}"))) }
}
