//! Which upstreams may get requests at all?
//!
//! Two witnesses. *Actively* each upstream is sent a request for its health path at an interval: `fall` failures in a row
//! take it out, `rise` successes in a row bring it back, so that one lost response changes nothing and one lucky response
//! neither. *Passively* every real request tells something too: connections refused several times in a row eject an
//! upstream at once, long before the next check.

use crate::config::HealthSettings;

/// What one observation made of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Up,
    Down,
}

/// One upstream's health. Starts as unknown, which is not healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    up: bool,
    /// Has it ever been up?
    known: bool,
    /// Checks in a row that speak against the present state.
    against: u32,
    /// Connections refused in a row.
    refused: u32,
}

impl Health {
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Has it never been up so far?
    pub fn is_new(&self) -> bool {
        !self.known
    }

    /// A check succeeded or failed.
    pub fn checked(&mut self, success: bool, settings: &HealthSettings) -> Option<Change> {
        if success == self.up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        // The very first success counts at once: at start there is no bad past to be forgotten.
        let needed = match success {
            true if !self.known => 1,
            true => settings.health_rise,
            false => settings.health_fall,
        };
        (self.against >= needed).then(|| self.becomes(success))
    }

    /// A real request found the connection refused.
    pub fn refused(&mut self, settings: &HealthSettings) -> Option<Change> {
        self.refused += 1;
        (self.up && self.refused >= settings.eject_after).then(|| self.becomes(false))
    }

    /// A real request got a connection.
    pub fn connected(&mut self) {
        self.refused = 0;
    }

    fn becomes(&mut self, up: bool) -> Change {
        *self = Health { up, known: self.known || up, against: 0, refused: 0 };
        if up { Change::Up } else { Change::Down }
    }
}

#[cfg(test)]
mod tests;
