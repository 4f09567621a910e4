//! Which files are to be saved from a workspace before it goes, and where to.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow};
use globset::{GlobBuilder, GlobMatcher};

use rustix::fs::{
    AtFlags, Dir as DirReader, FileType, OFlags, Statx, StatxFlags, StatxTimestamp, statx,
};
use rustix::io::Errno;

use crate::fs::Dir;
use crate::fs::dir::open_beneath;
use crate::remove;
use crate::values::ErrorExt as _;
use crate::values::error::{strerror, usage};
use crate::workspace::dir::TEMP_DIR;
use crate::workspace::layout::split;
use crate::workspace::private_tmp::VAR_TEMP_DIR;

/// One `--out GLOB[:DEST]`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    spec: OsString,
    /// Whether the command must have succeeded, and something must match.
    pub required: bool,
}

/// Which files a workspace held before the command ran: a wildcard means what the command made.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(HashMap<PathBuf, Stamp>);

/// What changes when a file is written to or replaced: inode, size, and when data and inode were
/// last changed, to the nanosecond.
type Stamp = (u64, u64, (i64, u32), (i64, u32));

fn stamp(stat: &Statx) -> Stamp {
    let Statx { stx_ino, stx_size, stx_mtime, stx_ctime, .. } = *stat;
    let time = |time: StatxTimestamp| (time.tv_sec, time.tv_nsec);
    (stx_ino, stx_size, time(stx_mtime), time(stx_ctime))
}

/// What kind of thing an entry is.
pub(super) fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

fn is_dir(stat: &Statx) -> bool {
    kind(stat) == FileType::Directory
}

impl Snapshot {
    /// Takes note of all files in a workspace.
    pub(crate) fn look(workspace: &Dir) -> Self {
        let entries = Contents::read(workspace).entries;
        Self(entries.into_iter().map(|(path, stat)| (path, stamp(&stat))).collect())
    }

    fn is_unchanged(&self, path: &Path, stat: &Statx) -> bool {
        self.0.get(path) == Some(&stamp(stat))
    }
}

/// All that is in a workspace, by its path there, but for the temp dirs. Symlinks are not followed,
/// however things are moved about meanwhile. A directory that cannot be read is there without what
/// is in it.
#[derive(Debug, Default)]
struct Contents {
    entries: BTreeMap<PathBuf, Statx>,
    unreadable: Vec<(PathBuf, io::Error)>,
}

impl Contents {
    fn read(workspace: &Dir) -> Self {
        let mut contents = Self::default();
        let mut pending = vec![PathBuf::new()];
        while let Some(dir) = pending.pop() {
            match contents.read_one(workspace, &dir, &mut pending) {
                Ok(()) => {}
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                Err(err) => contents.unreadable.push((dir, err)),
            }
        }
        contents
    }

    fn read_one(
        &mut self,
        workspace: &Dir,
        dir: &Path,
        pending: &mut Vec<PathBuf>,
    ) -> io::Result<()> {
        let opened = open_dir(workspace, dir)?;
        for entry in DirReader::read_from(&opened)? {
            let name = entry?.file_name().to_owned();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let path = dir.join(OsStr::from_bytes(name.to_bytes()));
            let stat =
                match statx(&opened, &name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
                    // What the command left running may remove it meanwhile.
                    Err(Errno::NOENT) => continue,
                    stat => stat?,
                };
            if [TEMP_DIR, VAR_TEMP_DIR].iter().any(|own| path == Path::new(own)) {
                continue;
            }
            if is_dir(&stat) {
                pending.push(path.clone());
            }
            self.entries.insert(path, stat);
        }
        Ok(())
    }
}

/// Opens a directory of the workspace for reading. One of our own that does not let us is opened up,
/// as it will be when it is removed.
fn open_dir(workspace: &Dir, dir: &Path) -> io::Result<OwnedFd> {
    match open_beneath(workspace, dir, OFlags::RDONLY | OFlags::DIRECTORY) {
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
            let point = open_beneath(workspace, dir, OFlags::PATH | OFlags::DIRECTORY)?;
            remove::open_readable(&point, true)
        }
        opened => opened,
    }
}

/// A file, link or directory to be saved, and where to.
#[derive(Debug, PartialEq, Eq)]
struct PlannedCopy {
    from: PathBuf,
    to: PathBuf,
    /// How far `to` is the user's own word. There, a symlink is followed; below it are names that the
    /// command has chosen.
    base: PathBuf,
}

impl Pattern {
    /// Checks a pattern.
    pub(crate) fn parse(spec: &OsStr, required: bool) -> anyhow::Result<Self> {
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

    /// Whether something in a directory may match.
    fn may_match_below(&self, dir: &Path) -> bool {
        let (glob, _) = split(&self.spec, |_| false);
        let literal = literal_directories(&glob);
        let wild = has_wildcard(glob.as_os_str());
        glob.starts_with(dir)
            || literal.starts_with(dir)
            || wild && dir.starts_with(&literal)
            || !wild && dir.starts_with(&glob)
    }

    /// What it matches in a workspace, and where each goes below `cwd`.
    fn plan(
        &self,
        entries: &BTreeMap<PathBuf, Statx>,
        before: &Snapshot,
        cwd: &Path,
    ) -> anyhow::Result<Vec<PlannedCopy>> {
        let (glob, dest) = split(&self.spec, |whole| entries.contains_key(whole));
        let matcher = self.matcher(&glob)?;
        let literal = literal_directories(&glob);
        let wild = has_wildcard(glob.as_os_str());
        let into =
            wild || dest.as_ref().is_none_or(|dest| dest.as_os_str().as_bytes().ends_with(b"/"));
        let dest = cwd.join(dest.unwrap_or_default());
        let mut savings = Vec::new();
        let mut matched_dir: Option<&Path> = None;
        for (path, stat) in entries {
            let inside = matched_dir.is_some_and(|dir| path.starts_with(dir));
            if !inside {
                if !matcher.is_match(path) || wild && hides(path, &literal, &glob) {
                    continue;
                }
                matched_dir = is_dir(stat).then_some(path);
                if !is_copied(stat) {
                    return Err(anyhow!(
                        "{} is neither file, directory nor symlink",
                        path.display()
                    ));
                }
            }
            if wild && before.is_unchanged(path, stat) || !is_copied(stat) {
                continue;
            }
            let below = path.strip_prefix(&literal).unwrap_or(path);
            // Where the pattern is the name of one thing, DEST takes its place.
            let below: PathBuf = below.components().skip(usize::from(!into)).collect();
            let named = !into && below.as_os_str().is_empty();
            let to = if named { dest.clone() } else { dest.join(below) };
            let base = match dest.parent() {
                Some(parent) if named && !is_dir(stat) => parent.to_owned(),
                _ => dest.clone(),
            };
            savings.push(PlannedCopy { from: path.clone(), to, base });
        }
        Ok(savings)
    }
}

/// Whether a thing is of a kind that is saved.
fn is_copied(stat: &Statx) -> bool {
    matches!(kind(stat), FileType::RegularFile | FileType::Directory | FileType::Symlink)
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
pub(crate) struct Plan {
    /// The workspace.
    pub(super) root: Dir,
    /// What is in it.
    pub(super) entries: BTreeMap<PathBuf, Statx>,
    /// What each target is made from.
    pub(super) targets: BTreeMap<PathBuf, CopySource>,
}

/// What a target is made from.
#[derive(Debug)]
pub(super) struct CopySource {
    /// Its path in the workspace.
    pub(super) from: PathBuf,
    /// How far the target's path is the user's own word.
    pub(super) base: PathBuf,
}

/// Outputs that were not saved.
#[derive(Debug)]
pub(crate) struct SaveError {
    /// Why.
    pub cause: anyhow::Error,
    /// Whether there is something that the user wants and has nowhere else.
    pub would_be_lost: bool,
}

impl From<anyhow::Error> for SaveError {
    fn from(cause: anyhow::Error) -> Self {
        Self { cause, would_be_lost: true }
    }
}

/// Finds what the patterns match. Targets are meant from `cwd`.
pub(crate) fn plan(
    patterns: &[&Pattern],
    root: Dir,
    before: &Snapshot,
    cwd: &Path,
) -> Result<Plan, SaveError> {
    let Contents { entries, unreadable } = Contents::read(&root);
    let mut targets: BTreeMap<PathBuf, CopySource> = BTreeMap::new();
    let mut unmatched = None;
    for pattern in patterns {
        if let Some((dir, err)) = unreadable.iter().find(|(dir, _)| pattern.may_match_below(dir)) {
            let path = root.path().join(dir);
            return Err(anyhow!("could not read {}: {}", path.display(), strerror(err)).into());
        }
        let savings = pattern.plan(&entries, before, cwd)?;
        if savings.is_empty() && pattern.required {
            unmatched.get_or_insert(pattern);
        }
        for PlannedCopy { from, to, base } in savings {
            let source = CopySource { from: from.clone(), base };
            if let Some(CopySource { from: other, .. }) = targets.insert(to.clone(), source)
                && other != from
                && !(is_dir(&entries[&other]) && is_dir(&entries[&from]))
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
            Err(SaveError {
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
        let entries = Contents::read(&Dir::open(dir.path()).unwrap()).entries;
        let savings = pattern.plan(&entries, &Snapshot::default(), Path::new("/c")).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        savings
            .into_iter()
            .filter(|one| !is_dir(&entries[&one.from]))
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
