//! The certificates that a plan's hops need, and for which names.

use std::net::IpAddr;

use plan::{Plan, Role, Settings};

/// A certificate that somebody needs.
pub(super) struct Leaf {
    pub(super) file: &'static str,
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
}

impl Leaf {
    pub(super) fn all_names(&self) -> Vec<String> {
        self.names.iter().cloned().chain(self.addresses.iter().map(IpAddr::to_string)).collect()
    }
}

/// The certificates that the plan's hops need: TLS ends at the lb and at the resolver's DoH.
pub(super) fn leaves(plan: &Plan) -> Vec<Leaf> {
    let mut lb = Leaf {
        file: "lb",
        names: vec![plan.host.clone(), domain(&plan.host), format!("*.{}", domain(&plan.host))],
        addresses: Vec::new(),
    };
    lb.names.dedup();
    let mut resolver = Leaf { file: "resolver", names: Vec::new(), addresses: Vec::new() };
    for (_, hop) in plan.hops() {
        match &hop.settings {
            Settings::Resolver { doh, .. } => {
                resolver.addresses.extend(distinct([doh.ip(), hop.loopback.ip()]));
            }
            _ if hop.role() == Role::Lb => {
                lb.addresses.extend(distinct([hop.listen.ip(), hop.loopback.ip()]));
            }
            _ => {}
        }
    }
    vec![lb, resolver]
}

/// An address in the plan's network, and on loopback: what is issued for one network is good for both.
fn distinct([first, second]: [IpAddr; 2]) -> impl Iterator<Item = IpAddr> {
    [Some(first), (second != first).then_some(second)].into_iter().flatten()
}

/// `api.myshop.com` → `myshop.com`: the last two labels.
pub(super) fn domain(host: &str) -> String {
    let labels: Vec<&str> = host.split('.').collect();
    labels[labels.len().saturating_sub(2)..].join(".")
}
