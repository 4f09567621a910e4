//! What else holds for every file: where unsafe code, printing and system differences may stand,
//! what faces hold, and how types are named.

use std::collections::BTreeMap;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta};

use super::imports::paths;
use super::source::Source;

/// No file is longer.
const MAX_LINES: usize = 500;

/// The folders that print: handlers, and what they print with.
const PRINTERS: [&str; 2] = ["ui", "commands"];

/// The folders that differ between operating systems.
const PLATFORMS: [&str; 2] = ["sys", "os"];

/// Macros and functions that print, or give a way to.
const PRINTING: [&str; 9] = [
    "print",
    "println",
    "eprint",
    "eprintln",
    "dbg",
    "std::io::stdout",
    "std::io::stderr",
    "rustix::stdio::stdout",
    "rustix::stdio::stderr",
];

fn in_one_of(source: &Source, folders: &[&str]) -> bool {
    !source.is_loose() && folders.contains(&source.folder())
}

/// Whether these words stand among the tokens, at any depth. Comments and strings are no tokens.
fn has_word(tokens: TokenStream, words: &[&str]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => words.iter().any(|word| ident == word),
        TokenTree::Group(group) => has_word(group.stream(), words),
        _ => false,
    })
}

/// `unsafe` stands in `sys` only, not even in tests elsewhere.
pub(super) fn unsafe_outside_sys(source: &Source) -> Vec<String> {
    let found = !in_one_of(source, &["sys"]) && has_word(source.text.parse().unwrap(), &["unsafe"]);
    found.then(|| format!("{} has unsafe code", source.path.display())).into_iter().collect()
}

/// The core returns what it has to say, or calls back.
pub(super) fn printing_outside_ui(source: &Source) -> Vec<String> {
    if in_one_of(source, &PRINTERS) {
        return Vec::new();
    }
    let used = paths(source).into_iter().map(|path| path.join("::"));
    let printing = used.filter(|path| PRINTING.contains(&path.as_str()));
    printing.map(|path| format!("{} prints with {path}", source.path.display())).collect()
}

/// Advice on an error depends on its type, and nothing else does.
pub(super) fn downcasts_outside_advice(source: &Source) -> Vec<String> {
    let words = ["downcast", "downcast_ref", "downcast_mut"];
    let found = !source.path.starts_with("src/commands/errors")
        && has_word(source.file.to_token_stream(), &words);
    found.then(|| format!("{} downcasts errors", source.path.display())).into_iter().collect()
}

/// What differs between systems is in `sys` and `os`, so that all else is the same everywhere.
pub(super) fn systems_outside_sys_and_os(source: &Source) -> Vec<String> {
    if in_one_of(source, &PLATFORMS) {
        return Vec::new();
    }
    let mut conditions = Conditions(false);
    conditions.visit_file(&source.file);
    let complaint = || format!("{} differs between systems", source.path.display());
    conditions.0.then(complaint).into_iter().collect()
}

/// Whether a `cfg`, as an attribute or a macro, asks for a system.
struct Conditions(bool);

impl Conditions {
    fn look_at(&mut self, path: &syn::Path, tokens: &TokenStream) {
        let names = ["target_os", "target_vendor", "target_family", "target_env", "windows"];
        let is_condition = path.is_ident("cfg") || path.is_ident("cfg_attr");
        self.0 |= is_condition && has_word(tokens.clone(), &names);
    }
}

impl<'ast> Visit<'ast> for Conditions {
    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        if let Meta::List(list) = &attr.meta {
            self.look_at(&list.path, &list.tokens);
        }
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.look_at(&invocation.path, &invocation.tokens);
    }
}

/// The crate named tempfile removes its files when it drops them, which no killed process does. So only the
/// probe of a directory uses it, for a file without a name.
pub(super) fn tempfile_outside_the_probe(source: &Source) -> Vec<String> {
    let allowed = source.path == Path::new("src/create/tempdir.rs");
    let used = paths(source).into_iter().filter(|path| path[0] == "tempfile");
    let used = used.map(|path| path.join("::"));
    let wrong = used.filter(|path| !(allowed && path == "tempfile::tempfile_in"));
    wrong.map(|path| format!("{} uses {path}", source.path.display())).collect()
}

/// A face says what its folder is responsible for, declares and re-exports.
pub(super) fn code_in_face(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if source.is_face() {
        let path = source.path.display();
        if !source.text.starts_with("//! ") {
            complaints.push(format!("{path} does not begin with its folder's responsibility"));
        }
        let is_code = |item: &Item| match item {
            Item::Mod(module) => module.content.is_some(),
            Item::Use(_) => false,
            _ => true,
        };
        if source.file.items.iter().any(is_code) {
            complaints.push(format!("{path} holds code"));
        }
    }
    complaints
}

/// Only `main.rs` and `lib.rs` are loose.
pub(super) fn loose_file(source: &Source) -> Vec<String> {
    let name = source.path.file_name().unwrap();
    let found = source.is_loose() && name != "main.rs" && name != "lib.rs";
    found.then(|| format!("{} is in no folder", source.path.display())).into_iter().collect()
}

pub(super) fn too_long(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let complaint = || format!("{} has {lines} lines", source.path.display());
    (lines > MAX_LINES).then(complaint).into_iter().collect()
}

/// A type, and what it derives.
struct Type {
    name: String,
    derives: Vec<String>,
}

fn types(source: &Source) -> Vec<Type> {
    let mut types = Types(Vec::new());
    types.visit_file(&source.file);
    types.0
}

struct Types(Vec<Type>);

impl Types {
    fn push(&mut self, name: &syn::Ident, attrs: &[Attribute]) {
        let mut derives = Vec::new();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("derive")) {
            let add = |meta: syn::meta::ParseNestedMeta| {
                derives.extend(meta.path.segments.last().map(|last| last.ident.to_string()));
                Ok(())
            };
            attr.parse_nested_meta(add).unwrap();
        }
        self.0.push(Type { name: name.to_string(), derives });
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.push(&item.ident, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.push(&item.ident, &item.attrs);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.push(&item.ident, &item.attrs);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.push(&item.ident, &item.attrs);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.push(&item.ident, &item.attrs);
        visit::visit_item_trait(self, item);
    }
}

/// One name, one type.
pub(super) fn types_that_share_a_name(sources: &[Source]) -> Vec<String> {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources {
        for found in types(source) {
            by_name.entry(found.name).or_default().push(source.path.display().to_string());
        }
    }
    let shared = by_name.into_iter().filter(|(_, files)| files.len() > 1);
    shared.map(|(name, files)| format!("{name} is in {}", files.join(" and "))).collect()
}

/// The types of the command line are told from those of the core by their names.
pub(super) fn clap_type_without_args(source: &Source) -> Vec<String> {
    let is_clap = |found: &Type| {
        found.derives.iter().any(|name| ["Parser", "Args", "Subcommand"].contains(&name.as_str()))
    };
    let wrong =
        types(source).into_iter().filter(|found| is_clap(found) && !found.name.ends_with("Args"));
    wrong
        .map(|found| format!("{}: {} does not end in Args", source.path.display(), found.name))
        .collect()
}
