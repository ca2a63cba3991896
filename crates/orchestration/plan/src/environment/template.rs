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
//! separates, and a `=` in the last one. An element `NAME=VALUE` has two, whatever is in the value.
//!
//! What stands within double quotes is escaped, so that no path can end them ([`Escape`]).

use std::convert::Infallible;
use std::net::SocketAddr;

use crate::escape::Escape;

/// Fills in a template; `value` knows what each name stands for.
///
/// # Errors
/// A list that `value` does not know, a block that never ends, or a value that the file cannot hold.
pub(crate) fn expand(
    text: &str,
    escape: Escape,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let put = |text: &str, value: &dyn Fn(&str) -> Option<String>| {
        replace(text, |name, quoted| match value(name) {
            Some(value) if quoted => escape.within_quotes(name, &value).map(Some),
            value => Ok(value),
        })
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, list, block, after)) = next_block(rest)? {
        out.push_str(&put(before, &|name| known(name, &value))?);
        let elements = value(list).ok_or_else(|| format!("{{each {list}}}: there is no {list} here"))?;
        for (at, element) in elements_of(&elements).enumerate() {
            let words = words_of(element);
            let word = |name: &str| match name {
                "IT" => Some(element.to_owned()),
                "N" => Some((at + 1).to_string()),
                name => words.get(name.parse::<usize>().ok()?.checked_sub(1)?).map(|word| (*word).to_owned()),
            };
            out.push_str(&put(block, &|name| known(name, &word).or_else(|| known(name, &value)))?);
        }
        rest = after;
    }
    out.push_str(&put(rest, &|name| known(name, &value))?);
    Ok(out)
}

/// What a name stands for. `X_IP` and `X_PORT` are the halves of an address, or of a URL's, that is called `X`.
pub(crate) fn known(name: &str, value: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let half = |end: &str| address(&value(name.strip_suffix(end)?)?);
    value(name)
        .or_else(|| half("_IP").map(|address| address.ip().to_string()))
        .or_else(|| half("_PORT").map(|address| address.port().to_string()))
}

/// An address, alone or as `SCHEME://[USER:PASSWORD@]IP:PORT[/PATH]` has it.
fn address(text: &str) -> Option<SocketAddr> {
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest.split('/').next().unwrap_or(rest));
    authority.rsplit('@').next()?.parse().ok()
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
    if let Some((name, value)) =
        element.split_once('=').filter(|(name, _)| !name.contains(char::is_whitespace))
    {
        return [name, value].into_iter().filter(|word| !word.is_empty()).collect();
    }
    let mut words: Vec<&str> = element.split_whitespace().collect();
    if let Some((name, value)) = words.pop().map(|last| last.split_once('=').unwrap_or((last, ""))) {
        words.push(name);
        words.extend(Some(value).filter(|value| !value.is_empty()));
    }
    words
}

/// Puts values in the place of `{NAME}`; a name that `value` does not know stays as it is.
///
/// Only capital letters, digits and `_` make a name, so the braces of configuration files are safe.
pub(crate) fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let Ok(filled) = replace::<Infallible>(text, |name, _| Ok(value(name)));
    filled
}

/// The same where `value` is told whether its place is within double quotes, and may refuse.
fn replace<E>(text: &str, value: impl Fn(&str, bool) -> Result<Option<String>, E>) -> Result<String, E> {
    let mut quoted = false;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, after) = rest.split_at(open);
        out.push_str(before);
        quoted = ends_within_quotes(before, quoted);
        let name = after[1..].split('}').next().unwrap_or_default();
        let is_name = !name.is_empty()
            && name.len() + 2 <= after.len()
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        match if is_name { value(name, quoted)? } else { None } {
            Some(value) => {
                out.push_str(&value);
                rest = &after[name.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &after[1..];
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Is the end of some text within double quotes? They end with the line at the latest.
fn ends_within_quotes(text: &str, mut quoted: bool) -> bool {
    let mut escaped = false;
    for letter in text.chars() {
        match letter {
            '\n' => quoted = false,
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    quoted
}

#[cfg(test)]
mod tests;
