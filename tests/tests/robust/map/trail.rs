//! Where a reader begins: the first lines of a `lib.rs` name three files, each with the minutes that it takes.

use super::{Breach, Package, root, text_of};

/// How far down the three may stand.
const FIRST_LINES: usize = 40;
/// What a hop's three may take together.
const MINUTES: usize = 15;

pub(super) fn breach(package: &Package) -> Option<Breach> {
    let is_engine = package.group() == "engines";
    if !is_engine && package.group() != "hops" {
        return None;
    }
    let there = |file: &str| {
        let own = package.folder.join("src").join(file).is_file();
        let below = |group| root().join("crates").join(group).join(file).is_file();
        own || ["protocols", "base"].into_iter().any(below)
    };
    let says = wrong(&text_of(&package.source("lib.rs")), is_engine, &there)?;
    Some(Breach::new(&package.name, says))
}

/// `there`: whether a file lies in this crate's `src`, or by `NAME/src/FILE` in a crate below it.
fn wrong(text: &str, is_engine: bool, there: &dyn Fn(&str) -> bool) -> Option<String> {
    let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).take(FIRST_LINES).collect();
    let stops: Vec<(String, usize)> = head.iter().filter_map(|line| stop(line)).take(3).collect();
    if stops.len() < 3 {
        let found: Vec<&str> = stops.iter().map(|(file, _)| file.as_str()).collect();
        return Some(format!(
            "lib.rs does not begin with three files to read (lines like //! | [`tls`](mod@tls) | 5 min | …): {found:?}"
        ));
    }
    if let Some((missing, _)) = stops.iter().find(|(file, _)| !there(file)) {
        return Some(format!("lib.rs begins with {missing}, which is not there"));
    }
    let minutes: usize = stops.iter().map(|(_, minutes)| minutes).sum();
    if !is_engine && minutes > MINUTES {
        return Some(format!("the first three files take {minutes} minutes, more than {MINUTES}"));
    }
    let says_so = head.iter().any(|line| line.contains("engine"));
    (is_engine && !says_so).then(|| "lib.rs does not say that this is an engine".to_owned())
}

/// A file and its minutes: `` | `tls.rs` | 5 min | ``, `` | [`stock::sqlite`] | 5 min | ``.
fn stop(line: &str) -> Option<(String, usize)> {
    let before = line.split(" min").next().filter(|before| before.len() < line.len())?;
    let minutes = before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    let name = line.split('`').nth(1)?;
    let file = if name.ends_with(".rs") { name.to_owned() } else { name.replace("::", "/") + ".rs" };
    Some((file, minutes))
}

#[test]
fn a_trail_that_leads_nowhere_is_found() {
    let there = |file: &str| ["tls.rs", "stock/sqlite.rs", "recursion/src/iterate.rs"].contains(&file);
    let found = |text: &str, is_engine| wrong(text, is_engine, &there);
    let good = "//! A hop.\n//!\n//! | [`tls`] | 5 min | what? |\n//! | `stock/sqlite.rs` | 4 min | who? |\n\
                //! | `recursion/src/iterate.rs` | 6 minutes | how? |\n\npub mod tls;";
    assert_eq!(found(good, false), None);
    assert_eq!(found(&good.replace("[`tls`]", "[`stock::sqlite`]"), false), None);
    assert!(
        found(&good.replace("`tls`", "`balance`"), false).is_some_and(|says| says.contains("balance.rs"))
    );
    assert!(found(&good.replace("5 min", "6 min"), false).is_some_and(|says| says.contains("16 minutes")));
    assert!(found(&good.replace("4 min", "4"), false).is_some_and(|says| says.contains("three files")));
    assert!(found(good, true).is_some_and(|says| says.contains("engine")));
    assert_eq!(found(&good.replace("A hop.", "An engine."), true), None);
}
