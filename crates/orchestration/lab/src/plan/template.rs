//! Configuration files with `{NAMES}` in them, and blocks that are repeated for each element of a list.
//!
//! ```text
//! {each UPSTREAMS}
//!   server upstream-{N} {IT};
//! {end}
//! ```
//!
//! A list's elements are its lines if it has any, and else what its commas separate. In a block stand for
//! the element: `{IT}`, all of it; `{N}`, its number, from 1; `{1}`, `{2}`, …, its words, which white space
//! separates, and a `=` in the last one.

use std::net::SocketAddr;

use super::words::fill;

/// Fills in a template; `value` knows what each name stands for.
///
/// # Errors
/// A list that `value` does not know, or a block that never ends.
pub(crate) fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, list, block, after)) = next_block(rest)? {
        out.push_str(&fill(before, |name| known(name, &value)));
        let elements = value(list).ok_or_else(|| format!("{{each {list}}}: there is no {list} here"))?;
        for (at, element) in elements_of(&elements).enumerate() {
            let words = words_of(element);
            let word = |name: &str| match name {
                "IT" => Some(element.to_owned()),
                "N" => Some((at + 1).to_string()),
                name => words.get(name.parse::<usize>().ok()?.checked_sub(1)?).map(|word| (*word).to_owned()),
            };
            out.push_str(&fill(block, |name| known(name, &word).or_else(|| known(name, &value))));
        }
        rest = after;
    }
    out.push_str(&fill(rest, |name| known(name, &value)));
    Ok(out)
}

/// What a name stands for. `X_IP` and `X_PORT` are the halves of an address that is called `X`.
pub(crate) fn known(name: &str, value: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let half = |end: &str| value(name.strip_suffix(end)?)?.parse::<SocketAddr>().ok();
    value(name)
        .or_else(|| half("_IP").map(|address| address.ip().to_string()))
        .or_else(|| half("_PORT").map(|address| address.port().to_string()))
}

/// The text before the next block, its list, the block, and the text behind it.
type Block<'a> = (&'a str, &'a str, &'a str, &'a str);

fn next_block(text: &str) -> Result<Option<Block<'_>>, String> {
    let Some((before, rest)) = text.split_once("{each ") else { return Ok(None) };
    let (list, rest) = rest.split_once('}').ok_or("`{each` is never closed by `}`")?;
    let (block, after) = rest.split_once("{end}").ok_or_else(|| format!("{{each {list}}} has no {{end}}"))?;
    // A line that holds nothing but `{each …}` or `{end}` leaves no empty line behind.
    let alone = |text: &'_ str| text.starts_with('\n');
    Ok(Some((
        before,
        list.trim(),
        if alone(block) { &block[1..] } else { block },
        if block.ends_with('\n') && alone(after) { &after[1..] } else { after },
    )))
}

fn elements_of(list: &str) -> impl Iterator<Item = &str> {
    let separator = if list.contains('\n') { '\n' } else { ',' };
    list.split(separator).map(str::trim).filter(|element| !element.is_empty())
}

fn words_of(element: &str) -> Vec<&str> {
    let mut words: Vec<&str> = element.split_whitespace().collect();
    if let Some((name, value)) = words.pop().map(|last| last.split_once('=').unwrap_or((last, ""))) {
        words.push(name);
        words.extend(Some(value).filter(|value| !value.is_empty()));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        expand(text, |name| match name {
            "LISTEN" => Some("127.0.0.1:80".to_owned()),
            "PODS" => Some("127.0.0.2:81,127.0.0.3:82".to_owned()),
            "RULES" => Some("* Prefix /a one=127.0.0.4:83\nshop Exact /b two=127.0.0.5:84\n".to_owned()),
            "NONE" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn a_block_is_repeated_for_each_element() {
        let config =
            "listen {LISTEN};\n{each PODS}\n  server {N} {IT} {IT_IP} {LISTEN_PORT};\n{end}\nend { x; }\n";
        let expected = "listen 127.0.0.1:80;\n  server 1 127.0.0.2:81 127.0.0.2 80;\n  server 2 127.0.0.3:82 127.0.0.3 80;\nend { x; }\n";
        assert_eq!(filled(config).as_deref(), Ok(expected));
        assert_eq!(filled("a{each PODS} {IT_PORT}{end}\n").as_deref(), Ok("a 81 82\n"));
        assert_eq!(filled("a{each NONE} {IT}{end}b").as_deref(), Ok("ab"));
    }

    #[test]
    fn words_of_an_element_have_numbers() {
        let config = "{each RULES}{1}|{2}|{3}|{4}|{5}|{5_PORT}|{6}\n{end}";
        let expected = "*|Prefix|/a|one|127.0.0.4:83|83|{6}\nshop|Exact|/b|two|127.0.0.5:84|84|{6}\n";
        assert_eq!(filled(config).as_deref(), Ok(expected));
    }

    #[test]
    fn a_wrong_block_is_refused() {
        assert_eq!(filled("{each PODS}x").unwrap_err(), "{each PODS} has no {end}");
        assert_eq!(filled("{each PODZ}x{end}").unwrap_err(), "{each PODZ}: there is no PODZ here");
    }
}
