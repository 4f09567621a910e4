//! Which files are to be saved from a workspace before it goes, and where to.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};
use globset::{GlobBuilder, GlobMatcher};

use super::TEMP_DIR;
use super::layout::split;
use super::private::VAR_TEMP_DIR;
use crate::error::{Tell as _, reason, usage};
use crate::place::Place;

/// One `--out GLOB[:DEST]`.
#[derive(Clone, Debug)]
pub struct Pattern {
    spec: OsString,
    /// Whether the command must have succeeded, and something must match.
    pub required: bool,
}

/// Which files a workspace held before the command ran: a wildcard means what the command made.
#[derive(Debug, Default)]
pub struct Before(HashMap<PathBuf, Stamp>);

/// What changes when a file is written to or replaced: inode, size, and when data and inode were
/// last changed, to the nanosecond.
type Stamp = (u64, u64, (i64, i64), (i64, i64));

fn stamp(metadata: &Metadata) -> Stamp {
    (
        metadata.ino(),
        metadata.size(),
        (metadata.mtime(), metadata.mtime_nsec()),
        (metadata.ctime(), metadata.ctime_nsec()),
    )
}

impl Before {
    /// Takes note of all files in a workspace.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn look(workspace: &Path) -> anyhow::Result<Self> {
        let entries = Contents::read(workspace)?.entries;
        Ok(Self(entries.into_iter().map(|(path, metadata)| (path, stamp(&metadata))).collect()))
    }

    fn is_unchanged(&self, path: &Path, metadata: &Metadata) -> bool {
        self.0.get(path) == Some(&stamp(metadata))
    }
}

/// All that is in a workspace, by its path there, but for the temp dir. Symlinks are not followed. A
/// directory that we may not read is there without what is in it.
#[derive(Debug, Default)]
struct Contents {
    entries: BTreeMap<PathBuf, Metadata>,
    unreadable: Vec<(PathBuf, io::Error)>,
}

impl Contents {
    fn read(workspace: &Path) -> anyhow::Result<Self> {
        let mut contents = Self::default();
        let mut pending = vec![PathBuf::new()];
        while let Some(dir) = pending.pop() {
            match contents.read_one(workspace, &dir, &mut pending) {
                Ok(()) => {}
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
                    contents.unreadable.push((dir, err));
                }
                Err(err) => {
                    let path = workspace.join(dir);
                    return Err(err).with_context(|| format!("could not read {}", path.display()));
                }
            }
        }
        Ok(contents)
    }

    fn read_one(
        &mut self,
        workspace: &Path,
        dir: &Path,
        pending: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        for entry in std::fs::read_dir(workspace.join(dir))? {
            let entry = entry?;
            let path = dir.join(entry.file_name());
            let metadata = match entry.metadata() {
                // What the command left running may remove it meanwhile.
                Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if [TEMP_DIR, VAR_TEMP_DIR].iter().any(|own| path == Path::new(own)) {
                continue;
            }
            if metadata.is_dir() {
                pending.push(path.clone());
            }
            self.entries.insert(path, metadata);
        }
        Ok(())
    }
}

/// A file, link or directory to be saved, and where to.
#[derive(Debug, PartialEq, Eq)]
struct Saving {
    from: PathBuf,
    to: PathBuf,
}

impl Pattern {
    /// Checks a pattern.
    ///
    /// # Errors
    /// Where it would leave the workspace or is no pattern.
    pub fn parse(spec: &OsStr, required: bool) -> anyhow::Result<Self> {
        let pattern = Self { spec: spec.to_owned(), required };
        let (glob, _) = split(spec, |_| false);
        pattern.matcher(&glob)?;
        Ok(pattern)
    }

    fn matcher(&self, glob: &Path) -> anyhow::Result<GlobMatcher> {
        let outside = |part| !matches!(part, Component::Normal(_) | Component::CurDir);
        let named = || format!("--out {}", Path::new(&self.spec).display());
        if glob.as_os_str().is_empty() {
            return Err(usage("the pattern is empty")).with_context(named);
        }
        if glob.components().any(outside) {
            return Err(usage("must be a pattern inside the workspace: relative, and without .."))
                .with_context(named);
        }
        let text = glob.to_str().ok_or_else(|| usage("a pattern must be UTF-8"))?;
        let text = text.trim_start_matches("./").trim_end_matches('/');
        GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map(|glob| glob.compile_matcher())
            .map_err(|err| usage(err.kind().to_string()))
            .with_context(named)
    }

    /// What it matches in a workspace, and where each goes below `cwd`.
    fn plan(
        &self,
        entries: &BTreeMap<PathBuf, Metadata>,
        before: &Before,
        cwd: &Path,
    ) -> anyhow::Result<Vec<Saving>> {
        let (glob, dest) = split(&self.spec, |whole| entries.contains_key(whole));
        let matcher = self.matcher(&glob)?;
        let literal = literal_directories(&glob);
        let wild = has_wildcard(glob.as_os_str());
        let into =
            wild || dest.as_ref().is_none_or(|dest| dest.as_os_str().as_bytes().ends_with(b"/"));
        let dest = cwd.join(dest.unwrap_or_default());
        let mut savings = Vec::new();
        let mut matched_dir: Option<&Path> = None;
        for (path, metadata) in entries {
            let inside = matched_dir.is_some_and(|dir| path.starts_with(dir));
            if !inside {
                if !matcher.is_match(path) || wild && hides(path, &literal, &glob) {
                    continue;
                }
                matched_dir = metadata.is_dir().then_some(path);
            }
            if wild && before.is_unchanged(path, metadata) {
                continue;
            }
            let below = path.strip_prefix(&literal).unwrap_or(path);
            let to = if into {
                dest.join(below)
            } else {
                // The pattern is the name of one thing: DEST takes its place.
                let rest: PathBuf = below.components().skip(1).collect();
                if rest.as_os_str().is_empty() { dest.clone() } else { dest.join(rest) }
            };
            savings.push(Saving { from: path.clone(), to });
        }
        Ok(savings)
    }
}

fn has_wildcard(text: &OsStr) -> bool {
    text.as_bytes().iter().any(|byte| b"*?[{".contains(byte))
}

/// The directories that a pattern begins with, before its first wildcard and its last component.
fn literal_directories(glob: &Path) -> PathBuf {
    let parts: Vec<_> = glob.components().filter(|part| *part != Component::CurDir).collect();
    let dirs = &parts[..parts.len().saturating_sub(1)];
    dirs.iter().take_while(|part| !has_wildcard(part.as_os_str())).collect()
}

/// Whether a path is hidden and the pattern does not ask for hidden names, as in the shell.
fn hides(path: &Path, literal: &Path, glob: &Path) -> bool {
    let dotted = |path: &Path| {
        let below = path.strip_prefix(literal).unwrap_or(path);
        below.components().any(|part| part.as_os_str().as_bytes().starts_with(b"."))
    };
    dotted(path) && !dotted(glob)
}

/// What is to be saved, and where to.
#[derive(Debug)]
pub struct Plan {
    /// The workspace.
    pub(super) root: Place,
    /// What is in it.
    pub(super) entries: BTreeMap<PathBuf, Metadata>,
    /// What each target is made from.
    pub(super) targets: BTreeMap<PathBuf, PathBuf>,
}

/// Outputs that were not saved.
#[derive(Debug)]
pub struct Unsaved {
    /// Why.
    pub cause: anyhow::Error,
    /// Whether there is something that the user wants and has nowhere else.
    pub would_be_lost: bool,
}

impl From<anyhow::Error> for Unsaved {
    fn from(cause: anyhow::Error) -> Self {
        Self { cause, would_be_lost: true }
    }
}

/// Finds what the patterns match. Targets are meant from `cwd`.
///
/// # Errors
/// Where a required pattern matches nothing, or two things would be saved under one name.
pub fn plan(
    patterns: &[&Pattern],
    workspace: &Path,
    before: &Before,
    cwd: &Path,
) -> Result<Plan, Unsaved> {
    let root = Place::open(workspace)
        .with_context(|| format!("could not open {}", workspace.display()))?;
    let Contents { entries, unreadable } = Contents::read(workspace)?;
    let mut targets: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let mut unmatched = None;
    for pattern in patterns {
        let savings = pattern.plan(&entries, before, cwd)?;
        if savings.is_empty() && pattern.required {
            unmatched.get_or_insert(pattern);
        }
        for Saving { from, to } in savings {
            if let Some((dir, err)) = unreadable.iter().find(|(dir, _)| *dir == from) {
                let path = workspace.join(dir);
                return Err(anyhow!("could not read {}: {}", path.display(), reason(err)).into());
            }
            if let Some(other) = targets.insert(to.clone(), from.clone())
                && other != from
                && !(entries[&other].is_dir() && entries[&from].is_dir())
            {
                return Err(anyhow!(
                    "both {} and {} would be saved as {}",
                    other.display(),
                    from.display(),
                    to.display()
                )
                .into());
            }
        }
    }
    match unmatched {
        None => Ok(Plan { root, entries, targets }),
        Some(pattern) => {
            let spec = Path::new(&pattern.spec).display();
            let cause = Err::<(), _>(anyhow!("--out {spec} matches nothing that the command made"))
                .hint(
                    "--out-always lets that pass; --keep=on-failure keeps the workspace for a look",
                );
            Err(Unsaved {
                would_be_lost: !targets.is_empty(),
                cause: cause.err().unwrap_or_else(|| anyhow!("nothing matches")),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(made: &[&str], spec: &str) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        for path in made {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let pattern = Pattern::parse(OsStr::new(spec), true).unwrap();
        let entries = Contents::read(dir.path()).unwrap().entries;
        let savings = pattern.plan(&entries, &Before::default(), Path::new("/c")).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        savings
            .into_iter()
            .filter(|one| !entries[&one.from].is_dir())
            .map(|one| (text(one.from), text(one.to)))
            .collect()
    }

    fn saved(made: &[&str], spec: &str) -> Vec<String> {
        plan(made, spec).into_iter().map(|(_, to)| to).collect()
    }

    #[test]
    fn what_lies_below_the_literal_directories_keeps_its_place() {
        assert_eq!(
            saved(&["a/b/c.txt", "a/d.txt"], "a/**/*.txt:res/"),
            ["/c/res/b/c.txt", "/c/res/d.txt"]
        );
        assert_eq!(saved(&["a/b.txt"], "a/b.txt"), ["/c/b.txt"]);
        assert_eq!(saved(&["a/b.txt"], "a/b.txt:x"), ["/c/x"]);
        assert_eq!(saved(&["a/b.txt"], "a/b.txt:x/"), ["/c/x/b.txt"]);
        assert_eq!(saved(&["a/b.txt"], "a/*.txt:x"), ["/c/x/b.txt"]);
        assert_eq!(saved(&["a/b.txt"], "a/*.txt:/abs"), ["/abs/b.txt"]);
    }

    #[test]
    fn a_directory_that_is_matched_goes_with_all_that_is_in_it() {
        let made = ["out/a", "out/b/c", "other"];
        assert_eq!(saved(&made, "out"), ["/c/out/a", "/c/out/b/c"]);
        assert_eq!(saved(&made, "out:res"), ["/c/res/a", "/c/res/b/c"]);
        assert_eq!(saved(&made, "o*t"), ["/c/out/a", "/c/out/b/c"]);
    }

    #[test]
    fn a_star_stays_in_its_directory_and_passes_over_hidden_names() {
        let made = ["a", ".b", "d/e", ".tmp/t"];
        assert_eq!(saved(&made, "?"), ["/c/a", "/c/d/e"]);
        assert_eq!(saved(&made, ".*"), ["/c/.b"]);
        assert_eq!(saved(&made, "**/*"), ["/c/a", "/c/d/e"]);
    }

    #[test]
    fn a_pattern_that_exists_whole_is_not_split() {
        assert_eq!(saved(&["a:b"], "a:b"), ["/c/a:b"]);
        assert_eq!(saved(&["a"], "a:b"), ["/c/b"]);
    }

    #[test]
    fn no_pattern_leaves_the_workspace() {
        for bad in ["../x", "/etc/passwd", "a/../../b", "a[", "{a"] {
            assert!(Pattern::parse(OsStr::new(bad), true).is_err(), "{bad}");
        }
    }
}
