//! When two replies count as the same, and how to change one so that they don't.

use crate::client::Reply;

/// How far apart two readings of a running time may be: half a minute of a slow machine in milliseconds, far
/// less than the times that scripts set differ by.
const CLOCK_SLACK: u64 = 30_000;

/// What differs between our reply and Redis's to the same command; none when nothing does.
pub(crate) fn difference(words: &[Vec<u8>], ours: &Reply, theirs: &Reply) -> Option<String> {
    let name = String::from_utf8_lossy(&words[0]).to_ascii_lowercase();
    let same = match (ours, theirs) {
        // EXEC's replies belong to commands said earlier; whatever order they leave open, it stays open.
        (Reply::List(a, Some(ours)), Reply::List(b, Some(theirs))) if name == "exec" => {
            a == b
                && ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(a, b)| near(a, b) || sorted(a) == sorted(b))
        }
        _ if matches!(name.as_str(), "ttl" | "pttl" | "expiretime" | "pexpiretime") => near(ours, theirs),
        _ if matches!(name.as_str(), "keys" | "hkeys" | "hvals" | "scan" | "hscan" | "hgetall") => {
            sorted(&paired(&name, ours)) == sorted(&paired(&name, theirs))
        }
        _ => ours == theirs,
    };
    (!same).then(|| format!("  ours   {ours:?}\n  Redis's {theirs:?}"))
}

/// Numbers that count down while we look.
fn near(ours: &Reply, theirs: &Reply) -> bool {
    let left = |reply: &Reply| match reply {
        Reply::Line(':', number) => number.parse::<i64>().ok().filter(|left| *left > 1000),
        _ => None,
    };
    match (left(ours), left(theirs)) {
        (Some(ours), Some(theirs)) => ours.abs_diff(theirs) <= CLOCK_SLACK,
        _ => ours == theirs,
    }
}

/// A hash's fields with their values, so that sorting keeps the pairs together.
fn paired(name: &str, reply: &Reply) -> Reply {
    match (name, reply) {
        ("hgetall", Reply::List(kind, Some(items))) => {
            let pairs = items.chunks(2).map(|pair| Reply::List('&', Some(pair.to_vec())));
            Reply::List(*kind, Some(pairs.collect()))
        }
        ("hscan", Reply::List(kind, Some(page))) => {
            let page = page.iter().map(|part| paired("hgetall", part));
            Reply::List(*kind, Some(page.collect()))
        }
        _ => reply.clone(),
    }
}

/// The same reply with every list in one order; pairs and pages keep theirs.
fn sorted(reply: &Reply) -> Reply {
    match reply {
        Reply::List('&', _) => reply.clone(),
        Reply::List(kind, Some(items)) => {
            let mut items: Vec<_> = items.iter().map(sorted).collect();
            items.sort();
            Reply::List(*kind, Some(items))
        }
        _ => reply.clone(),
    }
}

/// All the ways in which a reply can be a little wrong: another type, text, length or null, at every depth.
pub(crate) fn changes(reply: &Reply) -> Vec<Reply> {
    match reply {
        Reply::Line(kind, text) => {
            let other = if *kind == '+' { '-' } else { '+' };
            // A number is made so wrong that no running clock explains it.
            let wrong =
                text.parse::<i64>().map_or_else(|_| format!("{text}x"), |number| (number + 7).to_string());
            vec![Reply::Line(other, text.clone()), Reply::Line(*kind, wrong)]
        }
        Reply::Bulk(kind, None) => {
            vec![Reply::Line('_', String::new()), Reply::Bulk(*kind, Some(String::new()))]
        }
        Reply::Bulk(kind, Some(text)) => vec![
            Reply::Bulk(*kind, None),
            Reply::Bulk(*kind, Some(format!("{text}x"))),
            Reply::Line('+', text.clone()),
        ],
        Reply::List(kind, None) => vec![Reply::Bulk('$', None), Reply::List(*kind, Some(Vec::new()))],
        Reply::List(kind, Some(items)) => {
            let mut all = vec![Reply::List(*kind, None), Reply::List('~', Some(items.clone()))];
            for at in 0..items.len() {
                let mut shorter = items.clone();
                shorter.remove(at);
                all.push(Reply::List(*kind, Some(shorter)));
                for changed in changes(&items[at]) {
                    let mut items = items.clone();
                    items[at] = changed;
                    all.push(Reply::List(*kind, Some(items)));
                }
            }
            all
        }
    }
}
