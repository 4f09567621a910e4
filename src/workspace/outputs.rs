//! What is saved from a workspace before it goes.
//!
//! Matching, copying and publishing are three steps. All copies are whole, each beside its target
//! under a leased name, before the first one is renamed into place: where one cannot be made,
//! no file has changed.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};
use globset::{GlobBuilder, GlobMatcher};
use rustix::fs::OFlags;

use super::TEMP_DIR;
use super::layout::split;
use crate::copy;
use crate::entropy::Entropy;
use crate::error::{Tell as _, reason, usage};
use crate::lease::Lease;
use crate::lease::create::{Naming, Wanted, make, make_link};
use crate::lease::record::Kind;
use crate::place::{Place, open_beneath};
use crate::remove;
use crate::template::Template;

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
            if path == Path::new(TEMP_DIR) {
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
        if glob.components().any(outside) {
            return Err(usage("must be a pattern inside the workspace, without .."))
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
    root: Place,
    entries: BTreeMap<PathBuf, Metadata>,
    /// What each target is made from.
    targets: BTreeMap<PathBuf, PathBuf>,
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

/// Saves what was planned.
///
/// # Errors
/// Where something cannot be copied; the copies that were made already are gone then.
pub fn save(plan: Plan, lease: &mut Lease, entropy: &mut Entropy) -> anyhow::Result<()> {
    let mut staged = Vec::new();
    for (to, from) in plan.targets {
        let metadata = &plan.entries[&from];
        match stage(&plan.root, &from, metadata, to, lease, entropy) {
            Ok(one) => staged.extend(one),
            Err(err) => {
                staged.into_iter().for_each(Staged::discard);
                return Err(err);
            }
        }
    }
    let mut staged = staged.into_iter();
    while let Some(one) = staged.next() {
        if let Err(err) = one.publish() {
            staged.for_each(Staged::discard);
            return Err(err);
        }
    }
    Ok(())
}

fn could_not_save(to: &Path) -> String {
    format!("could not save {}", to.display())
}

/// Copies one thing beside its target; a directory is only made.
fn stage(
    root: &Place,
    from: &Path,
    metadata: &Metadata,
    to: PathBuf,
    lease: &mut Lease,
    entropy: &mut Entropy,
) -> anyhow::Result<Option<Staged>> {
    let dir = if metadata.is_dir() { to.as_path() } else { to.parent().unwrap_or(Path::new("/")) };
    std::fs::create_dir_all(dir).with_context(|| could_not_save(&to))?;
    if metadata.is_dir() {
        return Ok(None);
    }
    if to.is_dir() {
        return Err(anyhow!("{}: it is a directory", could_not_save(&to)))
            .hint(format!("write {}/ to save into it", to.display()));
    }
    let place = Place::open(dir).with_context(|| could_not_save(&to))?;
    let hidden = if metadata.is_symlink() {
        let target = std::fs::read_link(root.real().join(from))?;
        make_link(lease, entropy, &place, &target)?
    } else if metadata.is_file() {
        let wanted =
            Wanted { kind: Kind::File, name: Naming::Random(Template::hidden()), mode: None };
        let copied = make(lease, entropy, &place, &wanted, 1, &mut |copy| {
            let source = open_regular_beneath(root, from)?;
            copy::fill(&source, copy, &|| Ok(()))?;
            copy::imitate(metadata, copy)?;
            Ok(())
        });
        copied.with_context(|| could_not_save(&to))?.remove(0).name
    } else {
        return Ok(None);
    };
    Ok(Some(Staged { hidden, to }))
}

/// Opens what was a regular file a moment ago; what a straggler has put there since is not waited
/// for.
fn open_regular_beneath(root: &Place, from: &Path) -> anyhow::Result<std::fs::File> {
    let file = open_beneath(root, from, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let file = std::fs::File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(anyhow!("it is a file no more")) }
}

/// Something copied beside its target, under a hidden name.
struct Staged {
    hidden: OsString,
    to: PathBuf,
}

impl Staged {
    /// Gives the copy its name, in place of what has it.
    fn publish(self) -> anyhow::Result<()> {
        std::fs::rename(self.to.with_file_name(&self.hidden), &self.to).map_err(|err| {
            let context = could_not_save(&self.to);
            self.discard();
            anyhow::Error::new(err).context(context)
        })
    }

    /// Takes the copy back. What cannot be removed stays in the lease.
    fn discard(self) {
        if let Ok(place) = Place::open(self.to.parent().unwrap_or(Path::new("/"))) {
            let _ = remove::entry(&place, &self.hidden, false);
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
