//! Which Service does a request belong to? The rules of `networking.k8s.io/v1` Ingress.
//!
//! A rule says: requests for this *host* whose *path* matches go to that *Service*. Several rules
//! may match one request; the most specific one wins:
//!
//! 1. an exact host before a wildcard host before a rule without a host;
//! 2. among those, the longest path;
//! 3. on equal length `Exact` before `Prefix`.
//!
//! That is a total order which does not depend on the request. So the table is sorted once, and the
//! first rule that matches is the answer: the whole of [`Routes::find`] is one `find`.
//!
//! (A rule without a host "applies to all inbound traffic", so a request that no rule of its own
//! host wants falls through to it. Some controllers stop at the host instead; the specification's
//! words are the ones kept here.)

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// The hosts a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// One name, in lower case: DNS names have no case (RFC 4343).
    Exact(String),
    /// `*.rest`: exactly one label, then this rest. `*.foo.com` is for `a.foo.com`, neither for
    /// `foo.com` nor for `a.b.foo.com`.
    Wildcard(String),
    /// Every host.
    Any,
}

impl HostPattern {
    /// Is `host` (lower case, without a port) one of these?
    pub fn matches(&self, host: &str) -> bool {
        match self {
            HostPattern::Exact(name) => name == host,
            HostPattern::Wildcard(rest) => {
                host.split_once('.').is_some_and(|(label, tail)| !label.is_empty() && tail == rest)
            }
            HostPattern::Any => true,
        }
    }

    /// Lower is more specific.
    fn rank(&self) -> u8 {
        match self {
            HostPattern::Exact(_) => 0,
            HostPattern::Wildcard(_) => 1,
            HostPattern::Any => 2,
        }
    }
}

/// How a rule's path is compared; the names are those of Kubernetes' `pathType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathType {
    /// The same characters, case included.
    Exact,
    /// The same first *elements* (what stands between slashes); a slash at the end means nothing.
    Prefix,
}

/// The paths a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern {
    kind: PathType,
    path: String,
}

impl PathPattern {
    /// A pattern. Of a prefix the slash at the end is dropped, so that `/foo/` and `/foo` are one.
    pub fn new(kind: PathType, path: &str) -> Self {
        let path = match kind {
            PathType::Exact => path,
            PathType::Prefix => path.trim_end_matches('/'),
        };
        PathPattern { kind, path: path.to_owned() }
    }

    /// Is `path` one of these?
    pub fn matches(&self, path: &str) -> bool {
        match self.kind {
            PathType::Exact => path == self.path,
            // By element: `/foo` is for `/foo`, `/foo/` and `/foo/bar`, not for `/foobar`. So after the
            // prefix comes nothing, or a slash. (The prefix "/" was stored as "": it fits everything.)
            PathType::Prefix => path
                .strip_prefix(self.path.as_str())
                .is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && !self.path.is_empty())),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.path.is_empty() { "/" } else { &self.path })
    }
}

/// Where requests go: a Service's name and its ClusterIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The Service's name, for people.
    pub service: String,
    /// Its address, for sockets.
    pub address: SocketAddr,
}

/// Requests for this host and this path go to that Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub host: HostPattern,
    pub path: PathPattern,
    pub backend: Backend,
}

/// The rules of all Ingresses, in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Routes {
    /// Most specific first.
    rules: Vec<Rule>,
    default: Option<Backend>,
}

/// Two rules are for the same requests: which one would win?
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "two rules are for the same host and path {path}: one goes to {first}, one to {second}; remove one of them"
)]
pub struct DuplicateRule {
    path: String,
    first: String,
    second: String,
}

impl Routes {
    /// Sorts the rules; `default` takes what no rule wants.
    ///
    /// # Errors
    /// Two rules have the same host, path and path type.
    pub fn new(mut rules: Vec<Rule>, default: Option<Backend>) -> Result<Self, DuplicateRule> {
        for (index, rule) in rules.iter().enumerate() {
            let twin =
                rules[..index].iter().find(|earlier| earlier.host == rule.host && earlier.path == rule.path);
            if let Some(twin) = twin {
                return Err(DuplicateRule {
                    path: rule.path.to_string(),
                    first: twin.backend.service.clone(),
                    second: rule.backend.service.clone(),
                });
            }
        }
        rules.sort_by_key(|rule| (rule.host.rank(), Reverse(rule.path.path.len()), rule.path.kind));
        Ok(Routes { rules, default })
    }

    /// The backend for a request, and the rule that chose it (`None`: the default backend).
    ///
    /// `host` may be in any case and end in a dot; `path` is what [`matchable`] made of the target's.
    pub fn find(&self, host: &str, path: &str) -> Option<(&Backend, Option<&Rule>)> {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        self.rules
            .iter()
            .find(|rule| rule.host.matches(host) && rule.path.matches(path))
            .map(|rule| (&rule.backend, Some(rule)))
            .or_else(|| self.default.as_ref().map(|backend| (backend, None)))
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Is there no rule? (There may be a default backend.)
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// Why a path is refused before any rule is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmbiguousPath {
    /// `.` or `..` between slashes, plain, encoded, or dressed with a `;parameter`.
    #[error("it contains the element \".\" or \"..\": send the path that is meant")]
    DotElement,
    /// Two slashes in a row.
    #[error("it contains an empty element (\"//\"): send one slash")]
    EmptyElement,
    /// `%2F`, `%5C`, `%00`, `\`.
    #[error("it contains an encoded slash, a backslash or a zero byte")]
    HiddenSeparator,
    /// `%` without two hexadecimal digits.
    #[error("a % is not followed by two hexadecimal digits")]
    BrokenEncoding,
}

/// The form of a request's path that rules are compared with.
///
/// The path is *forwarded exactly as it came*. So that the program behind can never take it for
/// another path than the one that was matched, two things happen here and nowhere else:
///
/// * encoded characters that need no encoding are decoded, for comparison only: `/c%61rt` *is*
///   `/cart` (RFC 3986 §6.2.2.2), and every program behind agrees;
/// * what programs read differently is refused: `/public/../admin` is two paths, depending on who
///   removes the dots, and an attacker would choose. Kubernetes forbids the same in rules.
///
/// # Errors
/// [`AmbiguousPath`] says what two programs could read differently.
pub fn matchable(path: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    let path = decode_unreserved(path)?;
    if path.contains("//") {
        return Err(AmbiguousPath::EmptyElement);
    }
    if path.contains('\\') {
        return Err(AmbiguousPath::HiddenSeparator);
    }
    // Java's servlet containers cut `;parameters` off each element first: "..;x" becomes "..".
    let is_dots = |element: &str| matches!(element.split(';').next(), Some("." | ".."));
    if path.split('/').any(is_dots) {
        return Err(AmbiguousPath::DotElement);
    }
    Ok(path)
}

fn decode_unreserved(path: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut pieces = path.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.ok_or(AmbiguousPath::BrokenEncoding)? {
            b'/' | b'\\' | 0 => return Err(AmbiguousPath::HiddenSeparator),
            code @ (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~') => {
                decoded.push(char::from(code));
                decoded.push_str(&piece[2..]);
            }
            _ => {
                decoded.push('%');
                decoded.push_str(piece);
            }
        }
    }
    Ok(Cow::Owned(decoded))
}

impl FromStr for PathType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "Exact" => Ok(PathType::Exact),
            "Prefix" => Ok(PathType::Prefix),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests;
