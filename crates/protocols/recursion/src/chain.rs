//! A question that leads from alias to alias.

use dnswire::ExtendedError;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, Record, RecordType};

use crate::alias::{MAX_ALIASES, target};
use crate::cache::{Cache, End, Finding};
use crate::outcome::Outcome;

/// A question's way along its aliases.
pub(crate) struct Chain {
    kind: RecordType,
    /// The name that is next.
    pub(crate) at: Name,
    seen: Vec<Name>,
    answers: Vec<Record>,
}

impl Chain {
    pub(crate) fn new(name: &Name, kind: RecordType) -> Self {
        Chain { kind, at: name.clone(), seen: Vec::new(), answers: Vec::new() }
    }

    /// Goes as far as the cache knows the way; the outcome if that is to the end.
    pub(crate) fn follow_in(&mut self, cache: &dyn Cache) -> Option<Outcome> {
        loop {
            let finding = cache.find(&self.at, self.kind)?;
            if let Some(outcome) = self.take(finding) {
                return Some(outcome);
            }
        }
    }

    /// Adds what was found; the outcome if that is the end.
    pub(crate) fn take(&mut self, finding: Finding) -> Option<Outcome> {
        for alias in finding.aliases {
            if let Some(target) = target(&alias) {
                self.seen.push(std::mem::replace(&mut self.at, target));
            }
            self.answers.push(alias);
        }
        let (code, records, soa) = match finding.end {
            End::Records(records) => (ResponseCode::NoError, records, None),
            End::NoData(soa) => (ResponseCode::NoError, Vec::new(), soa),
            End::NxDomain(soa) => (ResponseCode::NXDomain, Vec::new(), soa),
            End::Alias(next) if self.seen.contains(&next) => {
                let text = format!("{next} is an alias of itself");
                return Some(Outcome::failed(ResponseCode::ServFail, ExtendedError::OTHER, text));
            }
            End::Alias(_) if self.seen.len() > MAX_ALIASES => {
                let text = format!("more than {MAX_ALIASES} aliases, one after the other");
                return Some(Outcome::failed(ResponseCode::ServFail, ExtendedError::OTHER, text));
            }
            End::Alias(_) => return None,
        };
        let mut answers = std::mem::take(&mut self.answers);
        answers.extend(records);
        Some(Outcome { code, answers, authorities: soa.into_iter().collect(), reason: None })
    }
}
