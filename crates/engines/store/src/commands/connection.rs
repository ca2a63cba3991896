//! Commands about the connection itself: greeting, naming, leaving.

use bytes::Bytes;

use super::spec::{Call, NO_KEYS, Spec};
use crate::reply::{CommandResult, Failure, Reply, SYNTAX, failure};
use crate::text::integer;

pub(super) const COMMANDS: &[Spec] = &[
    Spec::read("ping", -1, NO_KEYS, ping),
    Spec::read("echo", 2, NO_KEYS, echo),
    Spec::read("hello", -1, NO_KEYS, hello),
    Spec::read("client", -2, NO_KEYS, client),
    Spec::read("select", 2, NO_KEYS, select),
    Spec::read("quit", -1, NO_KEYS, quit),
];

/// The version of Redis whose replies these are. Clients read it to decide which commands they may send.
pub(super) const COMPATIBLE_WITH: &str = "7.0.0";

fn ping(call: &mut Call<'_>) -> CommandResult {
    match call.arguments {
        [_] => Ok(Reply::Status("PONG")),
        [_, text] => Ok(Reply::Bulk(Bytes::copy_from_slice(text))),
        _ => Err(call.wrong_arity()),
    }
}

fn echo(call: &mut Call<'_>) -> CommandResult {
    Ok(Reply::Bulk(Bytes::copy_from_slice(call.key())))
}

/// HELLO [2 | 3 [AUTH user password] [SETNAME name]]
fn hello(call: &mut Call<'_>) -> CommandResult {
    let mut resp3 = call.session.resp3;
    if let Some(version) = call.arguments.get(1) {
        resp3 = match integer(version) {
            Some(2) => false,
            Some(3) => true,
            Some(_) => return Err(failure("NOPROTO unsupported protocol version")),
            None => return Err(failure("ERR Protocol version is not an integer or out of range")),
        };
    }
    let mut at = 2;
    while at < call.arguments.len() {
        match (call.word(at).as_str(), call.arguments.len() - at - 1) {
            // There are no users and no passwords here, as in a Redis without them: anyone may come in.
            ("AUTH", 2..) if call.arguments[at + 1] == b"default" => at += 3,
            ("AUTH", 2..) => {
                return Err(failure("WRONGPASS invalid username-password pair or user is disabled."));
            }
            ("SETNAME", 1..) => {
                set_name(call, at + 1)?;
                at += 2;
            }
            _ => {
                let option = String::from_utf8_lossy(call.arguments[at]);
                return Err(failure(format!("ERR Syntax error in HELLO option '{option}'")));
            }
        }
    }
    call.session.resp3 = resp3;
    let text = |text: &'static str| Reply::bulk(text);
    Ok(Reply::Map(vec![
        // Its own name, not Redis's: compatible, and no Redis.
        (text("server"), text("store")),
        (text("version"), text(COMPATIBLE_WITH)),
        (text("proto"), Reply::Integer(if resp3 { 3 } else { 2 })),
        (text("id"), Reply::Integer(i64::try_from(call.session.id).unwrap_or(i64::MAX))),
        (text("mode"), text("standalone")),
        (text("role"), text("master")),
        (text("modules"), Reply::Array(Vec::new())),
    ]))
}

fn set_name(call: &mut Call<'_>, at: usize) -> Result<(), Failure> {
    let name = call.arguments[at];
    if !name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Err(failure("ERR Client names cannot contain spaces, newlines or special characters."));
    }
    call.session.name = Bytes::copy_from_slice(name);
    Ok(())
}

/// CLIENT ID | GETNAME | SETNAME name | SETINFO attribute value | NO-EVICT on|off | NO-TOUCH on|off
fn client(call: &mut Call<'_>) -> CommandResult {
    match (call.word(1).as_str(), call.arguments.len()) {
        ("ID", 2) => Ok(Reply::Integer(i64::try_from(call.session.id).unwrap_or(i64::MAX))),
        ("GETNAME", 2) => {
            let name = call.session.name.clone();
            Ok(if name.is_empty() { Reply::Null } else { Reply::Bulk(name) })
        }
        ("SETNAME", 3) => set_name(call, 2).map(|()| Reply::OK),
        // What a library says of itself, and promises about eviction: nothing here depends on them.
        ("SETINFO", 4) | ("NO-EVICT" | "NO-TOUCH", 3) => Ok(Reply::OK),
        _ => Err(SYNTAX), // subcommands::check let it in
    }
}

/// There is one database, number 0.
fn select(call: &mut Call<'_>) -> CommandResult {
    match call.integer(1)? {
        0 => Ok(Reply::OK),
        number if i32::try_from(number).is_err() => {
            Err(failure("ERR value is out of range, value must between -2147483648 and 2147483647"))
        }
        _ => Err(failure("ERR DB index is out of range")),
    }
}

fn quit(call: &mut Call<'_>) -> CommandResult {
    call.session.closing = true;
    Ok(Reply::OK)
}
