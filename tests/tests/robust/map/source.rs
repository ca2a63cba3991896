//! A crate's source as a tree of modules: what each defines, imports and names, without its tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// From the root: `["plan", "routes"]` is `crate::plan::routes`.
pub(super) type Module = Vec<String>;

/// The modules of a library or of a program, without those that only tests have.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) modules: BTreeMap<Module, Content>,
}

/// One module. An inline module has one of its own, with the file in which it stands.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) file: PathBuf,
    /// The names that `use` brings here, each with the path as written.
    pub(super) imports: BTreeMap<String, Vec<String>>,
    /// The paths before `::*`, and whether they only hand on.
    pub(super) globs: Vec<(Vec<String>, bool)>,
    pub(super) defines: BTreeSet<String>,
    /// Paths of two and more segments, as written; those of `use` as well, but for what is only handed on.
    pub(super) paths: BTreeSet<Vec<String>>,
    /// What `pub use` hands on, by the name under which it does.
    pub(super) handed_on: BTreeMap<String, Vec<String>>,
    /// First segments of paths, and names that stand alone.
    pub(super) words: BTreeSet<String>,
}

impl Tree {
    /// The module in which what a path names is defined, and the name by which that module knows it: through
    /// re-exports, to where it stands. `None` for what is not of this crate.
    pub(super) fn defined_in(&self, from: &[String], path: &[String]) -> Option<(Module, String)> {
        self.resolve(from, path, 0)
    }

    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<(Module, String)> {
        if depth > 16 {
            return None;
        }
        let (first, mut rest) = path.split_first()?;
        let here = self.modules.get(from)?;
        let mut module = match first.as_str() {
            "crate" => Module::new(),
            "self" => from.to_vec(),
            "super" => from[..from.len().saturating_sub(1)].to_vec(),
            name if self.modules.contains_key(&child(from, name)) => child(from, name),
            name if here.defines.contains(name) => return Some((from.to_vec(), name.to_owned())),
            name => {
                let import = here.imports.get(name)?;
                if import == path {
                    return None;
                }
                let import: Vec<String> = import.iter().chain(rest).cloned().collect();
                return self.resolve(from, &import, depth + 1);
            }
        };
        while let Some((name, after)) = rest.split_first() {
            if name == "super" {
                module.pop();
            } else if self.modules.contains_key(&child(&module, name)) {
                module.push(name.clone());
            } else {
                return self.item(&module, rest, depth);
            }
            rest = after;
        }
        Some((module, "self".to_owned()))
    }

    /// What a module means by a name that is none of its child modules.
    fn item(&self, module: &[String], rest: &[String], depth: usize) -> Option<(Module, String)> {
        let (content, name) = (self.modules.get(module)?, &rest[0]);
        if content.defines.contains(name) {
            return Some((module.to_vec(), name.clone()));
        }
        if let Some(import) = content.imports.get(name) {
            let import: Vec<String> = import.iter().chain(&rest[1..]).cloned().collect();
            return self.resolve(module, &import, depth + 1);
        }
        let through = |(glob, _): &(Vec<String>, bool)| {
            let path: Vec<String> = glob.iter().chain(rest).cloned().collect();
            let (module, name) = self.resolve(module, &path, depth + 1)?;
            self.modules[&module].defines.contains(&name).then_some((module, name))
        };
        // A macro that is exported stands at the root by name and elsewhere in truth.
        let somewhere = || module.is_empty().then(|| self.exported_macro(name)).flatten();
        let last = || Some((module.to_vec(), name.clone()));
        content.globs.iter().find_map(through).or_else(somewhere).or_else(last)
    }

    fn exported_macro(&self, name: &str) -> Option<(Module, String)> {
        let definition = format!("{name}!");
        let (module, _) = self.modules.iter().find(|(_, content)| content.defines.contains(&definition))?;
        Some((module.clone(), definition))
    }
}

pub(super) fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

impl Content {
    /// A name that `use` brings here; `is_public`: for others, too.
    pub(super) fn import(&mut self, name: String, path: Vec<String>, is_public: bool) {
        if is_public {
            self.handed_on.insert(name.clone(), path.clone());
        } else if path.len() > 1 {
            self.paths.insert(path.clone());
        }
        self.imports.insert(name, path);
    }
}
