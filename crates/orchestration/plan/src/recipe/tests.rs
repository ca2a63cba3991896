use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// Every file below a folder, by its path from there.
fn below(folder: &Path, from: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let name = format!("{from}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            below(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn every_file_of_the_folder_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../recipes");
    let mut found = BTreeSet::new();
    below(&folder, "", &mut found);
    assert!(found.remove("README.md"));
    assert_eq!(found, FILES.iter().map(|(path, _)| (*path).to_owned()).collect());
}

#[test]
fn every_recipe_is_read_and_uses_all_its_files() {
    assert_eq!(all().len(), FILES.iter().filter(|(path, _)| path.ends_with("/recipe.toml")).count());
    let files: usize = all().iter().map(|recipe| recipe.files.len() + 1).sum();
    assert_eq!(files, FILES.len());
    for recipe in all() {
        let uses = recipe.command.iter().any(|word| word.contains("{CONFIG}"));
        assert_eq!(uses, !recipe.files.is_empty(), "{recipe:?}");
        assert!(!recipe.about.is_empty() && !recipe.program.is_empty() && !recipe.install.is_empty());
        assert!(recipe.role == Role::Resolver || recipe.flush.is_none(), "{recipe:?}");
    }
    assert!(of(Role::Resolver).all(|recipe| recipe.flush.is_some()), "cold journeys must be cold");
}

/// Programs have braces of their own: what is no configuration file is written as it is.
#[test]
fn sources_and_scripts_have_no_names_to_fill_in() {
    for recipe in all() {
        let kept = |name: &str| name == "run" || [".java", ".xml"].iter().any(|end| name.ends_with(end));
        for (name, text) in recipe.files.iter().filter(|(name, _)| kept(name)) {
            let filled = crate::environment::template::expand(text, Escape::default(), |name| {
                Some(format!("value of {name}"))
            });
            assert_eq!(filled.as_deref(), Ok(*text), "{}'s {name}", recipe.name);
        }
    }
}

/// A folder may be called anything: where a configuration file has a path, it has it within double quotes.
#[test]
fn every_path_in_a_file_is_within_double_quotes() {
    let (raw, escaped) = (r#"/a b, c" d"#, r#"/a b, c\" d"#);
    let value = |name: &str| match name {
        "ZONES" => Some(format!("com.={raw}\n")),
        "DATA_DIR" | "CONFIG" | "DOWNLOADS" | "TLS_CERT" | "TLS_KEY" | "JWT_PUBLIC_KEY" => {
            Some(raw.to_owned())
        }
        _ => Some("value".to_owned()),
    };
    let mut seen = 0;
    for recipe in all() {
        for (name, text) in &recipe.files {
            let filled = crate::environment::template::expand(text, Escape::Backslash, value);
            let filled = filled.unwrap_or_else(|error| panic!("{}'s {name}: {error}", recipe.name));
            assert!(
                !filled.contains(raw),
                "{}'s {name} has a path outside of quotes:\n{filled}",
                recipe.name
            );
            seen += filled.matches(escaped).count();
        }
    }
    assert!(seen > 15, "{seen} paths");
}

#[test]
fn a_word_is_a_recipe_when_nothing_else_can_be_meant() {
    assert!(is_meant(Role::Ingress, "nginx"));
    assert!(is_meant(Role::Store, "nginx"), "so that the error says where it fits");
    assert!(is_meant(Role::Ingress, "ngnix"), "nobody has such a program");
    assert!(!is_meant(Role::Ingress, "sh"), "a program that is there");
    for command in ["/usr/sbin/nginx", "./nginx", "nginx -c x", ""] {
        assert!(!is_meant(Role::Ingress, command), "{command}");
    }
}

#[test]
fn a_broken_recipe_is_refused() {
    let good = "about = \"a\"\nprogram = \"p\"\ninstall = \"p\"\ncommand = \"p\"\n";
    assert!(read("store/x", good).is_ok());
    for (folder, text) in [
        ("store/x", "about = 1"),
        ("shop/x", good),
        ("store", good),
        ("store/x", &format!("{good}files = [\"nowhere\"]")),
        ("store/x", &format!("{good}surprise = 1")),
        ("store/x", &good.replace("command = \"p\"", "command = \"\"")),
    ] {
        assert!(read(folder, text).is_err(), "{folder}: {text}");
    }
}
