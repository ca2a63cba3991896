//! A crate's source as a tree of modules: what each file defines, imports and names, without its tests. Read from
//! tokens, so that comments and literals say nothing and the arguments of macros count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree, token_stream};

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
    handed_on: BTreeMap<String, Vec<String>>,
    /// First segments of paths, and names that stand alone.
    words: BTreeSet<String>,
}

impl Tree {
    /// Reads `lib.rs` or `main.rs` and every module file that it leads to.
    pub(super) fn of(root: &Path) -> Self {
        let read = |file: &Path| fs::read_to_string(file).ok();
        Self::read_by(&read, root)
    }

    /// The same from memory: (file, text), the root first.
    pub(super) fn of_texts(files: &[(&str, &str)]) -> Self {
        let read = |file: &Path| {
            let (_, text) = files.iter().find(|(name, _)| Path::new(name) == file)?;
            Some((*text).to_owned())
        };
        Self::read_by(&read, Path::new(files[0].0))
    }

    fn read_by(read: &dyn Fn(&Path) -> Option<String>, root: &Path) -> Self {
        let mut tree = Self::default();
        // Each with the folder in which the files of its child modules lie.
        let mut unread =
            vec![(Module::new(), root.to_owned(), root.parent().unwrap_or(Path::new("")).to_owned())];
        while let Some((module, file, folder)) = unread.pop() {
            let text = read(&file).unwrap_or_else(|| panic!("{} can't be read", file.display()));
            let tokens: TokenStream =
                text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let mut reader = Reader { tree: &mut tree, file: &file, children: Vec::new() };
            reader.module(&module, tokens);
            for child in reader.children {
                let inside: PathBuf = folder.join(child[module.len()..].join("/"));
                let (flat, nested) = (inside.with_extension("rs"), inside.join("mod.rs"));
                let file = if read(&flat).is_some() { flat } else { nested };
                unread.push((child, file, inside));
            }
        }
        tree
    }

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

fn child(module: &[String], name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

struct Reader<'a> {
    tree: &'a mut Tree,
    file: &'a Path,
    /// Modules with files of their own.
    children: Vec<Module>,
}

type Tokens = Peekable<token_stream::IntoIter>;

impl Reader<'_> {
    fn module(&mut self, module: &Module, tokens: TokenStream) {
        let mut content = Content { file: self.file.to_owned(), ..Content::default() };
        self.items(module, &mut content, tokens, true);
        let used = content.handed_on.iter().filter(|(name, _)| content.words.contains(*name));
        content.paths.extend(used.map(|(_, path)| path.clone()).collect::<Vec<_>>());
        self.tree.modules.insert(module.clone(), content);
    }

    /// `at_top`: what is defined here is an item of the module, and not something inside of one.
    fn items(&mut self, module: &Module, content: &mut Content, tokens: TokenStream, at_top: bool) {
        let mut tokens = tokens.into_iter().peekable();
        // After two, a name is the rest of a path that began before, as in `Vec::<u8>::new`.
        let mut colons = 0;
        let mut is_public = false;
        while let Some(token) = tokens.next() {
            let before = std::mem::take(&mut colons);
            let was_public = std::mem::take(&mut is_public);
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons = before + 1,
                TokenTree::Punct(punct) if punct.as_char() == '#' => attribute(&mut tokens),
                TokenTree::Group(group) => {
                    is_public = was_public; // `pub(crate)`
                    self.items(module, content, group.stream(), false);
                }
                TokenTree::Ident(word) if word == "pub" => is_public = true,
                TokenTree::Ident(word)
                    if word == "use" && !tokens.peek().is_some_and(|next| is_punct(next, '<')) =>
                {
                    imports(&mut tokens, &[], was_public, content);
                }
                TokenTree::Ident(word) if before < 2 => {
                    self.word(module, content, &word.to_string(), &mut tokens, at_top);
                }
                _ => {}
            }
        }
    }

    fn word(
        &mut self,
        module: &Module,
        content: &mut Content,
        word: &str,
        tokens: &mut Tokens,
        at_top: bool,
    ) {
        let name = match tokens.peek() {
            Some(TokenTree::Ident(name)) => Some(name.to_string()),
            _ => None,
        };
        match (word, name) {
            ("mod", Some(name)) => {
                tokens.next();
                match tokens.next() {
                    Some(TokenTree::Group(body)) => self.module(&child(module, &name), body.stream()),
                    _ => self.children.push(child(module, &name)),
                }
            }
            ("macro_rules", _) => {
                if let Some(TokenTree::Ident(name)) = tokens.nth(1) {
                    content.defines.insert(format!("{name}!"));
                }
            }
            ("fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union", Some(name)) => {
                if at_top {
                    content.defines.insert(name);
                }
            }
            _ => {
                let path = path(word, tokens);
                content.words.insert(word.to_owned());
                if path.len() > 1 {
                    content.paths.insert(path);
                }
            }
        }
    }
}

/// `word::and::what::follows`, as far as names follow.
fn path(word: &str, tokens: &mut Tokens) -> Vec<String> {
    let mut path = vec![word.to_owned()];
    while double_colon(tokens) {
        match tokens.peek() {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            _ => break,
        }
        tokens.next();
    }
    path
}

/// One tree of `use`, up to the comma or semicolon after it.
fn imports(tokens: &mut Tokens, before: &[String], is_public: bool, content: &mut Content) {
    let mut path = before.to_vec();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                let alias = tokens.next().map(|alias| alias.to_string()).unwrap_or_default();
                content.import(alias, std::mem::take(&mut path), is_public);
            }
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                content.globs.push((std::mem::take(&mut path), is_public));
            }
            TokenTree::Punct(punct) if [',', ';'].contains(&punct.as_char()) => break,
            TokenTree::Group(group) => {
                let mut inside = group.stream().into_iter().peekable();
                while inside.peek().is_some() {
                    imports(&mut inside, &path, is_public, content);
                }
                path.clear();
            }
            _ => {}
        }
    }
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(last) = path.last().cloned() {
        content.import(last, path, is_public);
    }
}

impl Content {
    fn import(&mut self, name: String, path: Vec<String>, is_public: bool) {
        if is_public {
            self.handed_on.insert(name.clone(), path.clone());
        } else if path.len() > 1 {
            self.paths.insert(path.clone());
        }
        self.imports.insert(name, path);
    }
}

/// After `#`: the attribute, and what it is of if only tests have that.
fn attribute(tokens: &mut Tokens) {
    tokens.next_if(|next| is_punct(next, '!'));
    let Some(TokenTree::Group(attribute)) = tokens.next_if(|next| matches!(next, TokenTree::Group(_))) else {
        return;
    };
    let text = attribute.stream().to_string().replace(' ', "");
    if text.starts_with("cfg(test)") || text.starts_with("cfg(all(test") {
        skip_item(tokens);
    }
}

/// Ends behind the item, the field or the statement that begins here.
fn skip_item(tokens: &mut Tokens) {
    let mut with_value = false;
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                with_value |= ["use", "const", "static", "let", "type"].contains(&word.to_string().as_str());
            }
            TokenTree::Punct(punct) if [';', ','].contains(&punct.as_char()) => return,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !with_value => return,
            _ => {}
        }
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// Takes `::` if that comes next. (A single colon stays: no path goes on behind it.)
fn double_colon(tokens: &mut Tokens) -> bool {
    let joint = matches!(tokens.peek(), Some(TokenTree::Punct(punct))
        if punct.as_char() == ':' && punct.spacing() == Spacing::Joint);
    joint && {
        tokens.next();
        tokens.next();
        true
    }
}
