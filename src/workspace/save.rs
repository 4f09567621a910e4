//! Saves files from a workspace.
//!
//! All files are copied first, each beside its target under a hidden, leased name. Only then are they
//! renamed into place, so that no file has changed if a copy fails.
//!
//! The directory that the user names may be a symlink. The names below it are the command's choice,
//! perhaps that of an earlier run. There, no symlink is followed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, FileType, OFlags, Stat, readlinkat, renameat, statat};

use crate::fs::dir::open_beneath;
use crate::fs::metadata::preserve_in_copy;
use crate::fs::{Dir, FileStamp, Interrupt, SkipReason, Skipped, copy};
use crate::lease::entry::{create_link, create_one};
use crate::lease::{CreateOptions, FillError, Kind, Lease, NameRule};
use crate::remove;
use crate::streams::{Target, check_rename_over};
use crate::workspace::plan::{Plan, PlannedCopy};
use crate::workspace::target_dirs::{TargetDir, TargetDirs};

/// Why a file cannot get the name of its target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("it is a directory")]
    Directory(PathBuf),
    /// A device, a pipe, or a link to a file that a process has open.
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is the same file as {}", .0.display())]
    SameFile(PathBuf),
    #[error("the report gets the same name")]
    ReportHasName,
}

/// Saves the planned copies, none of them where `report` will be. Returns the paths of the new files and
/// symlinks. Skips a file that has vanished since the plan was made, unless the user named it.
pub(crate) fn save(
    plan: &Plan<'_>,
    report: Option<&Target>,
    lease: &mut Lease,
    skipped: &mut Skipped,
    check_interrupt: Interrupt<'_>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut dirs = TargetDirs::default();
    let mut staged = Vec::new();
    lose_links(plan, skipped);
    for (target, copy) in &plan.copies {
        let stage = Stage { root: plan.root, copy, target };
        match stage.run(&mut dirs, lease, skipped, check_interrupt) {
            Ok(copy) => staged.extend(copy),
            Err(err) => {
                roll_back(&dirs, staged);
                return Err(err);
            }
        }
    }
    // As long as nothing has its name, everything can still be undone.
    if let Err(err) = check(&staged, report, &dirs) {
        roll_back(&dirs, staged);
        return Err(err);
    }
    let count = staged.len();
    let mut saved: Vec<StagedCopy> = Vec::new();
    let mut files = BTreeMap::new();
    let mut staged = staged.into_iter();
    while let Some(copy) = staged.next() {
        let saved_as = |id| files.get(&id).and_then(|&index: &usize| saved.get(index));
        match copy.publish(&dirs, saved_as) {
            Ok(id) => files.insert(id, saved.len()),
            Err(err) => {
                roll_back(&dirs, [copy].into_iter().chain(staged));
                // Those that have replaced their targets stay.
                dirs.preserve_metadata(plan.root, skipped);
                return Err(match saved.len() {
                    0 => err,
                    done => err.context(format!("saved {done} of {count}")),
                });
            }
        };
        lease.note_renamed(&copy.hidden);
        saved.push(copy);
    }
    dirs.preserve_metadata(plan.root, skipped);
    Ok(saved.into_iter().map(|copy| copy.target).collect())
}

/// Checks that all copies can replace their targets, and that no two of them have one target: a directory
/// can have several paths, and a file several names where those that differ in case are one.
fn check(staged: &[StagedCopy], report: Option<&Target>, dirs: &TargetDirs) -> anyhow::Result<()> {
    let (mut names, mut files) = (BTreeMap::new(), BTreeMap::new());
    for copy in staged {
        let could_not_save = || could_not_save(&copy.target);
        let dir = dirs.reopen(&copy.dir).with_context(could_not_save)?;
        let present = check_target(&dir, &copy.name, &copy.target).with_context(could_not_save)?;
        if report.is_some_and(|report| report.leads_through(&dir, &copy.name)) {
            return Err(TargetError::ReportHasName).with_context(could_not_save);
        }
        let id = file_id(&dir, OsStr::new(".")).with_context(could_not_save)?;
        let mut other = names.insert((id, &copy.name), copy);
        if let Some(file) = present.filter(|stat| stat.st_nlink == 1) {
            other = other.or(files.insert(FileStamp::from(&file).file_id(), copy));
        }
        copy.check_differs(other).with_context(could_not_save)?;
    }
    Ok(())
}

/// Notes the names of files that have another name in the workspace: each gets a copy of its own.
fn lose_links(plan: &Plan<'_>, skipped: &mut Skipped) {
    let mut seen = BTreeSet::new();
    for (target, PlannedCopy { linked, .. }) in &plan.copies {
        if linked.is_some_and(|id| !seen.insert(id)) {
            skipped.lose(target, vec!["hard link".to_owned()]);
        }
    }
}

fn could_not_save(target: &Path) -> String {
    format!("could not save {}", target.display())
}

/// A copy beside its target, under a hidden name.
#[derive(Debug)]
struct StagedCopy {
    dir: TargetDir,
    hidden: OsString,
    name: OsString,
    target: PathBuf,
    /// The path of the original in the workspace.
    from: PathBuf,
}

impl StagedCopy {
    /// Checks that a copy with the same target is one of the same file.
    fn check_differs(&self, other: Option<&Self>) -> Result<(), TargetError> {
        match other.filter(|other| other.from != self.from) {
            Some(other) => Err(TargetError::SameFile(other.target.clone())),
            None => Ok(()),
        }
    }

    /// Renames it to its target, which it replaces unless another copy is there: `saved_as` returns the
    /// copy that is this file. Returns what identifies the file.
    fn publish<'a>(
        &self,
        dirs: &TargetDirs,
        saved_as: impl Fn((u64, u64)) -> Option<&'a Self>,
    ) -> anyhow::Result<(u64, u64)> {
        let could_not_save = || could_not_save(&self.target);
        let dir = dirs.reopen(&self.dir).with_context(could_not_save)?;
        // Of two new names that differ in case, nothing shows before that they are one.
        let present = file_id(&dir, &self.name).ok().and_then(saved_as);
        self.check_differs(present).with_context(could_not_save)?;
        let id = file_id(&dir, &self.hidden).with_context(could_not_save)?;
        renameat(&dir, &self.hidden, &dir, &self.name).with_context(could_not_save)?;
        Ok(id)
    }

    /// Removes it. If that fails, it stays in the lease.
    fn remove(&self, dirs: &TargetDirs) {
        if let Ok(dir) = dirs.reopen(&self.dir) {
            let _ = remove::entry_by_name(&dir, &self.hidden, false);
        }
    }
}

/// Returns what identifies an entry of a directory.
fn file_id(dir: &Dir, name: &OsStr) -> io::Result<(u64, u64)> {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileStamp::from(&stat).file_id())
}

/// Removes copies and created directories.
fn roll_back(dirs: &TargetDirs, copies: impl IntoIterator<Item = StagedCopy>) {
    copies.into_iter().for_each(|copy| copy.remove(dirs));
    dirs.remove_created();
}

/// The copying of one file, symlink or directory.
struct Stage<'a> {
    root: &'a Dir,
    copy: &'a PlannedCopy,
    target: &'a Path,
}

impl Stage<'_> {
    /// Copies a file or symlink beside its target, and creates a directory at its target.
    fn run(
        &self,
        dirs: &mut TargetDirs,
        lease: &mut Lease,
        skipped: &mut Skipped,
        check_interrupt: Interrupt<'_>,
    ) -> anyhow::Result<Option<StagedCopy>> {
        check_interrupt()?;
        let could_not_save = || could_not_save(self.target);
        let is_dir = self.copy.file_type == FileType::Directory;
        let parent = if is_dir { Some(self.target) } else { self.target.parent() };
        let base = &self.copy.base;
        let below =
            parent.and_then(|parent| parent.strip_prefix(base).ok()).unwrap_or(Path::new(""));
        let path = TargetDir { base: base.clone(), below: below.to_owned() };
        let from = &self.copy.from;
        let is_in_base = path.below.as_os_str().is_empty();
        let source = if is_dir { Some(&**from) } else { from.parent().filter(|_| !is_in_base) };
        let dir = dirs.open(path.clone(), source).with_context(could_not_save)?;
        if is_dir {
            return Ok(None);
        }
        let Some(name) = self.target.file_name().map(OsStr::to_owned) else {
            // DEST ends in `..`.
            return Err(TargetError::Directory(self.target.to_owned()))
                .with_context(could_not_save);
        };
        check_target(dir, &name, self.target).with_context(could_not_save)?;
        let source = match self.open_source() {
            Ok(source) => source,
            Err(err) => match SkipReason::of(&err).filter(|_| !self.copy.is_required) {
                Some(reason) => {
                    skipped.add(from.clone(), reason);
                    return Ok(None);
                }
                None => return Err(err).with_context(could_not_save),
            },
        };
        let copied = Self::copy(&source, dir, lease, check_interrupt);
        let (hidden, lost) = copied.with_context(could_not_save)?;
        skipped.lose(self.target, lost);
        let (target, from) = (self.target.to_owned(), from.clone());
        Ok(Some(StagedCopy { dir: path, hidden, name, target, from }))
    }

    fn open_source(&self) -> io::Result<Source> {
        let from = &self.copy.from;
        if self.copy.file_type == FileType::Symlink {
            let link = open_beneath(self.root, from, OFlags::PATH)?;
            let target = readlinkat(&link, c"", Vec::new())?.into_bytes();
            return Ok(Source::Symlink(PathBuf::from(OsString::from_vec(target))));
        }
        Ok(Source::File(open_regular_beneath(self.root, from)?))
    }

    /// Copies to a hidden name. Returns it, and the names of metadata that were not preserved.
    fn copy(
        source: &Source,
        dir: &Dir,
        lease: &mut Lease,
        check_interrupt: Interrupt<'_>,
    ) -> anyhow::Result<(OsString, Vec<String>)> {
        let source = match source {
            Source::File(file) => file,
            Source::Symlink(target) => return Ok((create_link(lease, dir, target)?, Vec::new())),
        };
        let mut lost = Vec::new();
        let name = NameRule::Hidden;
        let options = CreateOptions { kind: Kind::File, name, mode: None, keep_open: false };
        let created = create_one(
            lease,
            dir,
            &options,
            Some(&mut |copy: &OwnedFd| {
                copy::fill(source, copy, &|| Ok::<_, FillError>(check_interrupt()?))?;
                lost = preserve_in_copy(source, &source.metadata()?, copy)?;
                Ok(())
            }),
        )?;
        Ok((created.name, lost))
    }
}

/// What is saved: an open file, or a symlink with its target.
enum Source {
    File(File),
    Symlink(PathBuf),
}

/// Refuses to replace anything but a regular file or a symlink to one, and what the kernel does not
/// let us rename over. Returns what is known of the entry, if there is one.
fn check_target(dir: &Dir, name: &OsStr, target: &Path) -> anyhow::Result<Option<Stat>> {
    let file_type = |stat: &Stat| FileType::from_raw_mode(stat.st_mode);
    let link_target = || readlinkat(dir, name, Vec::new()).unwrap_or_default().into_bytes();
    let followed = statat(dir, name, AtFlags::empty()).ok().as_ref().map(file_type);
    if followed == Some(FileType::Directory) {
        return Err(TargetError::Directory(target.to_owned()).into());
    }
    let is_file = |file_type| matches!(file_type, None | Some(FileType::RegularFile));
    let present = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok();
    let may_be_replaced = match present.as_ref().map(file_type) {
        Some(FileType::Symlink) => is_file(followed) && !link_target().starts_with(b"/proc/"),
        entry => is_file(entry),
    };
    if !may_be_replaced {
        return Err(TargetError::NotRegular.into());
    }
    check_rename_over(dir, name)?;
    Ok(present)
}

/// Opens a file that was regular when the plan was made. An orphan of the command may have replaced it
/// by a pipe since, which must not block.
fn open_regular_beneath(root: &Dir, path: &Path) -> io::Result<File> {
    let file = File::from(open_beneath(root, path, OFlags::RDONLY | OFlags::NONBLOCK)?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no longer a regular file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::{LeaseSpec, Lifetime, Stores};
    use crate::os::{Env, Namespaces, Random};
    use crate::workspace::pattern::Pattern;
    use crate::workspace::snapshot::Snapshot;
    use anyhow::anyhow;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    /// A workspace `work`, a directory `home` to save in, and a store of leases.
    struct Scene(tempfile::TempDir);

    impl Scene {
        /// Creates these files in the workspace, each with its own name as content.
        fn new(files: &[&str]) -> Self {
            let scene = Self(tempfile::tempdir().unwrap());
            for file in files.iter().map(|file| scene.path("work").join(file)) {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, file.file_name().unwrap().as_bytes()).unwrap();
            }
            fs::create_dir(scene.path("home")).unwrap();
            scene
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        /// Saves what these patterns match. Returns the error without the path of the scene.
        fn save(&self, specs: &[&str]) -> Result<Vec<PathBuf>, String> {
            self.save_until_interrupt(specs, &|| Ok(()))
        }

        fn save_until_interrupt(
            &self,
            specs: &[&str],
            check_interrupt: Interrupt<'_>,
        ) -> Result<Vec<PathBuf>, String> {
            let root = Dir::open(&self.path("work")).unwrap();
            let parse = |spec: &&str| Pattern::parse(OsStr::new(spec), true).unwrap();
            let patterns: Vec<Pattern> = specs.iter().map(parse).collect();
            let patterns: Vec<&Pattern> = patterns.iter().collect();
            let home = self.path("home");
            let plan = Plan::new(&patterns, &root, &Snapshot::default(), &home).unwrap();
            let state = self.path("state");
            let env = Env::fixed(&[("TMPX_STATE_DIR", state.to_str().unwrap())]);
            let spec = LeaseSpec {
                lifetime: Lifetime::Command,
                session: None,
                caller: None,
                namespaces: Namespaces::current(),
            };
            let mut lease = Lease::new(Stores::new(&env).unwrap(), spec, Random::system());
            save(&plan, None, &mut lease, &mut Skipped::default(), check_interrupt)
                .map_err(|err| format!("{err:#}").replace(&format!("{}/", home.display()), ""))
        }

        /// All paths in `home`, sorted.
        fn saved(&self) -> Vec<String> {
            let mut found = Vec::new();
            let mut pending = vec![self.path("home")];
            while let Some(dir) = pending.pop() {
                for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                    let path = entry.path();
                    let below = path.strip_prefix(self.path("home")).unwrap();
                    found.push(below.to_str().unwrap().to_owned());
                    if entry.file_type().unwrap().is_dir() {
                        pending.push(path);
                    }
                }
            }
            found.sort();
            found
        }
    }

    #[test]
    fn copies_replace_their_targets_and_leave_nothing_hidden() {
        let scene = Scene::new(&["a", "d/b"]);
        fs::write(scene.path("home/a"), "old").unwrap();
        let saved = scene.save(&["a", "d:e/f"]).unwrap();
        assert_eq!(saved, [scene.path("home/a"), scene.path("home/e/f/b")]);
        assert_eq!(scene.saved(), ["a", "e", "e/f", "e/f/b"]);
        assert_eq!(fs::read(scene.path("home/a")).unwrap(), b"a");
    }

    #[test]
    fn if_one_copy_fails_no_target_changes_and_created_directories_are_removed() {
        let scene = Scene::new(&["a", "b"]);
        fs::create_dir(scene.path("home/z")).unwrap();
        fs::write(scene.path("home/a"), "old").unwrap();
        let err = scene.save(&["a", "a:new/deep/", "b:z"]).unwrap_err();
        assert_eq!(err, "could not save z: it is a directory");
        assert_eq!(scene.saved(), ["a", "z"]);
        assert_eq!(fs::read(scene.path("home/a")).unwrap(), b"old");
    }

    #[test]
    fn an_interrupt_during_the_second_copy_undoes_both() {
        let scene = Scene::new(&["a", "b"]);
        let interrupt = || match scene.saved().len() {
            0 | 1 => Ok(()),
            _ => Err(anyhow!("interrupted")),
        };
        let err = scene.save_until_interrupt(&["a", "b"], &interrupt).unwrap_err();
        assert!(err.ends_with("interrupted"), "{err}");
        assert_eq!(scene.saved(), [""; 0]);
    }

    #[test]
    fn what_vanishes_before_it_is_copied_is_skipped_unless_it_was_named() {
        for (spec, expected) in [("*", Ok(1)), ("b", Err("could not save b"))] {
            let scene = Scene::new(&["a", "b"]);
            let vanish = || {
                let _ = fs::remove_file(scene.path("work/b"));
                Ok(())
            };
            let saved = scene.save_until_interrupt(&[spec], &vanish).map(|saved| saved.len());
            let saved = saved.map_err(|err| err.split(':').next().unwrap_or_default().to_owned());
            assert_eq!(saved, expected.map_err(str::to_owned));
            assert!(!scene.path("home/b").exists());
        }
    }

    #[test]
    fn a_symlink_is_followed_in_the_part_that_the_user_named_and_not_below() {
        let scene = Scene::new(&["d/b"]);
        fs::create_dir(scene.path("victim")).unwrap();
        symlink(scene.path("victim"), scene.path("home/d")).unwrap();
        assert_eq!(scene.save(&["*"]).unwrap_err(), "could not save d: d is not a directory");
        assert!(!scene.path("victim/b").exists());
        scene.save(&["d/b:d/"]).unwrap();
        assert!(scene.path("victim/b").exists());
    }

    #[test]
    fn a_symlink_is_saved_as_a_symlink_and_replaced_as_one() {
        let scene = Scene::new(&["a"]);
        symlink("/etc/passwd", scene.path("work/link")).unwrap();
        fs::write(scene.path("home/kept"), "old").unwrap();
        symlink("kept", scene.path("home/a")).unwrap();
        scene.save(&["a", "link"]).unwrap();
        assert_eq!(fs::read_link(scene.path("home/link")).unwrap(), Path::new("/etc/passwd"));
        assert!(scene.path("home/a").symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read(scene.path("home/kept")).unwrap(), b"old");
    }
}
