//! The name servers and the resolver, asked by hand with `dig` and by `curl`.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tests::fixture::Fixture;
use tests::programs;

/// The lb's address as the user sees it.
const LB: &str = "127.0.113.50";

/// What `dig` shows of an answer.
#[derive(Debug)]
struct Dig {
    status: String,
    flags: Vec<String>,
    answer: Vec<String>,
    authority: Vec<String>,
    additional: Vec<String>,
    text: String,
}

impl Dig {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|other| other == flag)
    }

    /// The first answer's time to live, in seconds.
    fn ttl(&self) -> Option<u32> {
        self.answer.first()?.split(' ').nth(1)?.parse().ok()
    }
}

/// Asks a hop of the lab; `question` as dig takes it, such as `api.myshop.com A +norecurse`.
async fn dig(lab: &Fixture, hop: &str, question: &str) -> anyhow::Result<Dig> {
    dig_at(lab.listen(hop), question).await
}

/// Asks any server.
async fn dig_at(server: SocketAddr, question: &str) -> anyhow::Result<Dig> {
    let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
    let fixed = [
        &at,
        "-p",
        &port,
        "+tries=1",
        "+time=5",
        "+noall",
        "+comments",
        "+answer",
        "+authority",
        "+additional",
    ];
    let text = programs::output("dig", fixed.into_iter().chain(question.split(' '))).await?;
    read(text)
}

fn read(text: String) -> anyhow::Result<Dig> {
    let word = |before: &str, after: &str| {
        let (_, rest) = text.split_once(before)?;
        rest.split_once(after).map(|(word, _)| word.trim().to_owned())
    };
    let status = word("status: ", ",").with_context(|| format!("dig shows no status: {text}"))?;
    let flags = word(";; flags:", ";").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let section = |title: &str| {
        let lines = text.lines().skip_while(|line| !line.starts_with(&format!(";; {title} SECTION"))).skip(1);
        let lines = lines.take_while(|line| !line.is_empty() && !line.starts_with(';'));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let (answer, authority, additional) = (section("ANSWER"), section("AUTHORITY"), section("ADDITIONAL"));
    Ok(Dig { status, flags, answer, authority, additional, text })
}

#[tokio::test]
async fn name_servers_by_hand() -> anyhow::Result<()> {
    let lab = Fixture::start("names").await?;

    // Root and com know who knows more: a referral with glue, and no authority over the name.
    let root = dig(&lab, "root", "api.myshop.com A +norecurse").await?;
    ensure!(root.status == "NOERROR" && !root.has("aa") && root.answer.is_empty(), "{}", root.text);
    ensure!(root.authority == ["com. 172800 IN NS a.gtld-servers.net."], "{}", root.text);
    ensure!(root.additional == ["a.gtld-servers.net. 172800 IN A 127.0.53.2"], "{}", root.text);
    let com = dig(&lab, "com", "api.myshop.com A +norecurse").await?;
    ensure!(com.status == "NOERROR" && !com.has("aa") && com.answer.is_empty(), "{}", com.text);
    ensure!(com.authority.len() == 2 && com.authority[0].contains(" NS ns1.myshop.com."), "{}", com.text);
    ensure!(com.additional.iter().all(|glue| glue.ends_with(" A 127.0.53.3")), "{}", com.text);
    ensure!(com.additional.len() == 2, "{}", com.text);

    // The shop's own server answers, with authority and without recursion.
    let shop = dig(&lab, "myshop", "api.myshop.com A +norecurse").await?;
    ensure!(shop.status == "NOERROR" && shop.has("aa") && !shop.has("ra"), "{}", shop.text);
    ensure!(shop.answer == [format!("api.myshop.com. 300 IN A {LB}")], "{}", shop.text);

    // No such name, no such type, not my zone: three different answers.
    let nobody = dig(&lab, "myshop", "nobody.myshop.com A +norecurse").await?;
    ensure!(nobody.status == "NXDOMAIN" && nobody.has("aa"), "{}", nobody.text);
    ensure!(nobody.authority.len() == 1 && nobody.authority[0].contains(" SOA "), "{}", nobody.text);
    let no_type = dig(&lab, "myshop", "api.myshop.com AAAA +norecurse").await?;
    ensure!(no_type.status == "NOERROR" && no_type.answer.is_empty(), "{}", no_type.text);
    ensure!(no_type.authority.len() == 1 && no_type.authority[0].contains(" SOA "), "{}", no_type.text);
    let elsewhere = dig(&lab, "myshop", "example.org A +norecurse").await?;
    ensure!(elsewhere.status == "REFUSED" && elsewhere.answer.is_empty(), "{}", elsewhere.text);

    // Too large for a datagram: said so, and complete over TCP.
    let cut = dig(&lab, "myshop", "big.myshop.com TXT +norecurse +ignore +bufsize=1232").await?;
    ensure!(cut.has("tc") && cut.answer.len() < 12, "{}", cut.text);
    let whole = dig(&lab, "myshop", "big.myshop.com TXT +norecurse +bufsize=1232").await?;
    ensure!(!whole.has("tc") && whole.answer.len() == 12, "{}", whole.text);
    ensure!(whole.text.contains("retrying in TCP mode"), "{}", whole.text);

    // The HTTPS record says where the load balancer of this lab listens.
    let https = dig(&lab, "myshop", "api.myshop.com HTTPS +norecurse").await?;
    let port = lab.listen("lb").port();
    ensure!(https.answer.len() == 1 && https.answer[0].contains(&format!("port={port}")), "{}", https.text);
    ensure!(https.answer[0].contains("alpn=\"h2,http/1.1\""), "{}", https.text);
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn the_resolver_by_hand() -> anyhow::Result<()> {
    let lab = Fixture::start("names-resolver").await?;
    let first = dig(&lab, "resolver", "api.myshop.com A").await?;
    ensure!(first.status == "NOERROR" && first.has("ra") && !first.has("aa"), "{}", first.text);
    ensure!(first.answer.len() == 1 && first.answer[0].ends_with(LB), "{}", first.text);
    let full = first.ttl().context("an answer has a TTL")?;
    ensure!((298..=300).contains(&full), "{}", first.text);
    // A cached answer grows old: its TTL counts down.
    hop::wait::until("the TTL to count down", Duration::from_secs(20), async || {
        let later = dig(&lab, "resolver", "api.myshop.com A").await.ok()?;
        (later.ttl()? < full).then_some(())
    })
    .await?;

    let alias = dig(&lab, "resolver", "www.myshop.com A").await?;
    ensure!(alias.answer.len() == 2 && alias.answer[0].contains("CNAME api.myshop.com."), "{}", alias.text);
    let nobody = dig(&lab, "resolver", "nobody.myshop.com A").await?;
    ensure!(nobody.status == "NXDOMAIN" && nobody.authority[0].contains(" SOA "), "{}", nobody.text);
    let no_type = dig(&lab, "resolver", "api.myshop.com AAAA").await?;
    ensure!(no_type.status == "NOERROR" && no_type.answer.is_empty(), "{}", no_type.text);
    ensure!(no_type.authority.len() == 1 && no_type.authority[0].contains(" SOA "), "{}", no_type.text);
    let big = dig(&lab, "resolver", "big.myshop.com TXT +bufsize=1232").await?;
    ensure!(big.answer.len() == 12 && big.text.contains("retrying in TCP mode"), "{}", big.text);
    // Nothing is asked of the internet: the lab's root has one top-level domain.
    let outside = dig(&lab, "resolver", "example.org A").await?;
    ensure!(outside.status == "NXDOMAIN", "{}", outside.text);

    // DNS over HTTPS, from a program that has it built in: no --resolve, no hosts file.
    let (doh, lb) = (lab.plan().port_offset + 5443, lab.listen("lb").port());
    let doh = format!("https://127.0.53.53:{doh}/dns-query");
    let url = format!("https://api.myshop.com:{lb}/healthz");
    let ca = lab.certs().authority();
    let ca = ca.to_str().context("a path that is text")?;
    let remote = programs::output(
        "curl",
        [
            "-sS",
            "--noproxy",
            "*",
            "--cacert",
            ca,
            "--doh-url",
            &doh,
            "-o",
            "/dev/null",
            "-w",
            "%{remote_ip}",
            &url,
        ],
    )
    .await?;
    ensure!(remote == LB, "curl found {remote:?} by DNS over HTTPS");
    lab.finish().await;
    Ok(())
}

/// The lab's own name servers, asked through the lab's resolver and through Unbound.
#[tokio::test]
async fn unbound_finds_the_same_in_the_labs_zones() -> anyhow::Result<()> {
    let lab = Fixture::start("names-unbound").await?;
    let folder = tempfile::tempdir()?;
    let server = hop::listen::own_loopback();
    // A stub zone each, because Unbound follows no referral to another port than 53.
    let stubs: String = [("com.", "com"), ("myshop.com.", "myshop")]
        .map(|(zone, hop)| {
            let at = lab.listen(hop);
            let at = format!("{}@{}", at.ip(), at.port());
            format!("stub-zone:\n  name: \"{zone}\"\n  stub-addr: {at}\n  stub-prime: no\n")
        })
        .concat();
    let config = format!(
        "server:\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  interface: {0}@{1}\n  \
         port: {1}\n  access-control: 127.0.0.0/8 allow\n  do-not-query-localhost: no\n  do-ip6: no\n  \
         module-config: \"iterator\"\n  num-threads: 1\n{stubs}",
        server.ip(),
        server.port()
    );
    let file = folder.path().join("unbound.conf");
    std::fs::write(&file, config)?;
    let mut unbound = tokio::process::Command::new(programs::find("unbound")?);
    unbound.args(["-d", "-p", "-c"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
    let _unbound = unbound.stderr(Stdio::null()).kill_on_drop(true).spawn().context("start unbound")?;
    hop::wait::until("Unbound to answer", Duration::from_secs(20), async || {
        dig_at(server, "com SOA").await.ok().filter(|answer| answer.status == "NOERROR")
    })
    .await?;

    let names = [
        "api.myshop.com",
        "www.myshop.com",
        "myshop.com",
        "ns1.myshop.com",
        "short.myshop.com",
        "big.myshop.com",
        "any.dev.myshop.com",
        "dev.myshop.com",
        "nobody.myshop.com",
        "x.api.myshop.com",
        "com",
        "nobody.com",
    ];
    for name in names {
        for kind in ["A", "AAAA", "HTTPS", "TXT", "NS", "SOA", "CNAME"] {
            let question = format!("{name} {kind}");
            let (ours, theirs) = (dig(&lab, "resolver", &question).await?, dig_at(server, &question).await?);
            ensure!(said(&ours) == said(&theirs), "{question}\n{}\n{}", ours.text, theirs.text);
        }
    }
    // Nothing of this was out of the ordinary.
    let log = lab.log("resolver");
    ensure!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    lab.finish().await;
    Ok(())
}

/// What two resolvers have to agree on; when they learned it is not part of it.
fn said(answer: &Dig) -> (&str, Vec<String>, Vec<String>) {
    let without_ttl = |lines: &[String]| {
        let line = |line: &String| match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
            [owner, _ttl, rest] => format!("{owner} {rest}"),
            _ => line.clone(),
        };
        let mut lines: Vec<String> = lines.iter().map(line).collect();
        lines.sort();
        lines
    };
    let mut authority = without_ttl(&answer.authority);
    authority.retain(|line| line.contains(" SOA "));
    (&answer.status, without_ttl(&answer.answer), authority)
}
