//! Where Redis is, and how to log in.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// `redis://[[user]:password@]IP:PORT[/database]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// An IP address: no name is resolved.
    pub address: SocketAddr,
    /// For `AUTH`; Redis before 6 knows no users.
    pub user: Option<String>,
    /// For `AUTH`.
    pub password: Option<String>,
    /// For `SELECT`.
    pub database: u32,
}

impl From<SocketAddr> for Url {
    fn from(address: SocketAddr) -> Self {
        Url { address, user: None, password: None, database: 0 }
    }
}

/// The password stays out of logs.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis://{}/{}", self.address, self.database)
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let rest = text.strip_prefix("redis://")?;
            let (login, rest) =
                rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
            let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
            let (user, password) = match login {
                None => (None, None),
                Some(login) => {
                    let (user, password) = login.split_once(':')?;
                    (Some(decoded(user)?).filter(|user| !user.is_empty()), Some(decoded(password)?))
                }
            };
            let database = if database.is_empty() { 0 } else { database.parse().ok()? };
            Some(Url { address: address.parse().ok()?, user, password, database })
        };
        // The text is not repeated: it may hold a password.
        parse().ok_or_else(|| "expected redis://[[user]:password@]IP:PORT[/database]".to_owned())
    }
}

/// Undoes percent-encoding (RFC 3986 §2.1), so that a password may contain any character.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
