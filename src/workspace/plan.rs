//! Plans which files to save from a workspace, and where. Changes nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use rustix::fs::{FileType, Statx};

use crate::fs::{Dir, SkipReason, Skipped};
use crate::workspace::pattern::{Glob, Pattern};
use crate::workspace::snapshot::{Listing, Snapshot, file_type, is_dir};

/// The files to save.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The workspace.
    pub(super) root: &'a Dir,
    /// The copies to make, by the absolute path of the target.
    pub(super) copies: BTreeMap<PathBuf, PlannedCopy>,
    /// What matches and cannot be saved. The caller reports it.
    skipped: BTreeMap<PathBuf, SkipReason>,
    /// What would match too if no entry had the very name of a pattern. The caller keeps and reports it.
    shadowed: Vec<ShadowedMatches>,
}

/// Results that are not saved because an entry has the very name of the pattern that matches them.
#[derive(Debug)]
pub(crate) struct ShadowedMatches {
    pub(crate) spec: OsString,
    /// Whether the pattern applies only if the command succeeded.
    pub(crate) on_success: bool,
    pub(crate) files: FileNames,
}

/// A file, symlink or directory to save.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlannedCopy {
    /// Its path in the workspace.
    pub(super) from: PathBuf,
    /// The leading part of the target's path that the user named. There, symlinks are followed; the
    /// names below it are the command's choice.
    pub(super) base: PathBuf,
    pub(super) file_type: FileType,
    /// Identifies the file if it has several names.
    pub(super) linked: Option<u64>,
    /// Whether the user named exactly this file, so that it must not be skipped.
    pub(super) is_required: bool,
}

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("could not read {}", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{} is neither file, directory nor symlink", .0.display())]
    UnsupportedType(PathBuf),
    #[error("both {} and {} would be saved as {}", .first.display(), .second.display(), .target.display())]
    DuplicateTarget { first: PathBuf, second: PathBuf, target: PathBuf },
    #[error("matches nothing that the command created; the workspace has {present}")]
    NoMatch { spec: OsString, present: FileNames },
}

/// How many files [`FileNames`] names.
const NAMED: usize = 5;

/// Files in a workspace, for a message: the names of the first and the number of all.
#[derive(Debug, Default)]
pub(crate) struct FileNames {
    first: Vec<PathBuf>,
    count: usize,
}

impl FileNames {
    /// Collects the files of a workspace, those that the command created or changed first.
    fn of_all(entries: &BTreeMap<PathBuf, Statx>, snapshot: &Snapshot) -> Self {
        let files = || entries.iter().filter(|(_, stat)| !is_dir(stat));
        let is_old = |&(path, stat): &(&PathBuf, &Statx)| snapshot.is_unchanged(path, stat);
        let new = files().filter(|file| !is_old(file));
        let by_age = new.chain(files().filter(is_old));
        by_age.map(|(path, _)| path.clone()).collect()
    }

    fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl FromIterator<PathBuf> for FileNames {
    fn from_iter<T: IntoIterator<Item = PathBuf>>(paths: T) -> Self {
        let mut paths = paths.into_iter();
        let first: Vec<PathBuf> = paths.by_ref().take(NAMED).collect();
        Self { count: first.len() + paths.count(), first }
    }
}

impl fmt::Display for FileNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.first.split_first() else {
            return f.write_str("no files");
        };
        write!(f, "{}", first.display())?;
        others.iter().try_for_each(|name| write!(f, ", {}", name.display()))?;
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl<'a> Plan<'a> {
    /// Finds what the patterns match in a workspace. Targets are relative to `cwd`.
    pub(crate) fn new(
        patterns: &[&Pattern],
        root: &'a Dir,
        snapshot: &Snapshot,
        cwd: &Path,
    ) -> Result<Self, PlanError> {
        let Listing { entries, mut unreadable } = Listing::read(root);
        let (copies, shadowed) = (BTreeMap::new(), Vec::new());
        let mut plan = Self { root, copies, skipped: BTreeMap::new(), shadowed };
        let mut unmatched = None;
        for pattern in patterns {
            if let Some(index) = unreadable.iter().position(|(dir, _)| pattern.may_match_below(dir))
            {
                let (dir, cause) = unreadable.swap_remove(index);
                return Err(PlanError::Unreadable { path: root.path().join(dir), cause });
            }
            let (glob, dest) = pattern.resolve(|path| entries.contains_key(path));
            let copies = matches(&glob, dest, &entries, snapshot, cwd, &mut plan.skipped)?;
            if copies.is_empty() && pattern.on_success() {
                unmatched.get_or_insert(pattern);
            }
            for (target, copy) in copies {
                plan.add(target, copy)?;
            }
        }
        if let Some(pattern) = unmatched {
            let (spec, present) =
                (pattern.spec().to_owned(), FileNames::of_all(&entries, snapshot));
            return Err(PlanError::NoMatch { spec, present });
        }
        plan.shadowed = plan.shadowed_matches(patterns, &entries, snapshot);
        Ok(plan)
    }

    /// Finds new files that a pattern would match too if no entry had its very name. What another pattern
    /// saves is not among them.
    fn shadowed_matches(
        &self,
        patterns: &[&Pattern],
        entries: &BTreeMap<PathBuf, Statx>,
        snapshot: &Snapshot,
    ) -> Vec<ShadowedMatches> {
        let is_exact = |pattern: &&&Pattern| {
            matches!(pattern.resolve(|path| entries.contains_key(path)).0, Cow::Owned(_))
        };
        let exact: Vec<_> = patterns.iter().filter(is_exact).collect();
        if exact.is_empty() {
            return Vec::new();
        }
        let saved: BTreeSet<&PathBuf> = self.copies.values().map(|copy| &copy.from).collect();
        let is_lost = |path: &PathBuf| {
            let is_new = |stat: &Statx| !is_dir(stat) && !snapshot.is_unchanged(path, stat);
            entries.get(path).is_some_and(is_new) && !saved.contains(path)
        };
        let shadowed = exact.into_iter().map(|pattern| {
            let (glob, dest) = pattern.as_pattern();
            let (spec, on_success) = (pattern.spec().to_owned(), pattern.on_success());
            let matches =
                matches(glob, dest, entries, snapshot, Path::new(""), &mut BTreeMap::new());
            let paths = matches.unwrap_or_default().into_iter().map(|(_, copy)| copy.from);
            ShadowedMatches { spec, on_success, files: paths.filter(is_lost).collect() }
        });
        shadowed.filter(|shadowed| !shadowed.files.is_empty()).collect()
    }

    /// Returns the results that are not saved because an entry has the very name of a pattern.
    pub(crate) fn take_shadowed(&mut self) -> Vec<ShadowedMatches> {
        std::mem::take(&mut self.shadowed)
    }

    /// Returns the entries that match and cannot be saved.
    pub(crate) fn take_skipped(&mut self) -> Skipped {
        let mut skipped = Skipped::default();
        for (path, reason) in std::mem::take(&mut self.skipped) {
            skipped.add(path, reason);
        }
        skipped
    }

    fn add(&mut self, target: PathBuf, copy: PlannedCopy) -> Result<(), PlanError> {
        if let Some(other) = self.copies.get(&target) {
            let are_dirs = [other, &copy].iter().all(|copy| copy.file_type == FileType::Directory);
            if other.from != copy.from && !are_dirs {
                let (first, second) = (other.from.clone(), copy.from);
                return Err(PlanError::DuplicateTarget { first, second, target });
            }
        }
        self.copies.insert(target, copy);
        Ok(())
    }
}

/// Returns what GLOB matches, and the target of each match.
fn matches(
    glob: &Glob,
    dest: Option<&Path>,
    entries: &BTreeMap<PathBuf, Statx>,
    snapshot: &Snapshot,
    cwd: &Path,
    skipped: &mut BTreeMap<PathBuf, SkipReason>,
) -> Result<Vec<(PathBuf, PlannedCopy)>, PlanError> {
    let literal_dirs = glob.literal_dirs();
    let has_wildcard = glob.has_wildcard();
    let dest_is_dir =
        has_wildcard || dest.is_none_or(|dest| dest.as_os_str().as_bytes().ends_with(b"/"));
    let dest = cwd.join(dest.unwrap_or(Path::new("")));
    let mut copies = Vec::new();
    let mut matched_dir: Option<&Path> = None;
    for (path, stat) in entries {
        let is_inside_match = matched_dir.is_some_and(|dir| path.starts_with(dir));
        if !is_inside_match {
            if !glob.is_match(path) {
                continue;
            }
            if !is_supported(stat) && !has_wildcard {
                return Err(PlanError::UnsupportedType(path.clone()));
            }
            matched_dir = is_dir(stat).then_some(path);
        }
        if has_wildcard && snapshot.is_unchanged(path, stat) {
            continue;
        }
        if !is_supported(stat) {
            skipped.insert(path.clone(), SkipReason::Special);
            continue;
        }
        let below = path.strip_prefix(&literal_dirs).unwrap_or(path);
        // If DEST names the copy, it replaces the first component.
        let below: PathBuf = below.components().skip(usize::from(!dest_is_dir)).collect();
        let is_named = below.as_os_str().is_empty();
        let target = if is_named { dest.clone() } else { dest.join(below) };
        let base = match dest.parent() {
            Some(parent) if is_named && !is_dir(stat) => parent.to_owned(),
            _ => dest.clone(),
        };
        let is_required = !has_wildcard && !is_inside_match;
        let from = path.clone();
        let file_type = file_type(stat);
        let has_links = file_type == FileType::RegularFile && stat.stx_nlink > 1;
        let linked = has_links.then_some(stat.stx_ino);
        copies.push((target, PlannedCopy { from, base, file_type, linked, is_required }));
    }
    Ok(copies)
}

fn is_supported(stat: &Statx) -> bool {
    matches!(file_type(stat), FileType::RegularFile | FileType::Directory | FileType::Symlink)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::fs;

    type Copies = BTreeMap<PathBuf, PlannedCopy>;

    /// A workspace in which a command has created files.
    struct Scene {
        temp: tempfile::TempDir,
        snapshot: Snapshot,
    }

    impl Scene {
        /// Creates a workspace from these files. Creates a directory for a name that ends in a slash.
        fn new(files: &[&str]) -> Self {
            let scene = Self { temp: tempfile::tempdir().unwrap(), snapshot: Snapshot::default() };
            for file in files {
                scene.create(file);
            }
            scene
        }

        fn create(&self, file: &str) {
            let path = self.temp.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if file.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::write(path, "").unwrap();
            }
        }

        fn root(&self) -> Dir {
            Dir::open(self.temp.path()).unwrap()
        }

        fn plan(&self, specs: &[&str]) -> Result<Copies, PlanError> {
            let parse = |spec: &&str| Pattern::parse(OsStr::new(spec), true).unwrap();
            let patterns: Vec<Pattern> = specs.iter().map(parse).collect();
            let patterns: Vec<&Pattern> = patterns.iter().collect();
            let root = self.root();
            let plan = Plan::new(&patterns, &root, &self.snapshot, Path::new("/c"))?;
            Ok(plan.copies)
        }

        /// The targets of a pattern, without directories.
        fn targets(&self, spec: &str) -> Vec<String> {
            let copies = self.plan(&[spec]).unwrap().into_iter();
            let files = copies.filter(|(_, copy)| copy.file_type != FileType::Directory);
            files.map(|(target, _)| target.to_str().unwrap().to_owned()).collect()
        }
    }

    fn targets(files: &[&str], spec: &str) -> Vec<String> {
        Scene::new(files).targets(spec)
    }

    #[test]
    fn directories_before_the_first_wildcard_are_dropped_and_those_after_it_kept() {
        assert_eq!(
            targets(&["a/b/c.txt", "a/d.txt"], "a/**/*.txt:res/"),
            ["/c/res/b/c.txt", "/c/res/d.txt"]
        );
        assert_eq!(targets(&["a/b.txt"], "a/b.txt"), ["/c/b.txt"]);
        assert_eq!(targets(&["a/b.txt"], "a/b.txt:x"), ["/c/x"]);
        assert_eq!(targets(&["a/b.txt"], "a/b.txt:x/"), ["/c/x/b.txt"]);
        assert_eq!(targets(&["a/b.txt"], "a/*.txt:x"), ["/c/x/b.txt"]);
        assert_eq!(targets(&["a/b.txt"], "a/*.txt:/abs"), ["/abs/b.txt"]);
    }

    #[test]
    fn a_matched_directory_is_saved_with_its_content() {
        let files = ["out/a", "out/b/c", "out/.d", "other"];
        assert_eq!(targets(&files, "out"), ["/c/out/.d", "/c/out/a", "/c/out/b/c"]);
        assert_eq!(targets(&files, "out:res"), ["/c/res/.d", "/c/res/a", "/c/res/b/c"]);
        assert_eq!(targets(&files, "o*t"), ["/c/out/.d", "/c/out/a", "/c/out/b/c"]);
    }

    #[test]
    fn a_wildcard_skips_the_temp_dirs_and_hidden_names() {
        let files = ["a", ".b", "d/e", ".tmp/t"];
        assert_eq!(targets(&files, "?"), ["/c/a", "/c/d/e"]);
        assert_eq!(targets(&files, ".*"), ["/c/.b"]);
        assert_eq!(targets(&files, "**/*"), ["/c/a", "/c/d/e"]);
    }

    #[test]
    fn a_wildcard_skips_unchanged_inputs_and_a_name_does_not() {
        let mut scene = Scene::new(&["in.txt", "dir/in.txt"]);
        scene.snapshot = Snapshot::record(&scene.root());
        scene.create("new.txt");
        scene.create("dir/new.txt");
        assert_eq!(scene.targets("*.txt"), ["/c/new.txt"]);
        assert_eq!(scene.targets("d*"), ["/c/dir/new.txt"]);
        assert_eq!(scene.targets("in.txt"), ["/c/in.txt"]);
    }

    #[test]
    fn a_spec_that_is_a_path_in_the_workspace_is_not_split() {
        assert_eq!(targets(&["a:b"], "a:b"), ["/c/a:b"]);
        assert_eq!(targets(&["a"], "a:b"), ["/c/b"]);
    }

    #[test]
    fn symlinks_are_followed_only_as_far_as_the_user_named_the_target() {
        let bases = |spec: &str| {
            let copies = Scene::new(&["d/e/f"]).plan(&[spec]).unwrap();
            let text = |path: &Path| path.to_str().unwrap().to_owned();
            copies.iter().map(|(to, copy)| (text(to), text(&copy.base))).collect::<Vec<_>>()
        };
        let pair = |target: &str, base: &str| (target.to_owned(), base.to_owned());
        assert_eq!(bases("d/e/f:x/y"), [pair("/c/x/y", "/c/x")]);
        assert_eq!(bases("d/e/f:x/"), [pair("/c/x/f", "/c/x/")]);
        assert_eq!(bases("d/e:x"), [pair("/c/x", "/c/x"), pair("/c/x/f", "/c/x")]);
        assert_eq!(bases("d/*/f"), [pair("/c/e/f", "/c/")]);
    }

    #[test]
    fn two_files_with_one_target_are_refused_and_two_directories_merge() {
        let scene = Scene::new(&["a/x", "b/x", "b/y"]);
        let err = scene.plan(&["a/x:t", "b/x:t"]).unwrap_err();
        assert_eq!(err.to_string(), "both a/x and b/x would be saved as /c/t");
        assert!(scene.plan(&["a:t", "b/y:t/"]).is_ok());
        assert!(scene.plan(&["a/x", "a/*"]).is_ok(), "the same file twice");
        let dirs = Scene::new(&["a/", "b/"]).plan(&["a:t", "b:t"]).unwrap();
        assert_eq!(dirs.len(), 1);
    }

    #[test]
    fn a_required_pattern_without_a_match_names_the_files_that_exist() {
        let message = |scene: &Scene, specs: &[&str]| match scene.plan(specs).unwrap_err() {
            PlanError::NoMatch { present, .. } => present.to_string(),
            err => panic!("{err}"),
        };
        assert_eq!(message(&Scene::new(&["d/"]), &["b"]), "no files");
        let mut scene = Scene::new(&["a", "b"]);
        assert_eq!(message(&scene, &["x", "a"]), "a, b");
        scene.snapshot = Snapshot::record(&scene.root());
        for file in ["c", "d/e", "f", "g"] {
            scene.create(file);
        }
        assert_eq!(message(&scene, &["x"]), "c, d/e, f, g, a and 1 more");
        let always = Pattern::parse(OsStr::new("x"), false).unwrap();
        let root = scene.root();
        let plan = Plan::new(&[&always], &root, &scene.snapshot, Path::new("/c")).unwrap();
        assert!(plan.copies.is_empty());
    }

    #[test]
    fn new_files_that_only_the_pattern_matches_are_found_if_an_entry_has_its_name() {
        let mut scene = Scene::new(&["old.c"]);
        scene.snapshot = Snapshot::record(&scene.root());
        for file in ["*.c", "a.c", "b.c", "d/c.c", "[ab].c", "x", "x:y"] {
            scene.create(file);
        }
        let shadowed = |specs: &[&str]| {
            let parse = |spec: &&str| Pattern::parse(OsStr::new(spec), true).unwrap();
            let patterns: Vec<Pattern> = specs.iter().map(parse).collect();
            let patterns: Vec<&Pattern> = patterns.iter().collect();
            let root = scene.root();
            let cwd = Path::new("/c");
            let mut plan = Plan::new(&patterns, &root, &scene.snapshot, cwd).unwrap();
            let shadowed = plan.take_shadowed().into_iter();
            shadowed.map(|one| format!("{}: {}", one.spec.display(), one.files)).collect::<Vec<_>>()
        };
        assert_eq!(shadowed(&["*.c"]), ["*.c: [ab].c, a.c, b.c"]);
        assert_eq!(shadowed(&["[ab].c:z"]), ["[ab].c:z: a.c, b.c"]);
        assert_eq!(shadowed(&["x:y"]), ["x:y: x"]);
        assert_eq!(shadowed(&["[ab].c", "a.*", "b*"]), [""; 0]);
        assert_eq!(shadowed(&["?.c", "\\*.c", "x"]), [""; 0]);
    }

    #[test]
    fn a_fifo_is_refused_by_name_and_skipped_for_a_wildcard_and_in_a_directory() {
        let scene = Scene::new(&["d/a"]);
        let path = scene.temp.path().join("d/fifo");
        let (dir, mode) = (rustix::fs::CWD, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(dir, &path, FileType::Fifo, mode, 0).unwrap();
        let err = scene.plan(&["d/fifo"]).unwrap_err();
        assert_eq!(err.to_string(), "d/fifo is neither file, directory nor symlink");
        assert_eq!(scene.targets("d"), ["/c/d/a"]);
        assert_eq!(scene.targets("d/*"), ["/c/a"]);
    }
}
