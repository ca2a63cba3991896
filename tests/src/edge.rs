//! The two proxies alone: a load balancer and an Ingress before an upstream of the test's own.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use lab::binaries::Binaries;
use lab::plan::Role;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::programs;

/// How long a program may take to be ready.
const START: Duration = Duration::from_secs(30);
/// How long an answer may take that ends with the connection.
const ANSWER: Duration = Duration::from_secs(20);
/// The name on the certificate.
pub const HOST: &str = "api.myshop.com";

/// A load balancer that speaks TLS, and behind it an Ingress that sends everything to one upstream. Both end
/// when it is dropped.
#[derive(Debug)]
pub struct Edge {
    /// Where the load balancer listens: TLS, HTTP/2 and 1.1.
    pub lb: SocketAddr,
    /// Where the Ingress listens: HTTP/1.1 in the clear.
    pub ingress: SocketAddr,
    processes: Vec<Child>,
    folder: TempDir,
}

impl Edge {
    /// Starts both before `upstream`.
    ///
    /// # Errors
    /// A program is not built or does not start, or openssl is not installed.
    pub async fn start(upstream: SocketAddr) -> anyhow::Result<Edge> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let subject = format!("/CN={HOST}");
        let name = format!("subjectAltName=DNS:{HOST}");
        let issue = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let rest = ["-keyout", text(&key)?, "-out", text(&certificate)?, "-subj", &subject, "-addext", &name];
        programs::output("openssl", issue.into_iter().chain(rest)).await.context("make a certificate")?;

        let hops = Binaries::ensure(&BTreeSet::from([Role::Lb, Role::Ingress]), true).await?;
        let [lb, ingress, lb_admin, ingress_admin] = [(); 4].map(|()| hop::listen::own_loopback());
        let mut command = Command::new(hops.path(Role::Ingress));
        command.args(["--rule", &format!("* Prefix / service={upstream}")]);
        let mut edge = Edge { lb, ingress, processes: Vec::new(), folder };
        edge.run(command, ingress, ingress_admin).await?;
        let mut command = Command::new(hops.path(Role::Lb));
        command.args(["--upstreams", &ingress.to_string()]);
        command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
        edge.run(command, lb, lb_admin).await?;
        Ok(edge)
    }

    async fn run(&mut self, mut command: Command, to: SocketAddr, admin: SocketAddr) -> anyhow::Result<()> {
        command.args(["--listen", &to.to_string(), "--admin", &admin.to_string()]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let what = format!("{:?} to be ready", command.get_program());
        self.processes.push(command.spawn().with_context(|| format!("start {:?}", command.get_program()))?);
        let ready = async || {
            let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            let mut stream = tokio::net::TcpStream::connect(admin).await.ok()?;
            stream.write_all(request).await.ok()?;
            let mut said = String::new();
            stream.read_to_string(&mut said).await.ok()?;
            said.starts_with("HTTP/1.1 200").then_some(())
        };
        Ok(hop::wait::until(what, START, ready).await?)
    }

    /// Where the load balancer's certificate is, which vouches for itself.
    pub fn certificate(&self) -> std::path::PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// All that the load balancer says to these bytes, sent over TLS as HTTP/1.1, until it closes the connection or
    /// has been silent for `quiet`. openssl sends what no HTTP client would.
    ///
    /// # Errors
    /// openssl is not installed, or it ends with neither.
    pub async fn say(&self, bytes: &[u8], quiet: Duration) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new(programs::find("openssl")?);
        command.args(["s_client", "-quiet", "-alpn", "http/1.1", "-servername", HOST, "-connect"]);
        command.arg(self.lb.to_string()).arg("-CAfile").arg(self.certificate());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut client = command.spawn().context("run openssl")?;
        let mut input = client.stdin.take().context("it is piped")?;
        let mut output = client.stdout.take().context("it is piped")?;
        input.write_all(bytes).await.context("write to openssl")?;
        let mut said = Vec::new();
        let reading = async {
            loop {
                let mut piece = [0; 4096];
                match tokio::time::timeout(quiet, output.read(&mut piece)).await {
                    Ok(Ok(count)) if count > 0 => said.extend_from_slice(&piece[..count]),
                    _ => return,
                }
            }
        };
        tokio::time::timeout(ANSWER, reading).await.context("an answer that ends")?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is text")
}
