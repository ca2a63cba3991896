//! Addresses: of this machine only, moved by the offset, each given once.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use toml::Spanned;

use super::checker::Check;
use super::values::text;
use crate::checked::{LAB_ADDRESS, NetworkMode};
use crate::error::PlanError;
use crate::hop::{Hop, Runs};
use crate::raw::RawHop;

/// DNS over HTTPS has no port of its own (RFC 8484 §4.1).
const HTTPS: u16 = 443;

impl Check<'_> {
    /// An address of this machine's loopback, its port moved by the offset.
    pub(super) fn address(&self, value: &Spanned<String>, key: &str) -> Result<SocketAddr, PlanError> {
        let refuse =
            |problem: String, remedy: &str| Err(self.sources.error(&value.span(), key, problem, remedy));
        let text = value.get_ref();
        let Ok(mut address) = text.parse::<SocketAddr>() else {
            let problem = format!("`{text}` is no address; expected IP:PORT");
            return refuse(problem, "write an IP address and a port, such as \"127.0.113.50:8443\"");
        };
        if !address.ip().is_loopback() {
            let problem = format!("{} is not a loopback address", address.ip());
            return refuse(problem, "choose one of 127.0.0.0/8: nothing of the lab leaves the machine");
        }
        let port = i64::from(address.port()) + self.offset;
        match u16::try_from(port) {
            Ok(port) if address.port() != 0 => address.set_port(port),
            _ => {
                let problem = format!("port {} plus offset {} is no port", address.port(), self.offset);
                return refuse(
                    problem,
                    "choose a port from 1024 to 65535, and a smaller network.port_offset",
                );
            }
        }
        Ok(address)
    }

    /// Where a hop of ours or of the user's listens: on loopback, and in the network that the plan has.
    pub(super) fn listens(
        &self,
        raw: &RawHop,
        span: &Range<usize>,
        key: &dyn Fn(&str) -> String,
    ) -> Result<(SocketAddr, SocketAddr), PlanError> {
        let missing = |last: &str, remedy: &str| {
            Err(self.sources.error(span, key(last), "every hop needs an address", remedy))
        };
        let Some(listen) = &raw.listen else {
            return missing("listen", "add listen = \"127.0.0.1:8080\", an address of its own");
        };
        let loopback = self.address(listen, &key("listen"))?;
        match (self.mode, &raw.real) {
            (NetworkMode::Loopback, _) => Ok((loopback, loopback)),
            (NetworkMode::Real, Some(real)) => Ok((loopback, self.real(real, &key("real"))?)),
            (NetworkMode::Real, None) => missing(
                "real",
                "add real = \"10.0.1.101:8080\", its address with network.mode = \"real\", or use mode = \"loopback\"",
            ),
        }
    }

    /// Where the resolver listens for DNS over HTTPS: in a real network on its own address, port 443.
    pub(super) fn doh(
        &self,
        raw: &RawHop,
        doh: &Spanned<String>,
        key: &dyn Fn(&str) -> String,
    ) -> Result<SocketAddr, PlanError> {
        let loopback = self.address(doh, &key("doh"))?;
        match (self.mode, &raw.real) {
            (NetworkMode::Real, Some(real)) => {
                Ok(SocketAddr::new(self.real(real, &key("real"))?.ip(), HTTPS))
            }
            _ => Ok(loopback),
        }
    }

    /// An address of a real network: none of loopback, which each host has for itself.
    fn real(&self, value: &Spanned<String>, key: &str) -> Result<SocketAddr, PlanError> {
        let text = value.get_ref();
        let usable = |ip: Ipv4Addr| {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip == LAB_ADDRESS)
        };
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 && matches!(address.ip(), IpAddr::V4(ip) if usable(ip)) => {
                Ok(address)
            }
            _ => {
                let problem =
                    format!("`{text}` is no address of a host; expected an IPv4 address and a port");
                let remedy = "write an address that no other host has, such as \"10.0.1.101:8080\"";
                Err(self.sources.error(&value.span(), key, problem, remedy))
            }
        }
    }

    /// An address that the offset does not move, and whose port may be 0.
    pub(super) fn fixed(
        &self,
        value: &Option<Spanned<String>>,
        key: &str,
        default: &str,
    ) -> Result<SocketAddr, PlanError> {
        let text = text(value, default);
        let span = value.as_ref().map_or(0..0, Spanned::span);
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(address),
            _ => {
                let remedy = "write \"127.0.0.1:0\"; port 0 takes a free one";
                let problem = format!("`{text}` is not IP:PORT on loopback");
                Err(self.sources.error(&span, key, problem, remedy))
            }
        }
    }

    /// A receiver of spans on this machine: `http://IP:PORT`; nothing, or `""`, is none.
    pub(super) fn receiver(
        &self,
        value: &Option<Spanned<String>>,
        key: &str,
    ) -> Result<Option<SocketAddr>, PlanError> {
        let Some(value) = value.as_ref().filter(|value| !value.get_ref().is_empty()) else { return Ok(None) };
        let text = value.get_ref();
        let address = text.strip_prefix("http://").and_then(|rest| {
            rest.trim_end_matches('/').replace("localhost", "127.0.0.1").parse::<SocketAddr>().ok()
        });
        let (problem, remedy) = match address {
            Some(address) if address.ip().is_loopback() => return Ok(Some(address)),
            Some(address) => (
                format!("{} is not a loopback address", address.ip()),
                "spans go to this machine only; run a collector here that passes them on, and name it",
            ),
            None => (
                format!("`{text}` is not http://IP:PORT"),
                "write where your collector takes OTLP over HTTP, such as \"http://127.0.0.1:4318\"",
            ),
        };
        Err(self.sources.error(&value.span(), key, problem, remedy))
    }

    /// The address in an external program's URL.
    pub(super) fn external(
        &self,
        url: &str,
        span: &Range<usize>,
        key: &str,
    ) -> Result<SocketAddr, PlanError> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or_default();
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host).replace("localhost", "127.0.0.1");
        match host.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(address),
            _ => {
                let remedy =
                    "write its URL with a loopback address and a port, such as \"redis://127.0.0.1:6379\"";
                let problem = format!("`{url}` names no address of this machine");
                Err(self.sources.error(span, key, problem, remedy))
            }
        }
    }

    /// Gives every program that has none an admin address: its own IP, the first free admin port.
    pub(super) fn admin_addresses(&self, hops: &mut [Hop]) -> Result<(), PlanError> {
        let mut taken: Vec<SocketAddr> = hops.iter().flat_map(Hop::binds).map(|(_, bind)| bind).collect();
        for hop in hops.iter_mut() {
            if hop.admin.is_some() || matches!(hop.runs, Runs::External(_)) {
                continue;
            }
            let offset = if self.mode == NetworkMode::Real { 0 } else { self.offset };
            let wanted = u16::try_from(self.admin_port + offset).unwrap_or(u16::MAX);
            let mut candidates = (wanted..=u16::MAX).map(|port| SocketAddr::new(hop.listen.ip(), port));
            hop.admin = candidates.find(|address| !taken.contains(address));
            taken.extend(hop.admin);
            if hop.admin.is_none() {
                let remedy = "lower network.admin_port or network.port_offset";
                let key = format!("hop.{}.admin", hop.name);
                return Err(self.sources.error(&(0..0), key, "no port is left for it", remedy));
            }
        }
        Ok(())
    }
}
