//! Hosts and what joins them.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use nix::net::if_::if_nametoindex;

use crate::namespace::Namespace;
use crate::private;
use crate::route::{End, Mac, Route};

/// The switch, in the namespace of who builds the network.
const SWITCH: &str = "switch";
/// A host's only link.
const LINK: &str = "eth0";

/// A network could not be built.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failed {
    /// What could not be done, and of which host.
    pub what: String,
    /// What the kernel said.
    pub source: io::Error,
}

/// Hosts on a switch. The switch is in the namespace of the thread that built it, which has an address on it, too: so
/// whoever runs the stack reaches every host, and is reached by it.
///
/// Only the addresses of the network are reachable: there are no routes to anywhere else, and no way to the host's own
/// network.
#[derive(Debug)]
pub struct Network {
    hosts: BTreeMap<String, Host>,
    /// Where the switch is.
    home: Namespace,
}

impl Drop for Network {
    /// The hosts end with their last descriptor, some time later; the switch and its ports would be in the way of the next
    /// network.
    fn drop(&mut self) {
        let hosts = self.hosts.len();
        let removed = self.home.run(|| {
            let mut route = Route::open()?;
            (1..=hosts).try_for_each(|number| route.remove(&port(number)))?;
            route.remove(SWITCH)
        });
        // What is left goes with this process.
        drop(removed);
    }
}

/// A host: a network namespace with addresses.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: Namespace,
    addresses: Vec<Ipv4Addr>,
}

impl Host {
    /// Where its programs run.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its addresses, the first being the one that it connects from.
    pub fn addresses(&self) -> &[Ipv4Addr] {
        &self.addresses
    }
}

impl Network {
    /// Builds hosts of these names and addresses; `address` is that of the builder, the calling thread.
    ///
    /// # Errors
    /// This process shares the machine's own network, in which nothing may be built ([`private::enter`] comes first); or
    /// the kernel refuses a step, and which.
    pub fn build(address: Ipv4Addr, hosts: &[(String, Vec<Ipv4Addr>)]) -> Result<Network, Failed> {
        let failed = |what: String| move |source: io::Error| Failed { what, source };
        if !private::is_entered() {
            let shared = "the network of this process is the machine's own, in which nothing is built: a network of one's \
                          own is for the program `lab`, not for whoever uses it as a library";
            return Err(failed("build hosts".to_owned())(io::Error::other(shared)));
        }
        let home = Namespace::current().map_err(failed("find this thread's network".to_owned()))?;
        let own = mac(0);
        let mut route = Route::open().map_err(failed("open rtnetlink".to_owned()))?;
        let switch = switch(&mut route, own, address).map_err(failed("make the switch".to_owned()))?;
        let mut network = Network { hosts: BTreeMap::new(), home };
        for (index, (name, addresses)) in hosts.iter().enumerate() {
            let port = port(index + 1);
            let mut cable = || -> io::Result<Host> {
                let namespace = Namespace::new()?;
                let far = End { name: LINK, mac: mac(index + 1) };
                route.veth(
                    &End { name: &port, mac: port_mac(index + 1) },
                    switch,
                    &far,
                    namespace.descriptor(),
                )?;
                route.up(&port)?;
                Ok(Host { namespace, addresses: addresses.clone() })
            };
            let host = cable().map_err(failed(format!("make the host {name}")))?;
            network.hosts.insert(name.clone(), host);
        }
        // Whom everybody reaches: the builder, and all hosts but oneself.
        let mut known = vec![(own, vec![address])];
        known.extend(hosts.iter().enumerate().map(|(index, (_, has))| (mac(index + 1), has.clone())));
        reach(&mut route, switch, own, &[address], &known)
            .map_err(failed("make the hosts reachable".to_owned()))?;
        for (index, (name, addresses)) in hosts.iter().enumerate() {
            let host = &network.hosts[name];
            let settled = host.namespace.run(|| {
                let mut route = Route::open()?;
                route.up(LINK)?;
                let link = if_nametoindex(LINK)?;
                for address in addresses {
                    route.address(link, *address)?;
                }
                reach(&mut route, link, mac(index + 1), addresses, &known)
            });
            settled.map_err(failed(format!("give the host {name} its addresses")))?;
        }
        Ok(network)
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// Every host, by name.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = (&str, &Host)> {
        self.hosts.iter().map(|(name, host)| (name.as_str(), host))
    }
}

fn switch(route: &mut Route, mac: Mac, address: Ipv4Addr) -> io::Result<u32> {
    route.bridge(SWITCH, mac)?;
    route.up(SWITCH)?;
    let index = if_nametoindex(SWITCH)?;
    route.address(index, address)?;
    Ok(index)
}

/// Makes everybody reachable who is not `own`.
fn reach(
    route: &mut Route,
    link: u32,
    own: Mac,
    addresses: &[Ipv4Addr],
    known: &[(Mac, Vec<Ipv4Addr>)],
) -> io::Result<()> {
    let Some(from) = addresses.first() else { return Ok(()) };
    for (mac, others) in known.iter().filter(|(mac, _)| *mac != own) {
        for other in others {
            route.reach(link, *other, *mac, *from)?;
        }
    }
    Ok(())
}

/// A host's port at the switch, by the host's number.
fn port(number: usize) -> String {
    format!("port{number}")
}

/// The Ethernet address of a host: locally administered (IEEE 802 §8.4), by its number.
fn mac(number: usize) -> Mac {
    let [high, low] = (number as u16).to_be_bytes();
    [0x02, 0, 0, 0, high, low]
}

/// That of its port at the switch.
fn port_mac(number: usize) -> Mac {
    let [high, low] = (number as u16).to_be_bytes();
    [0x02, 0, 0, 1, high, low]
}
