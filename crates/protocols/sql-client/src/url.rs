//! Which database, as people write it in a setting.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// `sqlite:PATH` or `postgres://USER[:PASSWORD]@IP:PORT/DATABASE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<Config>),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return postgres(text);
        }
        let Some(path) = text.strip_prefix("sqlite:") else {
            return Err("expected sqlite:PATH, such as sqlite:data/inventory.db, \
                        or postgres://USER[:PASSWORD]@IP:PORT/DATABASE"
                .into());
        };
        // sqlite:///var/x and sqlite:/var/x are the same file.
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err("the path is missing: expected sqlite:PATH, such as sqlite:data/inventory.db".into()),
            ":memory:" => {
                Err("a database in memory would forget what it acknowledged: give it a file".into())
            }
            path if path.ends_with('/') => Err(format!("{path:?} is a folder: name the file in it")),
            path => Ok(DatabaseUrl::Sqlite(path.into())),
        }
    }
}

/// The text is not repeated in errors: it may hold a password.
fn postgres(text: &str) -> Result<DatabaseUrl, String> {
    const EXPECTED: &str = "expected postgres://USER[:PASSWORD]@IP:PORT/DATABASE";
    let config: Config = text.parse().map_err(|_| EXPECTED.to_owned())?;
    // Nothing here resolves names.
    let is_address = |host: &Host| matches!(host, Host::Tcp(host) if host.parse::<IpAddr>().is_ok());
    let known = config.get_user().is_some() && config.get_dbname().is_some();
    if !known || config.get_hosts().is_empty() || !config.get_hosts().iter().all(is_address) {
        return Err(format!("{EXPECTED}, with an IP address for the host"));
    }
    Ok(DatabaseUrl::Postgres(Box::new(config)))
}

#[cfg(test)]
mod tests;
