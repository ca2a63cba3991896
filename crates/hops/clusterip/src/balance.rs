//! Which endpoint gets a new connection.
//!
//! Chosen once per connection and never again: whatever flows on that connection later goes to the
//! same pod. None of the three modes looks at load; a pod that is busy gets its share like any other.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How many clients' choices are remembered at most, for [`Mode::ClientIp`].
const REMEMBERED: usize = 65_536;

/// The ways to choose, named after what kube-proxy offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Each endpoint with the same probability: kube-proxy's iptables and nftables modes
    Random,
    /// One after the other: kube-proxy's IPVS mode with its scheduler "rr"
    RoundRobin,
    /// A client stays with its endpoint: sessionAffinity ClientIP
    ClientIp,
}

impl Mode {
    /// The word used in settings, spans and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Random => "random",
            Mode::RoundRobin => "round-robin",
            Mode::ClientIp => "client-ip",
        }
    }
}

/// The choice, with what it has to remember from one connection to the next.
pub struct Balance {
    mode: Mode,
    /// Round robin: whose turn it is.
    turn: usize,
    /// Affinity: who went where, and when last.
    chosen: HashMap<IpAddr, (SocketAddr, Instant)>,
    /// Affinity: how long that holds.
    affinity: Duration,
}

impl Balance {
    /// Nothing chosen yet. `affinity` only matters for [`Mode::ClientIp`].
    pub fn new(mode: Mode, affinity: Duration) -> Self {
        Balance { mode, turn: 0, chosen: HashMap::new(), affinity }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Picks one of the ready endpoints for a connection from `client` that begins at `now`;
    /// `None` when there are none.
    pub fn pick(&mut self, ready: &[SocketAddr], client: IpAddr, now: Instant) -> Option<SocketAddr> {
        if ready.is_empty() {
            return None;
        }
        let pick = match self.mode {
            Mode::Random => random(ready),
            Mode::RoundRobin => {
                // The list may have changed since the last turn: only the position counts.
                let pick = ready[self.turn % ready.len()];
                self.turn = (self.turn + 1) % ready.len();
                pick
            }
            Mode::ClientIp => {
                let earlier = self.chosen.get(&client).filter(|(endpoint, last)| {
                    // A pod that is no longer ready loses its clients; they choose anew.
                    now.saturating_duration_since(*last) < self.affinity && ready.contains(endpoint)
                });
                let pick = earlier.map_or_else(|| random(ready), |(endpoint, _)| *endpoint);
                self.remember(client, pick, now);
                pick
            }
        };
        Some(pick)
    }

    /// Every new connection renews the affinity, as in the kernel: its rules note the time of the
    /// client's last new connection, not of its first.
    fn remember(&mut self, client: IpAddr, pick: SocketAddr, now: Instant) {
        if self.chosen.len() >= REMEMBERED && !self.chosen.contains_key(&client) {
            self.chosen.retain(|_, (_, last)| now.saturating_duration_since(*last) < self.affinity);
            if self.chosen.len() >= REMEMBERED {
                return; // Served all the same; it may meet another pod next time.
            }
        }
        self.chosen.insert(client, (pick, now));
    }
}

/// The iptables rules do this with a chain: the first of n endpoints with probability 1/n, else the
/// next with 1/(n-1), and so on; which gives each the same share.
fn random(ready: &[SocketAddr]) -> SocketAddr {
    ready[rand::random_range(0..ready.len())]
}

#[cfg(test)]
mod tests;
