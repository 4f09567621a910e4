//! The paths that the user names.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::lease::Resource;

/// A path from the command line.
#[derive(Debug)]
pub(crate) struct NamedPath {
    /// As it was given.
    pub(crate) given: PathBuf,
    /// Its real path.
    pub(crate) real: PathBuf,
    /// Whether an entry had this path when the cleanup began.
    existed: bool,
}

/// The paths from the command line, and which of them a lease covers.
#[derive(Debug)]
pub(crate) struct NamedPaths {
    paths: Vec<NamedPath>,
    covered: HashSet<PathBuf>,
}

impl NamedPaths {
    /// Resolves the paths.
    pub(crate) fn new(paths: &[PathBuf]) -> Self {
        // Thousands of paths often share one directory, which is resolved once.
        let mut dirs = HashMap::new();
        let resolve = |given: &PathBuf| {
            let real = real_path(given, &mut dirs);
            let existed = real.symlink_metadata().is_ok();
            NamedPath { given: given.clone(), real, existed }
        };
        Self { paths: paths.iter().map(resolve).collect(), covered: HashSet::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Returns the set of real paths.
    pub(crate) fn real(&self) -> HashSet<PathBuf> {
        self.paths.iter().map(|path| path.real.clone()).collect()
    }

    /// Notes that a lease covers this resource, by the names under which it was found.
    pub(crate) fn cover(&mut self, resource: &Resource) {
        if !self.is_empty() {
            self.covered.extend([resource.path(), resource.first_path()]);
        }
    }

    /// Returns the paths that no lease covers, and whether an entry has each now. Leaves out those that
    /// existed at the beginning and do not now: another cleanup has removed them meanwhile.
    pub(crate) fn uncovered(&self) -> impl Iterator<Item = (&NamedPath, bool)> {
        self.paths.iter().filter_map(|path| {
            let exists = path.real.symlink_metadata().is_ok();
            let concerns_user = exists || !path.existed;
            (concerns_user && !self.covered.contains(&path.real)).then_some((path, exists))
        })
    }
}

/// Returns why nothing is known of an entry. A lease that could not be read may cover it.
pub(crate) fn uncovered(has_read_all: bool) -> &'static str {
    if has_read_all {
        "no lease of this user covers it"
    } else {
        "no lease that could be read covers it"
    }
}

/// Returns the real path of an entry: the real path of its directory, and its own name, which may be
/// that of a symlink or of no entry any more.
fn real_path(path: &Path, dirs: &mut HashMap<PathBuf, Option<PathBuf>>) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (Some(dir), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        // Only the root directory, and what ends with `..`, has no name of its own.
        return std::fs::canonicalize(&absolute).unwrap_or(absolute);
    };
    let real = match dirs.get(dir) {
        Some(known) => known,
        None => dirs.entry(dir.to_owned()).or_insert(std::fs::canonicalize(dir).ok()),
    };
    match real {
        Some(dir) => dir.join(name),
        None => absolute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symlink_is_resolved_in_the_directory_and_not_in_the_name() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("dir")).unwrap();
        std::os::unix::fs::symlink("dir", root.join("link")).unwrap();
        let real = |path: &str| real_path(&root.join(path), &mut HashMap::new());
        assert_eq!(real("link/file"), root.join("dir/file"));
        assert_eq!(real("link"), root.join("link"));
        assert_eq!(real("dir/.."), root);
        assert_eq!(real("missing/file"), root.join("missing/file"));
    }
}
