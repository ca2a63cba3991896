//! `lab recipes`: which real programs fit which slot.

use plan::recipe::{self, Recipe};
use plan::{Plan, Role};
use report::layout::{Column, Table};
use serde_json::json;

use crate::arguments::Global;
use crate::outcome::Outcome;
use crate::print;

pub(crate) fn run(global: &Global) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    let text = if global.json {
        serde_json::to_string_pretty(&listed(&plan))?
    } else {
        table(&plan, print::text_width())
    };
    print::result(&text)?;
    Ok(Outcome::Good)
}

/// The hops of this plan that a recipe fits.
fn hops(plan: &Plan, role: Role) -> Vec<&str> {
    plan.hops().filter(|(_, hop)| hop.role() == role).map(|(_, hop)| hop.name.as_str()).collect()
}

fn listed(plan: &Plan) -> Vec<serde_json::Value> {
    let one = |recipe: &Recipe| {
        json!({
            "role": recipe.role.as_str(), "name": recipe.name, "hops": hops(plan, recipe.role),
            "about": recipe.about, "limits": recipe.limits, "program": recipe.program,
            "install": recipe.install, "installed": recipe.installed(),
        })
    };
    recipe::all().iter().map(one).collect()
}

fn table(plan: &Plan, width: usize) -> String {
    let mut table = Table::new(0, [Column::left("")]);
    for recipe in recipe::all() {
        let there = match recipe.installed() {
            Some(path) => path.display().to_string(),
            None => format!("not installed: {}", recipe.install),
        };
        table.row_with([format!("--swap {}={}", recipe.role, recipe.name)], there);
        table.below(recipe.about.as_str());
        if !recipe.limits.is_empty() {
            table.below(format!("but: {}", recipe.limits));
        }
        table.below(format!("for: {}", hops(plan, recipe.role).join(", ")));
    }
    table.fit(width)
}
