//! The sources keep to the floors that ARCHITECTURE.md draws.
//!
//! They are read as text: `crate::…` and `super::…` paths outside of comments and of what is only
//! compiled for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// No file of the sources is longer.
const MOST_LINES: usize = 500;

/// The one module that may be unsafe.
const UNSAFE: &str = "sys";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file.
struct Source {
    path: PathBuf,
    /// Its module path, as in `["commands", "exec"]`.
    module: Vec<String>,
    /// Its text without comments and tests.
    code: String,
    lines: usize,
}

impl Source {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let below_src = path.strip_prefix("src").unwrap().with_extension("");
        let names = below_src.iter().map(|name| name.to_str().unwrap().to_owned());
        let mut module: Vec<String> = names.collect();
        if module.len() > 1 && module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        Self { path, module, code: code(&text), lines: text.lines().count() }
    }

    /// The module on a floor that it is a part of.
    fn top(&self) -> &str {
        &self.module[0]
    }

    /// All absolute paths that it uses, without the leading `crate`.
    fn uses(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        let mut rest = self.code.as_str();
        while let Some(at) = rest.find("crate::").into_iter().chain(rest.find("super::")).min() {
            let standalone = !rest[..at].ends_with(|c: char| c == '$' || is_in_name(c));
            let is_super = rest[at..].starts_with("super");
            let mut base = if is_super { self.module.clone() } else { Vec::new() };
            rest = &rest[at..];
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
            rest = rest.strip_prefix("crate::").unwrap_or(rest);
            if standalone {
                tree(rest, &base, &mut found);
            }
        }
        found
    }
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Follows a path, or a tree of paths in braces, as far as its names go.
fn tree(text: &str, base: &[String], found: &mut Vec<Vec<String>>) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        let mut depth = 0;
        let mut start = 0;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    tree(&group[start..at], base, found);
                    start = at + 1;
                    if c == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    let end = text.find(|c| !is_in_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return;
    }
    let mut path = base.to_vec();
    if name != "self" {
        path.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(rest) => tree(rest, &path, found),
        None => found.push(path),
    }
}

/// A text without its comments and without what `#[cfg(test)]` stands before.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let indent = &line[..line.len() - line.trim_start().len()];
            let item = lines.find(|line| !line.trim().starts_with("#[")).unwrap_or_default();
            if !item.ends_with(';') {
                lines.find(|line| *line == format!("{indent}}}"));
            }
            continue;
        }
        code += line.split("//").next().unwrap_or_default();
        code.push('\n');
    }
    code
}

/// All sources, in order.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    let mut dirs = vec![PathBuf::from("src")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root().join(&dir)).unwrap() {
            let path = dir.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                dirs.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files.into_iter().map(Source::read).collect()
}

/// The floor of each module, as ARCHITECTURE.md has it.
fn floors() -> BTreeMap<String, u32> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let block = text.split("```floors\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut floors = BTreeMap::new();
    for line in block.expect("ARCHITECTURE.md has a block of floors").lines() {
        let mut words = line.split_whitespace();
        let floor = words.next().unwrap().parse().unwrap();
        for module in words {
            let twice = floors.insert(module.to_owned(), floor);
            assert_eq!(twice, None, "{module} is on two floors");
        }
    }
    floors
}

/// What is wrong with the imports of a source.
fn complaints(source: &Source, floors: &BTreeMap<String, u32>) -> Vec<String> {
    let own = floors[source.top()];
    let mut complaints = Vec::new();
    for used in source.uses() {
        let Some(module) = used.first() else {
            continue;
        };
        let path = format!("{}: crate::{}", source.path.display(), used.join("::"));
        match floors.get(module) {
            _ if module == source.top() => {
                let siblings = module == "commands" && source.module.len() > 1;
                let is_module = |name: &String| {
                    let path = root().join("src/commands").join(name);
                    path.is_dir() || path.with_extension("rs").is_file()
                };
                if siblings
                    && used
                        .get(1)
                        .is_some_and(|other| is_module(other) && *other != source.module[1])
                {
                    complaints.push(format!("{path} is another command"));
                }
            }
            Some(&floor) if floor < own => {}
            Some(floor) => complaints.push(format!("{path} is on floor {floor}, not below {own}")),
            None => complaints.push(format!("{path} is in no module of a floor below")),
        }
    }
    complaints
}

#[test]
fn every_module_is_on_one_floor() {
    let modules: BTreeSet<String> =
        sources().iter().map(|source| source.top().to_owned()).collect();
    let on_floors: BTreeSet<String> = floors().into_keys().collect();
    assert_eq!(modules, on_floors, "the modules of src, and those in ARCHITECTURE.md");
}

#[test]
fn modules_import_only_from_the_floors_below() {
    let floors = floors();
    let all: Vec<String> =
        sources().iter().flat_map(|source| complaints(source, &floors)).collect();
    assert_eq!(all, Vec::<String>::new());
}

#[test]
fn unsafe_stands_in_one_module_only() {
    for source in sources().iter().filter(|source| source.top() != UNSAFE) {
        let found = source.code.split(|c| !is_in_name(c)).find(|word| *word == "unsafe");
        assert_eq!(found, None, "{}", source.path.display());
    }
}

#[test]
fn no_source_is_too_long_to_read() {
    for source in sources() {
        assert!(source.lines <= MOST_LINES, "{}: {} lines", source.path.display(), source.lines);
    }
}

/// A source of this module with this text.
fn imagined(module: &[&str], text: &str) -> Source {
    let module: Vec<String> = module.iter().map(|&name| name.into()).collect();
    Source { path: module.join("/").into(), module, code: code(text), lines: 0 }
}

const TESTS: &str = "\
#[cfg(test)]
use crate::a;
#[cfg(test)]
mod tests {
    use crate::b;

    fn f() {
        crate::c::d();
    }
}
use crate::e;
";

#[test]
fn imports_are_found_in_every_form() {
    let uses = |module: &[&str], text| {
        let found = imagined(module, text).uses();
        found.iter().map(|path| path.join("::")).collect::<Vec<_>>()
    };
    assert_eq!(uses(&["a"], "use crate::b::{self, c::D, E};"), ["b", "b::c::D", "b::E"]);
    assert_eq!(uses(&["a"], "use crate::{b, c::{D, E}};"), ["b", "c::D", "c::E"]);
    assert_eq!(uses(&["a"], "x(&crate::b::c(1)); // crate::d::e()"), ["b::c"]);
    assert_eq!(
        uses(&["a", "b"], "use super::{c::D, E}; super::super::f::g();"),
        ["a::c::D", "a::E", "f::g"]
    );
    assert_eq!(uses(&["a"], TESTS), ["e"]);
    assert_eq!(uses(&["a"], "$crate::b::c()"), Vec::<String>::new());
}

#[test]
fn imports_from_above_from_the_side_and_from_another_command_are_refused() {
    let floors = [("low", 0), ("left", 1), ("right", 1), ("commands", 2)];
    let floors = floors.map(|(module, floor)| (module.to_owned(), floor)).into();
    let refused = |module: &[&str], text| !complaints(&imagined(module, text), &floors).is_empty();
    assert!(!refused(&["left"], "use crate::low::X; use crate::left::y;"));
    assert!(refused(&["left"], "use crate::right::X;"));
    assert!(refused(&["low"], "crate::left::x()"));
    assert!(refused(&["left", "inner"], "use super::super::right::X;"));
    assert!(refused(&["left"], "use crate::Thing;"));
    assert!(!refused(&["commands", "exec"], "use super::Context; use crate::commands::Context;"));
    assert!(refused(&["commands", "exec"], "use super::list::run;"));
    assert!(refused(&["commands", "exec"], "use crate::commands::{Context, list};"));
}
