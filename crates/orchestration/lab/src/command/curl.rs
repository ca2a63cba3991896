//! `lab curl`: curl, told what a user's machine would know by itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use dnswire::QuerySocket;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use plan::{Plan, Role};
use stack::certs::Certs;

use super::planned;
use crate::arguments::Global;
use crate::outcome::Outcome;

/// How long the resolver may take, and how often it is queried.
const LIMIT: Duration = Duration::from_secs(2);
const TRIES: usize = 3;

/// Becomes curl; only returns when that fails.
pub(crate) async fn run(global: &Global, arguments: Vec<String>) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    if planned::running(&plan).is_none() {
        bail!("the lab \"{}\" does not run\n  what to do: start it in another terminal: `lab`", plan.name);
    }
    let resolver = plan.first(Role::Resolver).context("a plan has a resolver")?.listen;
    let lb = plan.first(Role::Lb).context("a plan has an lb")?.listen;
    let ip = lookup(resolver, &plan.host).await?;
    let now = hop::clock::now();
    let (certs, _) = Certs::ensure(&plan.certs_folder(), &plan, now, false)?;
    let token = certs.token(&plan.host, &plan.user, now)?;
    let mut command = std::process::Command::new("curl");
    command.arg("--cacert").arg(certs.authority());
    command.args(added(&plan, ip, lb.port(), &token, &arguments));
    command.args(rewritten(arguments, &format!("https://{}:{}", plan.host, lb.port()), Path::exists));
    let error = command.exec();
    Err(error).context("run curl: is it installed? (`lab doctor`)")
}

/// What curl is told beyond the user's arguments.
fn added(plan: &Plan, ip: IpAddr, port: u16, token: &str, arguments: &[String]) -> Vec<String> {
    let mut added = vec!["--resolve".to_owned(), format!("{}:{port}:{ip}", plan.host)];
    let mut headers =
        arguments.windows(2).filter(|pair| pair[0] == "-H" || pair[0] == "--header").map(|pair| &pair[1]);
    let attached = arguments
        .iter()
        .filter_map(|argument| argument.strip_prefix("-H").or_else(|| argument.strip_prefix("--header=")));
    let is_authorization = |header: &str| header.to_ascii_lowercase().starts_with("authorization:");
    let given = headers.any(|header| is_authorization(header)) || attached.into_iter().any(is_authorization);
    // The token is for the shop alone.
    let elsewhere =
        arguments.iter().any(|argument| argument.contains("://") && !argument.contains(&plan.host));
    if !given && !elsewhere {
        added.extend(["-H".to_owned(), format!("Authorization: Bearer {token}")]);
    }
    added
}

/// Turns the shop's paths into URLs, wherever they stand: what begins with `/`, unless this machine has what its first
/// word names, as in `-o /tmp/x`. Which of its options take a value is curl's business and changes with its version; what
/// lies at the root of a file system does not.
fn rewritten(arguments: Vec<String>, origin: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let of_the_shop = |argument: &str| {
        let first = argument.strip_prefix('/').map(|path| path.split(['/', '?', '#']).next().unwrap_or(""));
        first.is_some_and(|first| first.is_empty() || !exists(&Path::new("/").join(first)))
    };
    let url =
        |argument: String| if of_the_shop(&argument) { format!("{origin}{argument}") } else { argument };
    arguments.into_iter().map(url).collect()
}

/// Queries the lab's resolver, as the user's machine would.
async fn lookup(resolver: SocketAddr, host: &str) -> anyhow::Result<IpAddr> {
    let mut query = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    let name = Name::from_ascii(format!("{host}.")).with_context(|| format!("read the name {host}"))?;
    query.add_query(Query::query(name, RecordType::A));
    let bytes = query.to_vec().context("encode the query")?;
    for _ in 0..TRIES {
        let exchange = async {
            let socket = QuerySocket::connect((Ipv4Addr::UNSPECIFIED, 0).into(), resolver).await?;
            socket.send(&bytes).await?;
            socket.response_to(&query).await?.0
        };
        let Ok(response) = tokio::time::timeout(LIMIT, exchange).await else { continue };
        let response = response.with_context(|| format!("query the resolver {resolver}"))?;
        let found = response.answers.iter().find_map(|record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            _ => None,
        });
        return found.with_context(|| format!("{host} has no address ({})", response.metadata.response_code));
    }
    bail!("the resolver {resolver} does not answer; `lab status` tells more")
}

#[cfg(test)]
mod tests;
