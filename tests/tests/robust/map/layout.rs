//! Where a module and its tests lie: `x.rs` with its parts in `x/`, unit tests in `x/tests.rs`, and one program with a
//! crate's integration tests, `tests/suite/main.rs`.

use std::path::{Path, PathBuf};

use super::{Breach, Package, every_file, shown, text_of};

pub(super) fn breaches(package: &Package) -> Vec<Breach> {
    let source = every_file(&package.folder.join("src"));
    let of_source = source.iter().filter_map(|file| {
        let folder = file.parent()?;
        let is_part = !folder.ends_with("src") && !folder.ends_with("src/bin");
        let orphan = is_part && !folder.with_extension("rs").is_file();
        Some((file, wrong_source(file, orphan, &text_of(file))?))
    });
    let (tests, is_suites) = (package.folder.join("tests"), package.group().is_empty());
    let files = every_file(&tests);
    let of_tests = files.iter().filter_map(|file| {
        let inside = file.strip_prefix(&tests).ok()?;
        Some((file, wrong_test(inside, is_suites, &text_of(file))?))
    });
    let breach =
        |(file, says): (&PathBuf, &str)| Breach::new(&package.name, format!("{}: {says}", shown(file)));
    of_source.chain(of_tests).map(breach).collect()
}

/// `orphan`: no module file is named after its folder.
fn wrong_source(file: &Path, orphan: bool, text: &str) -> Option<&'static str> {
    if file.ends_with("mod.rs") || orphan {
        return Some("a module is x.rs with its parts in x/");
    }
    has_inline_tests(text).then_some("unit tests lie in x/tests.rs")
}

/// `file` as seen from the folder `tests` of a crate; `is_suites`: of the crate that has nothing else.
fn wrong_test(file: &Path, is_suites: bool, text: &str) -> Option<&'static str> {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    let reason = text.lines().next().is_some_and(|line| line.contains("process"));
    match parts[..] {
        [_] => Some("integration tests are one program, tests/suite/main.rs"),
        [.., "mod.rs"] => Some("a module is x.rs with its parts in x/"),
        [name, "main.rs"] if name != "suite" && !is_suites && !reason => {
            Some("the first line does not say why it needs a process of its own")
        }
        _ => has_inline_tests(text).then_some("unit tests lie in x/tests.rs"),
    }
}

fn has_inline_tests(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| line.starts_with("mod test") && line.ends_with('{'))
}

#[test]
fn what_lies_elsewhere_is_found() {
    let source = |file: &str, orphan, text| wrong_source(Path::new(file), orphan, text).is_some();
    assert!(source("src/plan/mod.rs", false, ""));
    assert!(source("src/plan/routes.rs", true, ""));
    assert!(source("src/plan.rs", false, "#[cfg(test)]\nmod tests {\n}"));
    assert!(!source("src/plan/routes.rs", false, "#[cfg(test)]\nmod tests;\n"));

    let test = |file: &str, text| wrong_test(Path::new(file), false, text).is_some();
    assert!(test("http.rs", ""));
    assert!(test("suite/client/mod.rs", ""));
    assert!(test("kill/main.rs", "//! Kills it.\n"));
    assert!(!test("suite/main.rs", ""));
    assert!(!test("suite/client.rs", ""));
    assert!(!test(
        "kill/main.rs",
        "//! A process of its own, because the limit of files is the process's.\n"
    ));
}
