//! What a program does in the stack.

use std::fmt;
use std::str::FromStr;

/// What a program does in the stack. Each is also the name of the crate that plays it by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are the design's own words")]
pub enum Role {
    Dns,
    Resolver,
    Lb,
    Ingress,
    Clusterip,
    Cart,
    Inventory,
    Store,
    Events,
}

impl Role {
    /// Every role, in the order in which a request meets them.
    pub const ALL: [Role; 9] = [
        Role::Dns,
        Role::Resolver,
        Role::Lb,
        Role::Ingress,
        Role::Clusterip,
        Role::Cart,
        Role::Inventory,
        Role::Store,
        Role::Events,
    ];

    /// As lab.toml spells it; also the package and the binary.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Dns => "dns",
            Role::Resolver => "resolver",
            Role::Lb => "lb",
            Role::Ingress => "ingress",
            Role::Clusterip => "clusterip",
            Role::Cart => "cart",
            Role::Inventory => "inventory",
            Role::Store => "store",
            Role::Events => "events",
        }
    }

    /// Does it answer on UDP as well as on TCP?
    pub fn speaks_dns(self) -> bool {
        matches!(self, Role::Dns | Role::Resolver)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}
