//! Which file imports which, and what the floors have against it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::{Item, UseTree};

use super::imports::paths;
use super::source::Source;

/// The files of `src` and their imports.
pub(super) struct Graph<'a> {
    sources: &'a [Source],
    by_module: BTreeMap<&'a [String], usize>,
    /// For each face, the names that it re-exports, each with its path from the crate's root.
    faces: BTreeMap<usize, BTreeMap<String, Vec<String>>>,
    /// The imports from file to file, both by their index.
    edges: BTreeSet<(usize, usize)>,
    /// Imports that are wrong in themselves.
    wrong: Vec<String>,
}

/// Where a path leads.
struct Resolved {
    /// The file that defines what it names.
    file: usize,
    /// The faces that it names something through, or itself.
    faces: Vec<usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(sources: &'a [Source]) -> Self {
        let with_module = |(at, source): (usize, &'a Source)| {
            (source.path != Path::new("src/main.rs")).then_some((source.module.as_slice(), at))
        };
        let by_module = sources.iter().enumerate().filter_map(with_module).collect();
        let faces = sources.iter().enumerate().filter(|(_, source)| is_face(source));
        let faces = faces.map(|(at, source)| (at, re_exports(source))).collect();
        let (edges, wrong) = (BTreeSet::new(), Vec::new());
        let mut graph = Self { sources, by_module, faces, edges, wrong };
        for at in 0..sources.len() {
            graph.add(at);
        }
        graph
    }

    fn add(&mut self, from: usize) {
        let source = &self.sources[from];
        for path in paths(source) {
            if path[0] != "crate" || source.module.is_empty() {
                continue;
            }
            let Some(Resolved { file, faces }) = self.resolve(&path[1..]) else { continue };
            let to = &self.sources[file];
            let import = format!("{} imports {}", source.path.display(), path.join("::"));
            if to.module.is_empty() {
                self.wrong.push(format!("{import}, which lib.rs defines"));
            } else if source.is_face() {
                if !to.module.starts_with(&source.module) {
                    self.wrong.push(format!("{import}, which is not in its folder"));
                }
            } else if faces
                .iter()
                .any(|&face| source.module.starts_with(&self.sources[face].module))
            {
                self.wrong.push(format!("{import} through the face of its own folder"));
            } else if file != from && !(to.is_face() && path[1..] == to.module) {
                // A folder that is imported as a whole is not used yet: its uses are paths, too.
                self.edges.insert((from, file));
            }
        }
    }

    /// Follows a path below the crate through modules and re-exports.
    fn resolve(&self, path: &[String]) -> Option<Resolved> {
        let mut path = path.to_vec();
        let mut faces = Vec::new();
        // A chain of re-exports is no longer than the path of folders.
        for _ in 0..8 {
            let depth =
                (0..=path.len()).rev().find(|&n| self.by_module.contains_key(&path[..n]))?;
            let file = self.by_module[&path[..depth]];
            let Some(names) = self.faces.get(&file) else {
                return Some(Resolved { file, faces });
            };
            faces.push(file);
            let Some(real) = path.get(depth).and_then(|name| names.get(name)) else {
                return Some(Resolved { file, faces });
            };
            path = [real, &path[depth + 1..]].concat();
        }
        None
    }

    fn path(&self, file: usize) -> String {
        self.sources[file].path.display().to_string()
    }

    fn folder(&self, file: usize) -> &str {
        self.sources[file].folder()
    }

    /// How many files import from how many others.
    pub(super) fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Which folder imports from which other one.
    pub(super) fn folder_edges(&self) -> BTreeSet<(&str, &str)> {
        let folders = self.edges.iter().map(|&(from, to)| (self.folder(from), self.folder(to)));
        folders.filter(|(from, to)| from != to).collect()
    }

    /// Imports of lib.rs and through a file's own face, and faces that import from elsewhere.
    pub(super) fn wrong_imports(&self) -> &[String] {
        &self.wrong
    }

    /// The imports of a folder from one that does not stand below it. `floors` begins at the top.
    pub(super) fn upward(&self, floors: &[String]) -> Vec<String> {
        let floor = |file: usize| self.sources[file].floor(floors);
        let up = self.edges.iter().filter(|&&(from, to)| {
            let is_inside = self.folder(from) == self.folder(to) && floor(from) == floor(to);
            !is_inside && floor(from) >= floor(to)
        });
        up.map(|&(from, to)| format!("{} imports {}", self.path(from), self.path(to))).collect()
    }

    /// The imports of one subcommand's files from those of another one.
    pub(super) fn between_commands(&self, folder: &str, commands: &[String]) -> Vec<String> {
        let command = |file: usize| match self.sources[file].module.as_slice() {
            [top, name, ..] if top == folder => commands.iter().find(|command| *command == name),
            _ => None,
        };
        let between = self.edges.iter().filter(|&&(from, to)| {
            command(from).is_some() && command(to).is_some() && command(from) != command(to)
        });
        between
            .map(|&(from, to)| format!("{} imports {}", self.path(from), self.path(to)))
            .collect()
    }

    /// The groups of files of a folder that import each other in a circle.
    pub(super) fn cycles(&self) -> Vec<Vec<String>> {
        let reached: Vec<BTreeSet<usize>> =
            (0..self.sources.len()).map(|file| self.reach(file)).collect();
        let circle = |&file: &usize| -> BTreeSet<usize> {
            reached[file].iter().copied().filter(|&other| reached[other].contains(&file)).collect()
        };
        let circles: BTreeSet<BTreeSet<usize>> = (0..self.sources.len())
            .filter(|file| reached[*file].contains(file))
            .map(|file| circle(&file))
            .collect();
        let names =
            |circle: BTreeSet<usize>| circle.into_iter().map(|file| self.path(file)).collect();
        circles.into_iter().map(names).collect()
    }

    /// The files of its folder that a file imports, directly or by way of others.
    fn reach(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(file) = next.pop() {
            let imported = self.edges.iter().filter(|edge| edge.0 == file).map(|edge| edge.1);
            let inside = imported.filter(|&to| self.folder(to) == self.folder(from));
            next.extend(inside.filter(|&to| reached.insert(to)));
        }
        reached
    }
}

fn is_face(source: &Source) -> bool {
    source.is_face() || source.module.is_empty()
}

/// The names that a face re-exports, each with its path below the crate.
fn re_exports(face: &Source) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::new();
    for item in &face.file.items {
        if let Item::Use(item) = item {
            collect(&item.tree, &[], face, &mut names);
        }
    }
    names
}

fn collect(
    tree: &UseTree,
    base: &[String],
    face: &Source,
    names: &mut BTreeMap<String, Vec<String>>,
) {
    let mut add = |name: String, last: String| {
        let path = [base, &[last]].concat();
        let path = match path[0].as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [&face.module, &path[1..]].concat(),
            _ => [&face.module, &path[..]].concat(),
        };
        names.insert(name, path);
    };
    match tree {
        UseTree::Path(path) => {
            collect(&path.tree, &[base, &[path.ident.to_string()]].concat(), face, names);
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| collect(tree, base, face, names));
        }
        UseTree::Name(name) => add(name.ident.to_string(), name.ident.to_string()),
        UseTree::Rename(rename) => add(rename.rename.to_string(), rename.ident.to_string()),
        UseTree::Glob(_) => {}
    }
}
