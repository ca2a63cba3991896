//! A folder may be called anything: every recipe starts in one, and a request passes all of them.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use lab::plan::{Config, Hop, Plan, Role};
use lab::{recipe, workspace};
use serde_json::Value;
use tests::fixture::TestSlot;
use tests::readers::Foreign;

/// What shells, YAML, lists and the programs' own files take for something else.
const NAME: &str = "a b, c'ü; & #1 = (x)";
/// A JVM's first request loads its classes.
const FIRST: Duration = Duration::from_secs(120);

/// Which hop a recipe is put in the place of: a pod of ours stays beside the foreign one and publishes its events.
fn place(role: Role) -> &'static str {
    match role {
        Role::Cart => "cart-pod-abc12",
        role => role.as_str(),
    }
}

/// The hops of the plan in a recipe's place.
fn hops(plan: &Plan, role: Role) -> impl Iterator<Item = &str> {
    let place = place(role);
    let here = move |hop: &&Hop| hop.role() == role && [hop.name.as_str(), role.as_str()].contains(&place);
    plan.hops().map(|(_, hop)| hop).filter(here).map(|hop| hop.name.as_str())
}

#[tokio::test]
async fn every_recipe_starts_in_a_folder_of_any_name() -> anyhow::Result<()> {
    let Some(foreign) = Foreign::find("every_recipe_starts_in_a_folder_of_any_name")? else { return Ok(()) };
    let plan = Plan::load(&Config::Found, &[], &[])?;
    let rounds = Role::ALL.into_iter().map(|role| recipe::of(role).count()).max().unwrap_or(0);
    let mut started = 0;
    for round in 0..rounds {
        let slot = TestSlot::take(&format!("folder-{round}")).await?;
        let folder = slot.path(NAME);
        // Programs and jars lie in such a folder, too.
        let (programs, downloads) = (folder.join("bin"), folder.join("downloads"));
        std::fs::create_dir(&folder).context("the folder")?;
        std::fs::create_dir_all(workspace::downloads())?;
        symlink(foreign.programs(), &programs)?;
        symlink(workspace::downloads(), &downloads)?;
        let path = Value::from(format!("{}:{}", programs.display(), foreign.path()?));
        let text = |path: &Path| Value::from(path.to_string_lossy());
        let mut options = slot.options().state(&folder).set("lab.certs", text(&folder.join("certs")));
        for role in Role::ALL {
            let Some(recipe) = recipe::of(role).nth(round) else { continue };
            started += 1;
            options = options.swap(place(role), recipe.name);
            for name in hops(&plan, role) {
                options = options.set(&format!("hop.{name}.env.DOWNLOADS"), text(&downloads));
                options = options.set(&format!("hop.{name}.env.PATH"), &path);
            }
        }
        let lab = slot.start(options).await?;
        let first = async || {
            lab.post_cart_item("PROD-123", 1).await.is_ok_and(|it| it.status == Some(201)).then_some(())
        };
        hop::wait::until("a request that passes all of them", FIRST, first).await?;
        lab.finish().await;
    }
    ensure!(started == recipe::all().len(), "{started} of {} recipes were started", recipe::all().len());
    Ok(())
}
