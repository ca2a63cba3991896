//! The command line of `browser`: what is typed, and what it means.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Parser;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};

use crate::config::{Config, HttpVersion};
use crate::request::Request;

const AFTER: &str = "\
Examples, while the lab runs (cargo run -p lab):
  browser https://api.myshop.com:8443/cart -H \"Authorization: Bearer $(lab certs --token)\"
  browser https://api.myshop.com:8443/cart -n 2       the second request finds everything done
  browser https://api.myshop.com:8443/cart --http1.1

The steps go to stderr, the response's body to stdout. Steps that were not needed, because the name is cached and
the connection kept, are not shown: they were not taken.

Exit codes: 0 there was a response, whatever its status; 2 wrong usage; 3 there was none.";

/// Sends a request and shows each step on the way: DNS, TCP, TLS, request, first byte, last byte
#[derive(Parser, Clone, Debug)]
#[command(name = "browser", version, after_help = AFTER)]
pub struct Arguments {
    /// An https URL
    url: Uri,
    /// The caching resolver to query
    #[arg(long, env = "RESOLVER", value_name = "IP:PORT", default_value = "127.0.53.53:5300")]
    resolver: SocketAddr,
    /// The certificate authority to trust, and no other (PEM)
    #[arg(long, env = "CA_FILE", value_name = "FILE", default_value = "certs/ca.pem")]
    cacert: PathBuf,
    /// The method [default: GET, with --data POST]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,
    /// A header; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// A body; it is JSON unless a header says otherwise
    #[arg(short = 'd', long, value_name = "BODY")]
    data: Option<String>,
    /// Speak HTTP/1.1 instead of HTTP/2
    #[arg(long = "http1.1")]
    http11: bool,
    /// Send it so many times, one after the other
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1)]
    pub(crate) number: u32,
    /// Print steps and response as JSON, a line for each request, on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    /// Where the request goes, and what it is.
    ///
    /// # Errors
    /// The URL is none that this browser understands.
    pub fn meaning(&self) -> anyhow::Result<(Config, Request)> {
        let scheme = self.url.scheme_str().unwrap_or_default();
        ensure!(scheme == "https", "{}: this browser speaks https:// only", self.url);
        let host = self.url.host().with_context(|| format!("{}: no host", self.url))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let http = if self.http11 { HttpVersion::Http11 } else { HttpVersion::Http2 };
        let config = Config {
            resolver: self.resolver,
            host,
            port: self.url.port_u16().unwrap_or(443),
            ca: self.cacert.clone(),
            token: None,
            http,
            known: Vec::new(),
        };
        let usual = if self.data.is_some() { Method::POST } else { Method::GET };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        let request = Request {
            method: self.method.clone().unwrap_or(usual),
            path: self.url.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            body: self.data.clone().map(Bytes::from).unwrap_or_default(),
            headers,
            ..Request::get("/")
        };
        Ok((config, request))
    }
}

/// `Name: value` (RFC 9112 §5).
fn header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("expected NAME: VALUE")?;
    Ok((name.trim().parse().context("the name")?, value.trim().parse().context("the value")?))
}
