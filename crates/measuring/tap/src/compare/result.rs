//! What the comparison says; all times in nanoseconds.

use serde::{Deserialize, Serialize};

/// Many journeys of one kind, by stamps and by packets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// How many were compared.
    pub journeys: usize,
    /// Bytes between two programs, by their roles.
    pub legs: Vec<LegCompared>,
    /// What each program had.
    pub hops: Vec<HopCompared>,
}

/// Bytes on their way between two programs; medians over all messages, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegCompared {
    /// The sender's role.
    pub from: String,
    /// The receiver's role.
    pub to: String,
    /// Messages that both saw, of all journeys together.
    pub messages: usize,
    /// By the programs: from before the write to the receiving socket's queue or, where `woken`, to the
    /// end of the read. Absent when one of the two reports nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside_ns: Option<u64>,
    /// Does `inside_ns` end with the read, and so contain the receiver's wake-up?
    pub woken: bool,
    /// By the packets: from out to in. Absent when none was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap_ns: Option<u64>,
    /// Inside minus tap, of each message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement_ns: Option<i64>,
    /// From the sender's stamp before the write to the packet's leaving: what lies between the two
    /// observers where the sender is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ns: Option<i64>,
    /// From the packet's arrival to the end of the read: the wake-up, as the tap sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake_ns: Option<u64>,
}

/// What one program had of each journey in which it took part; medians, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HopCompared {
    /// The instance's name, `service.name`.
    pub hop: String,
    /// What it plays in the plan.
    pub role: String,
    /// Does it report nothing?
    pub opaque: bool,
    /// In how many journeys it was seen.
    pub journeys: usize,
    /// Its own time by its own stamps: what came until what went, less what it waited for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside_ns: Option<u64>,
    /// The same by packets; its wake-ups and its system calls are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap_ns: Option<u64>,
    /// Inside minus tap, of each journey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement_ns: Option<i64>,
    /// How many stamps it took.
    pub stamps: usize,
    /// How many of them speak of bytes that the tap did not see.
    pub unseen: usize,
    /// How many of them cannot be true.
    pub impossible: usize,
    /// Why its stamps are not to be trusted; absent when nothing speaks against them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub misreports: Option<String>,
}

impl Compared {
    /// The programs whose stamps are not to be trusted.
    pub fn misreporting(&self) -> impl Iterator<Item = &HopCompared> {
        self.hops.iter().filter(|hop| hop.misreports.is_some())
    }
}
