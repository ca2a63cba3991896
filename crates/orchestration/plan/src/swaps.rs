//! `--swap`: another program in the place of a hop, or of all hops of a role.

use toml::Spanned;

use crate::distance::closest;
use crate::error::{PlanError, Sources};
use crate::raw::{Raw, RawCommand};
use crate::recipe;
use crate::role::Role;

/// Puts programs in the place of hops: `NAME_OR_ROLE=RECIPE` or `=COMMAND`, a name going before a role.
pub(crate) fn swap(raw: &mut Raw, swaps: &[String], sources: &mut Sources) -> Result<(), PlanError> {
    for typed in swaps {
        let start = sources.option(format!("--swap {typed}"), typed.len());
        let span = start..start;
        let Some((who, program)) = typed.split_once('=') else {
            let remedy = "write --swap store=redis-server (`lab recipes` lists more), or a command: --swap ingress='python3 my_ingress.py'";
            return Err(sources.error(&span, "", "expected NAME_OR_ROLE=RECIPE_OR_COMMAND", remedy));
        };
        let who = who.trim();
        let role_of = |name: &str, role: &Option<Spanned<String>>| {
            role.as_ref().map_or_else(|| name.to_owned(), |role| role.get_ref().clone())
        };
        let by_name = raw.hop.keys().any(|name| name.get_ref() == who);
        let mut found = false;
        for (name, hop) in &mut raw.hop {
            let matches =
                if by_name { name.get_ref() == who } else { role_of(name.get_ref(), &hop.role) == who };
            if matches {
                found = true;
                let role = role_of(name.get_ref(), &hop.role).parse::<Role>();
                let recipe = role.is_ok_and(|role| recipe::is_meant(role, program.trim()));
                (hop.external, hop.recipe, hop.command) = (None, None, None);
                if recipe {
                    hop.recipe = Some(Spanned::new(span.clone(), program.trim().to_owned()));
                } else {
                    hop.command = Some(Spanned::new(span.clone(), RawCommand::Line(program.to_owned())));
                }
            }
        }
        if !found {
            let names = raw.hop.keys().map(|name| name.get_ref().as_str());
            let known: Vec<&str> = names.chain(Role::ALL.map(Role::as_str)).collect();
            let remedy = match closest(who, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`? `lab status` lists names and roles"),
                None => format!("name a hop or a role: {}", known.join(", ")),
            };
            return Err(sources.error(&span, "", format!("no hop has the name or role `{who}`"), remedy));
        }
    }
    Ok(())
}
