//! Checks across hops: whether all of them fit together, and whether the budget names them.

use std::collections::BTreeMap;

use toml::Spanned;

use super::checker::Check;
use crate::checked::BUDGET_PHASES;
use crate::distance::closest;
use crate::error::PlanError;
use crate::hop::Hop;
use crate::role::Role;
use crate::waves;

impl Check<'_> {
    /// What is right for each hop but wrong for all of them together.
    pub(super) fn across_hops(&self, hops: &[Hop]) -> Result<(), PlanError> {
        let at = |index: usize, last: &str| {
            (self.hops[index].3.clone(), format!("hop.{}.{last}", hops[index].name))
        };
        for (index, hop) in hops.iter().enumerate() {
            for (key, address) in hop.binds() {
                let mut earlier = hops[..index].iter().flat_map(|other| {
                    other.binds().into_iter().map(move |(key, address)| (&other.name, key, address))
                });
                if let Some((name, other, _)) = earlier.find(|(_, _, taken)| *taken == address) {
                    let (span, key) = at(index, key);
                    let problem = format!("{address} is already hop.{name}.{other}");
                    let remedy = "give it another address or port; 127.0.0.0/8 has sixteen million";
                    return Err(self.sources.error(&span, key, problem, remedy));
                }
            }
        }
        let mut servers = hops.iter().enumerate().filter(|(_, hop)| hop.role() == Role::Dns);
        if let Some((_, first)) = servers.next()
            && let Some((index, other)) =
                servers.find(|(_, other)| other.listen.port() != first.listen.port())
        {
            let (span, key) = at(index, "listen");
            let problem =
                format!("port {} differs from {}'s {}", other.listen.port(), first.name, first.listen.port());
            let remedy = "give all name servers one port: a referral carries an address and no port";
            return Err(self.sources.error(&span, key, problem, remedy));
        }
        if let Some(circle) = waves::circle(hops) {
            let remedy = "remove one of the references: the first to start must need nobody";
            let problem = format!("they wait for each other: {}", circle.join(" → "));
            return Err(self.sources.error(&(0..0), "hop", problem, remedy));
        }
        for role in [Role::Resolver, Role::Lb] {
            if !hops.iter().any(|hop| hop.role() == role) {
                let remedy = format!("add a table [hop.{role}]; `lab.toml` in the workspace shows one");
                let problem = format!("no hop has role {role}, so no journey can begin");
                return Err(self.sources.error(&(0..0), "hop", problem, remedy));
            }
        }
        Ok(())
    }

    pub(super) fn budget(
        &self,
        raw: &BTreeMap<Spanned<String>, Spanned<f64>>,
        hops: &[Hop],
    ) -> Result<Vec<(String, f64)>, PlanError> {
        let names = hops.iter().map(|hop| hop.name.as_str());
        let known: Vec<&str> = names.chain(Role::ALL.map(Role::as_str)).chain(BUDGET_PHASES).collect();
        let mut budget: Vec<(usize, String, f64)> = Vec::new();
        for (key, limit) in raw {
            let (name, milliseconds) = (key.get_ref(), *limit.get_ref());
            if !known.contains(&name.as_str()) {
                let remedy = match closest(name, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("name a hop, a role or a phase: {}", known.join(", ")),
                };
                let problem = format!("nothing is called `{name}`");
                return Err(self.sources.error(&key.span(), format!("budget.{name}"), problem, remedy));
            }
            if !(milliseconds.is_finite() && milliseconds > 0.0) {
                let remedy = "write milliseconds, such as 5.0";
                let problem = format!("{milliseconds} is no time");
                return Err(self.sources.error(&limit.span(), format!("budget.{name}"), problem, remedy));
            }
            budget.push((key.span().start, name.clone(), milliseconds));
        }
        budget.sort_by_key(|(start, ..)| *start);
        Ok(budget.into_iter().map(|(_, name, limit)| (name, limit)).collect())
    }
}
