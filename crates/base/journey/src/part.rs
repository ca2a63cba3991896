//! What a journey is made of: its parts, its counts, and what was strange about it.

use serde::{Deserialize, Serialize};

use crate::stamp::Quality;

/// What a part's time was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// A program worked.
    #[serde(rename = "self")]
    Own,
    /// Bytes were between two programs.
    Leg,
    /// The bytes were there, the program was not yet running.
    Wake,
    /// A program waited for something of its own: a worker, a connection, a disk.
    Wait,
    /// A program that reports nothing had the request.
    Opaque,
}

impl PartKind {
    /// Every kind.
    pub const ALL: [PartKind; 5] =
        [PartKind::Own, PartKind::Leg, PartKind::Wake, PartKind::Wait, PartKind::Opaque];

    /// Is it a program's own time: working, waiting for something of its own, or opaque? Neither the way
    /// to a program nor its waiting for a processor is.
    pub fn is_own(self) -> bool {
        matches!(self, PartKind::Own | PartKind::Wait | PartKind::Opaque)
    }

    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            PartKind::Own => "self",
            PartKind::Leg => "leg",
            PartKind::Wake => "wake",
            PartKind::Wait => "wait",
            PartKind::Opaque => "opaque",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<PartKind> {
        PartKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Which line of the chapter's time budget a part belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before the request: what the browser does on its own.
    Browser,
    /// "DNS resolution".
    Dns,
    /// "TCP handshake".
    Tcp,
    /// "TLS handshake".
    Tls,
    /// "Request to load balancer".
    ToLoadBalancer,
    /// "Load balancer to pod".
    ToPod,
    /// "Application processing".
    Application,
    /// "Response back".
    Response,
}

impl Stage {
    /// All, in the order of a journey.
    pub const ALL: [Stage; 8] = [
        Stage::Browser,
        Stage::Dns,
        Stage::Tcp,
        Stage::Tls,
        Stage::ToLoadBalancer,
        Stage::ToPod,
        Stage::Application,
        Stage::Response,
    ];

    /// The chapter's words for it.
    pub fn title(self) -> &'static str {
        match self {
            Stage::Browser => "Browser",
            Stage::Dns => "DNS resolution",
            Stage::Tcp => "TCP handshake",
            Stage::Tls => "TLS handshake",
            Stage::ToLoadBalancer => "Request to load balancer",
            Stage::ToPod => "Load balancer to pod",
            Stage::Application => "Application processing",
            Stage::Response => "Response back",
        }
    }

    /// The word used in reports and budgets.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Browser => "browser",
            Stage::Dns => "dns",
            Stage::Tcp => "tcp",
            Stage::Tls => "tls",
            Stage::ToLoadBalancer => "to-load-balancer",
            Stage::ToPod => "to-pod",
            Stage::Application => "application",
            Stage::Response => "response",
        }
    }

    /// The stage of this name.
    pub fn named(name: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.as_str() == name)
    }

    /// The chapter's figure in nanoseconds (chapter 7, §10), if it has one.
    pub fn chapter(self) -> Option<u64> {
        let milliseconds = match self {
            Stage::Browser => return None,
            Stage::Dns => 5,
            Stage::Tcp => 15,
            Stage::Tls => 30,
            Stage::ToLoadBalancer => 1,
            Stage::ToPod => 2,
            Stage::Application => 40,
            Stage::Response => 5,
        };
        Some(milliseconds * 1_000_000)
    }
}

/// A leaf interval of a journey. Parts follow one another without gap or overlap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Whose time it is; for a leg, the hop it leads to.
    pub hop: String,
    /// The hop's role in the plan, the same for all replicas.
    pub role: String,
    /// What it was spent on.
    pub kind: PartKind,
    /// What was done: `validate`, `queue`; for a leg `browser → lb`.
    pub name: String,
    /// The chapter's line.
    pub stage: Stage,
    /// Since the journey's start, in nanoseconds.
    pub start_ns: u64,
    /// In nanoseconds.
    pub duration_ns: u64,
    /// How its end was come by.
    pub quality: Quality,
    /// How many calls deep: 0 is the browser.
    pub depth: u16,
}

/// Something that cannot be, as it was measured. Shown, never corrected in silence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Whose span or stamp it is.
    pub hop: String,
    /// What contradicts what, in one sentence.
    pub what: String,
    /// By how much, in nanoseconds, where that has a meaning.
    pub by_ns: u64,
}

/// Exact counts: the same on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// TCP connections opened because of this request, by all hops.
    pub connections_opened: u32,
    /// Connections that were there already and used again.
    pub connections_reused: u32,
    /// TLS handshakes.
    pub tls_handshakes: u32,
    /// DNS queries sent, the browser's included.
    pub dns_queries: u32,
    /// Requests and DNS queries that were sent again because the first try came to nothing.
    #[serde(default)]
    pub retries: u32,
    /// Bytes of the request on the browser's connection, TLS included; `None` where nobody counted them, as for a request
    /// from outside.
    pub request_bytes: Option<u64>,
    /// Bytes of the response likewise.
    pub response_bytes: Option<u64>,
    /// Spans joined into this journey.
    pub spans: u32,
}
