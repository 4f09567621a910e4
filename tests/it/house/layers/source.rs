//! The Rust files of the repository, parsed.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Item, Meta};

/// A parsed file without the items that are compiled for tests only.
pub(super) struct Source {
    /// Its path below the package.
    pub(super) path: PathBuf,
    /// Its module path below the crate: `["fs", "dir"]` for `src/fs/dir.rs`, `["fs"]` for
    /// `src/fs/mod.rs`, and nothing for `src/lib.rs`.
    pub(super) module: Vec<String>,
    pub(super) text: String,
    pub(super) file: syn::File,
    /// The modules that it declares for tests only.
    test_modules: Vec<String>,
}

impl Source {
    pub(super) fn new(path: impl Into<PathBuf>, text: String) -> Self {
        let path = path.into();
        let mut file =
            syn::parse_file(&text).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        let test_modules = test_modules(&file);
        WithoutTests.visit_file_mut(&mut file);
        let names = path.with_extension("");
        let names = names.iter().skip(1).map(|name| name.to_str().unwrap().to_owned());
        let mut module: Vec<String> = names.collect();
        module.pop_if(|name| name == "mod" || name == "lib");
        Self { path, module, text, file, test_modules }
    }

    /// Whether this is a `mod.rs`.
    pub(super) fn is_face(&self) -> bool {
        self.path.ends_with("mod.rs")
    }

    /// Whether it lies directly in `src`.
    pub(super) fn is_loose(&self) -> bool {
        self.path.parent() == Some(Path::new("src"))
    }

    /// The folder of `src` that holds it.
    pub(super) fn folder(&self) -> &str {
        &self.module[0]
    }

    /// The number of the floor that it belongs to: a folder of `src`, or one in a folder, as in
    /// `chunk/run`.
    pub(super) fn floor(&self, floors: &[String]) -> Option<usize> {
        let path = self.module.join("/");
        let holds =
            |floor: &str| path.strip_prefix(floor).is_some_and(|rest| rest.starts_with('/'));
        let holding = floors.iter().enumerate().filter(|(_, floor)| holds(floor));
        holding.max_by_key(|(_, floor)| floor.len()).map(|(number, _)| number)
    }
}

fn test_modules(file: &syn::File) -> Vec<String> {
    let name = |item: &Item| match item {
        Item::Mod(module) if has_cfg_test(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    };
    file.items.iter().filter_map(name).collect()
}

/// Drops the files of modules that are declared for tests only.
pub(super) fn without_test_files(mut sources: Vec<Source>) -> Vec<Source> {
    let below =
        |source: &Source, name: &String| [&source.module[..], std::slice::from_ref(name)].concat();
    let dropped: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|source| source.test_modules.iter().map(|name| below(source, name)))
        .collect();
    sources.retain(|source| !dropped.iter().any(|module| source.module.starts_with(module)));
    sources
}

/// Removes what `#[cfg(test)]` stands before.
struct WithoutTests;

impl VisitMut for WithoutTests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| !is_for_tests(item));
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            items.retain(|item| !is_for_tests(item));
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        item.items.retain(|item| match item {
            syn::ImplItem::Fn(function) => !has_cfg_test(&function.attrs),
            _ => true,
        });
        visit_mut::visit_item_impl_mut(self, item);
    }
}

fn is_for_tests(item: &Item) -> bool {
    has_cfg_test(match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    })
}

fn has_cfg_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

/// The text of a file of the repository.
pub(super) fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// All Rust files below a directory of the repository, in order.
pub(super) fn sources(top: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut dirs = vec![PathBuf::from(top)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root.join(&dir)).unwrap() {
            let path = dir.join(entry.unwrap().file_name());
            if root.join(&path).is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files.into_iter().map(|path| Source::new(&path, read(&path))).collect()
}
