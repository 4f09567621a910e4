//! Every path that a file names, written out from the crate's root.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, Meta, UseTree};

use super::source::Source;

/// A path that begins with `crate` or with the name of another crate.
pub(super) type Absolute = Vec<String>;

/// Returns the paths that a file names in imports, code, attributes and the arguments of macros.
///
/// A name that an import binds is written out, so that `fs::Dir` after `use crate::fs` is
/// `crate::fs::Dir`.
pub(super) fn paths(source: &Source) -> BTreeSet<Absolute> {
    // The first pass learns what the names are bound to, the second one writes paths out.
    let mut visitor = Paths {
        module: source.module.clone(),
        children: Vec::new(),
        bound: BTreeMap::new(),
        found: BTreeSet::new(),
    };
    visitor.visit_file(&source.file);
    visitor.found.clear();
    visitor.visit_file(&source.file);
    visitor.found
}

struct Paths {
    /// The module that the visitor is in.
    module: Vec<String>,
    /// The modules that this module declares.
    children: Vec<String>,
    bound: BTreeMap<String, Absolute>,
    found: BTreeSet<Absolute>,
}

impl Paths {
    /// Writes a path out.
    fn absolute(&self, path: &[String]) -> Absolute {
        let below =
            |module: &[String], rest: &[String]| [&["crate".to_owned()][..], module, rest].concat();
        let mut module = self.module.as_slice();
        let mut rest = path;
        while rest.first().is_some_and(|name| name == "super") {
            module = module.split_last().map_or(&[], |(_, above)| above);
            rest = &rest[1..];
        }
        if rest.len() < path.len() {
            return below(module, rest);
        }
        match path.split_first() {
            Some((first, rest)) if first == "self" => below(module, rest),
            Some((first, rest)) if self.bound.contains_key(first) => {
                [&self.bound[first][..], rest].concat()
            }
            Some((first, _)) if self.children.contains(first) => below(module, path),
            _ => path.to_vec(),
        }
    }

    fn add(&mut self, path: &[String]) {
        let path = self.absolute(path);
        self.found.insert(path);
    }

    /// Follows a tree of imports.
    fn import(&mut self, tree: &UseTree, base: &[String]) {
        match tree {
            UseTree::Path(path) => {
                self.import(&path.tree, &[base, &[path.ident.to_string()]].concat());
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, base)),
            UseTree::Glob(_) => self.add(&[base, &["*".to_owned()]].concat()),
            UseTree::Name(name) => self.bind(base, &name.ident.to_string(), None),
            UseTree::Rename(rename) => {
                self.bind(base, &rename.ident.to_string(), Some(rename.rename.to_string()));
            }
        }
    }

    fn bind(&mut self, base: &[String], name: &str, rename: Option<String>) {
        let path = match name {
            "self" => base.to_vec(),
            _ => [base, &[name.to_owned()]].concat(),
        };
        let absolute = self.absolute(&path);
        self.found.insert(absolute.clone());
        let bound = rename.unwrap_or_else(|| path[path.len() - 1].clone());
        self.bound.insert(bound, absolute);
    }

    /// Collects `a::b` paths from the arguments of a macro or an attribute.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut after_dollar = false;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && colons < 2 => {
                    colons += 1;
                    continue;
                }
                _ => {}
            }
            self.add_scanned(&path);
            path.clear();
            colons = 0;
            match &token {
                TokenTree::Ident(ident) if !after_dollar => path.push(ident.to_string()),
                TokenTree::Group(group) => self.scan(group.stream()),
                _ => {}
            }
            after_dollar = matches!(token, TokenTree::Punct(punct) if punct.as_char() == '$');
        }
        self.add_scanned(&path);
    }

    fn add_scanned(&mut self, path: &[String]) {
        if path.len() > 1 {
            self.add(path);
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_file(&mut self, file: &'ast syn::File) {
        self.children = declared(&file.items);
        visit::visit_file(self, file);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let Some((_, items)) = &module.content else { return };
        let outer = std::mem::replace(&mut self.children, declared(items));
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
        self.children = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(&names);
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.visit_path(&invocation.path);
        self.scan(invocation.tokens.clone());
    }

    fn visit_attribute(&mut self, attr: &'ast syn::Attribute) {
        if let Meta::List(list) = &attr.meta {
            self.scan(list.tokens.clone());
        }
    }
}

fn declared(items: &[Item]) -> Vec<String> {
    let name = |item: &Item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}
