//! Reads Rust sources into a tree of modules: from tokens, so that comments and literals say nothing and the arguments of
//! macros count.

use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree, token_stream};

use super::source::{Content, Module, Tree, child};

/// The modules of the library or program that begins with this `lib.rs` or `main.rs`.
pub(super) fn tree_of(root: &Path) -> Tree {
    tree_by(&|file: &Path| fs::read_to_string(file).ok(), root)
}

/// The same from memory: (file, text), the root first.
pub(super) fn tree_of_texts(files: &[(&str, &str)]) -> Tree {
    let read = |file: &Path| {
        let (_, text) = files.iter().find(|(name, _)| Path::new(name) == file)?;
        Some((*text).to_owned())
    };
    tree_by(&read, Path::new(files[0].0))
}

fn tree_by(read: &dyn Fn(&Path) -> Option<String>, root: &Path) -> Tree {
    let mut tree = Tree::default();
    // Each with the folder in which the files of its child modules lie.
    let mut unread =
        vec![(Module::new(), root.to_owned(), root.parent().unwrap_or(Path::new("")).to_owned())];
    while let Some((module, file, folder)) = unread.pop() {
        let text = read(&file).unwrap_or_else(|| panic!("{} can't be read", file.display()));
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
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
