//! Replaces the content of a file atomically.
//!
//! The new content is written to an unnamed file in the target's directory, so that a kill leaves
//! nothing behind. That file gets the owner, mode and attributes of the old file, then a hidden name
//! under a lease, and finally the target's name, by a rename. The old file is never opened for
//! writing.
//!
//! If the new content depends on the old, only the file that was read may be replaced. So the rename
//! is an exchange, under a lock that other tmpx processes obey: if another file comes out, the
//! exchange is undone. A rename that depends on nothing waits for the lock, too: between the two
//! exchanges, it would give the hidden name to the file that it puts in place.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom, StatxFlags, fstat, fsync, openat, seek, statat};
use rustix::io::Errno;

use crate::fs::dir::create_new;
use crate::fs::disk_full;
use crate::fs::rw::write_all;
use crate::fs::{Dir, Interrupt, TransferError, copy, metadata, transfer};
use crate::lease::{CANNOT_PUBLISH, Lease, TmpFile, lacks_exchange};
use crate::os::effective_user;
use crate::streams::guard::{CommitLock, WriteGuard};
use crate::streams::target::{Existing, OnChange, ReplaceError, Target};
use crate::sys::statx;

/// A file that does not exist yet, so that a command cannot read its old content.
#[derive(Debug, thiserror::Error)]
#[error("could not copy {}: it does not exist", .0.display())]
pub(crate) struct NoOldContent(PathBuf);

/// The file whose content was read last.
#[derive(Debug)]
enum ReadFile {
    First,
    /// The file that was there later, if one was.
    Later(Option<Existing>),
}

/// The read-only copy of the old file that a command gets by its path.
#[derive(Debug)]
pub(crate) struct OldCopy {
    dir: Dir,
    name: OsString,
    file: Existing,
}

impl OldCopy {
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    fn is_unchanged(&self) -> bool {
        let now = Existing::look_up(&self.dir, &self.name);
        now.is_ok_and(|now| now.is_some_and(|now| self.file.is_untouched(&now)))
    }
}

/// How often a change of the file is followed before tmpx gives up.
const MAX_ATTEMPTS: usize = 100;

/// New content for a file, until [`Replacement::commit`] puts it in place.
#[derive(Debug)]
pub(crate) struct Replacement {
    target: Target,
    /// The file to replace, as it was at the beginning: the owner and mode come from it.
    first: Option<Existing>,
    read: ReadFile,
    new: TmpFile,
    /// The size of the old content at the beginning of the new one.
    base: u64,
    on_change: OnChange,
}

impl Replacement {
    /// Begins with empty content or, with [`OnChange::Append`], with a copy of the old content.
    pub(crate) fn begin(
        mut target: Target,
        on_change: OnChange,
        lease: &mut Lease,
    ) -> anyhow::Result<Self> {
        let first = target.take_first();
        let could_not = || target.could_not_replace();
        let new = create_beside(&target, first.as_ref(), lease).with_context(could_not)?;
        let mut replacement =
            Self { target, first, read: ReadFile::First, new, base: 0, on_change };
        if on_change == OnChange::Append
            && let Some(old) = &replacement.first
        {
            match replacement.copy(old, &replacement.new)? {
                Some(base) => replacement.base = base,
                None => replacement.read = ReadFile::Later(None),
            }
        }
        if on_change == OnChange::Fail
            && let Some(old) = &replacement.first
        {
            old.await_tick();
        }
        Ok(replacement)
    }

    /// Copies the content of the old file, and returns its size. `None` means that another file has
    /// its name by now.
    fn copy(&self, old: &Existing, to: &TmpFile) -> anyhow::Result<Option<u64>> {
        let Some(from) = self.open(old)? else { return Ok(None) };
        copy::fill(&from, to, &|| Ok(())).map_err(|err| self.write_failed(err))?;
        // Sharing blocks does not move the file offset.
        Ok(Some(seek(to, SeekFrom::End(0))?))
    }

    /// Opens the old file for reading, unless another file has its name by now.
    fn open(&self, old: &Existing) -> anyhow::Result<Option<OwnedFd>> {
        let could_not = || format!("could not read {}", self.target.shown().display());
        self.target.open_if_same(old).with_context(could_not)
    }

    /// Creates a read-only copy of the old file in a directory, under the same name.
    pub(crate) fn copy_old_to(
        &self,
        dir: Dir,
        check_interrupt: Interrupt<'_>,
    ) -> anyhow::Result<OldCopy> {
        let could_not = || format!("could not read {}", self.target.shown().display());
        let from = match &self.first {
            Some(old) => self.open(old)?.ok_or(Errno::STALE),
            None => return Err(NoOldContent(self.target.shown().to_owned()).into()),
        };
        let from = from.map_err(io::Error::from).with_context(could_not)?;
        let could_not = || format!("could not write to a file in {}", dir.path().display());
        let name = self.target.name();
        let copy = create_new(&dir, name, Mode::RUSR).with_context(could_not)?;
        copy::fill(&from, copy, check_interrupt).with_context(could_not)?;
        let file = Existing::look_up(&dir, name).with_context(could_not)?;
        let file = file.ok_or(Errno::NOENT).map_err(io::Error::from).with_context(could_not)?;
        file.await_tick();
        Ok(OldCopy { name: name.to_owned(), file, dir })
    }

    /// Fails if a command has edited the copy of the old file: its output is not the new content.
    pub(crate) fn check_copy(&self, copy: &OldCopy) -> anyhow::Result<()> {
        if copy.is_unchanged() {
            return Ok(());
        }
        Err(self.refused(ReplaceError::CopyChangedByCommand))
    }

    /// The file whose content was read last.
    fn read(&self) -> Option<&Existing> {
        match &self.read {
            ReadFile::First => self.first.as_ref(),
            ReadFile::Later(later) => later.as_ref(),
        }
    }

    fn refused(&self, err: ReplaceError) -> anyhow::Error {
        anyhow::Error::new(err).context(self.target.could_not_replace())
    }

    /// Appends all bytes of a stream to the new content, and returns their number. Messages call the
    /// stream `name`.
    pub(crate) fn fill(&self, from: impl AsFd, name: &str) -> anyhow::Result<u64> {
        transfer::copy_to_end(from, &self.new, |_| ()).map_err(|err| self.fill_failed(err, name))
    }

    fn fill_failed(&self, err: TransferError, name: &str) -> anyhow::Error {
        match err {
            TransferError::Reading(err) => {
                anyhow::Error::new(err).context(format!("could not read {name}"))
            }
            TransferError::Writing(err) => self.write_failed(err),
        }
    }

    /// Appends a part of a file to the new content. Messages call the file `name`.
    pub(crate) fn append_range(
        &self,
        from: impl AsFd,
        start: u64,
        length: u64,
        name: &str,
    ) -> anyhow::Result<()> {
        let copied = transfer::copy_range(from, start, length, &self.new);
        copied.map(drop).map_err(|err| self.fill_failed(err, name))
    }

    /// Appends bytes to the new content.
    pub(crate) fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        write_all(self.new.as_fd(), bytes).map_err(|err| self.write_failed(err))
    }

    fn write_failed(&self, err: io::Error) -> anyhow::Error {
        let act = self.target.could_not_replace();
        disk_full::write_failed(act, self.target.dir().path(), err)
    }

    /// Puts the new content in place. With `sync`, it is on the disk when this returns. Returns
    /// notes for the user.
    pub(crate) fn commit(mut self, sync: bool, lease: &mut Lease) -> anyhow::Result<Vec<String>> {
        let notes = if self.on_change == OnChange::Replace {
            let _lock = CommitLock::acquire(&self.target, self.on_change);
            let now = self.target.look_up_checked().map_err(|err| self.refused(err))?;
            let notes = self.prepare(now.as_ref(), sync, lease)?;
            self.new.rename(self.target.name()).map_err(|err| self.write_failed(err))?;
            notes
        } else {
            let committed = self.commit_unchanged(sync, lease);
            committed.inspect_err(|_| self.new.remove(lease))?
        };
        // After an exchange, the old file may still have the hidden name.
        if let Ok(hidden) = self.new.hidden()
            && let Err(Errno::NOENT) = statat(self.new.dir(), hidden, AtFlags::SYMLINK_NOFOLLOW)
        {
            lease.note_renamed(hidden);
        }
        if sync {
            sync_dir(self.target.dir()).with_context(|| {
                format!("could not sync the directory of {}", self.target.shown().display())
            })?;
        }
        Ok(notes)
    }

    /// Replaces the file that was read, and no other.
    fn commit_unchanged(&mut self, sync: bool, lease: &mut Lease) -> anyhow::Result<Vec<String>> {
        let lock = CommitLock::acquire(&self.target, self.on_change);
        for _ in 0..MAX_ATTEMPTS {
            let now = self.target.look_up_checked().map_err(|err| self.refused(err))?;
            let watch = |now| WriteGuard::watch(&self.target, now, self.on_change);
            let guard = now.as_ref().filter(|_| !lock.is_writer()).map(watch);
            let guard = guard.transpose().map_err(|err| self.refused(err))?;
            // The writer that the guard has waited for has changed the file.
            let now = self.target.look_up_checked().map_err(|err| self.refused(err))?;
            let unchanged = is_untouched(self.read(), now.as_ref());
            // A command that edits the file in place may have put the result where a symlink was.
            let is_elsewhere = self.on_change == OnChange::Fail && !self.target.is_where_it_was();
            if !unchanged || is_elsewhere {
                self.follow_change(now, lease)?;
                continue;
            }
            let notes = self.prepare(now.as_ref(), sync, lease)?;
            if self.swap(now.as_ref(), guard.as_ref(), &lock, lease)? {
                return Ok(notes);
            }
        }
        Err(self.refused(ReplaceError::KeepsChanging))
    }

    /// Appends the new content to the present content of the file, which has changed.
    fn follow_change(&mut self, now: Option<Existing>, lease: &mut Lease) -> anyhow::Result<()> {
        if self.on_change != OnChange::Append {
            return Err(self.refused(ReplaceError::ChangedByCommand));
        }
        let owner = self.first.as_ref().map_or_else(effective_user, |first| first.stat.st_uid);
        let is_first =
            |now: &Existing| self.first.as_ref().is_some_and(|first| first.is_same_file(&now.stat));
        if now.as_ref().is_some_and(|now| now.stat.st_uid != owner && !is_first(now)) {
            // The copy would not have its owner, and a mode that may let others read it.
            return Err(self.refused(ReplaceError::KeepsChanging));
        }
        let could_not = || self.target.could_not_replace();
        let new = create_beside(&self.target, now.as_ref(), lease).with_context(could_not)?;
        let base = match &now {
            Some(now) => self.copy(now, &new)?,
            None => Some(0),
        };
        let Some(base) = base else { return Ok(()) };
        let end = seek(&self.new, SeekFrom::End(0))?;
        transfer::copy_range(&self.new, self.base, end - self.base, &new)
            .map_err(|err| self.write_failed(err.cause()))?;
        std::mem::replace(&mut self.new, new).remove(lease);
        self.base = base;
        self.read = ReadFile::Later(now);
        Ok(())
    }

    /// Completes the new file, and gives it a hidden name. Returns notes for the user.
    fn prepare(
        &mut self,
        now: Option<&Existing>,
        sync: bool,
        lease: &mut Lease,
    ) -> anyhow::Result<Vec<String>> {
        // A file that another user has created meanwhile must not pass its owner and mode on to
        // content that was not meant for that user.
        let now = now.filter(|now| match &self.first {
            Some(first) if first.is_same_file(&now.stat) => true,
            // The new content is a copy of that file's, and no more secret than it.
            first => {
                let owner = first.as_ref().map_or_else(effective_user, |first| first.stat.st_uid);
                self.on_change == OnChange::Append && now.stat.st_uid == owner
            }
        });
        let notes = match now.or(self.first.as_ref()) {
            Some(old) => self.preserve_metadata(old).map_err(|err| self.write_failed(err))?,
            None => Vec::new(),
        };
        if sync {
            fsync(&self.new).map_err(|err| self.write_failed(err.into()))?;
        }
        self.new.create_link(lease).with_context(|| self.target.could_not_replace())?;
        Ok(notes)
    }

    /// Puts the new file in the place of `old`. Returns whether it did: if another file has come into
    /// that place, or a process has begun to write to it, everything is as before.
    fn swap(
        &mut self,
        old: Option<&Existing>,
        guard: Option<&WriteGuard>,
        lock: &CommitLock,
        lease: &mut Lease,
    ) -> anyhow::Result<bool> {
        let name = self.target.name();
        let Some(old) = old else {
            return match self.new.publish(name) {
                Ok(()) => Ok(true),
                Err(Errno::EXIST) => Ok(false),
                Err(CANNOT_PUBLISH) => self.rename_locked(None, guard, lock),
                Err(err) => Err(self.write_failed(err.into())),
            };
        };
        let can_exchange = self.new.cover_exchange(lease, old);
        if !can_exchange.with_context(|| self.target.could_not_replace())? {
            return self.rename_locked(Some(old), guard, lock);
        }
        // The exchange itself changes the one time that no program can set.
        if !self.look_again(Some(old))? {
            return Ok(false);
        }
        match self.new.exchange(name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(err) if lacks_exchange(err) => {
                return self.rename_locked(Some(old), guard, lock);
            }
            Err(err) => return Err(self.write_failed(err.into())),
        }
        let hidden = self.new.hidden()?;
        let out = self.target.look_up_name(hidden);
        let is_old = out.is_ok_and(|out| out.is_some_and(|out| old.has_content_of(&out)));
        if is_old && !guard.is_some_and(WriteGuard::saw_writer) {
            // If this fails, the end of the run removes it.
            let _ = self.new.remove_exchanged();
            return Ok(true);
        }
        self.new.exchange(name).map_err(|err| self.write_failed(err.into()))?;
        let back = self.target.look_up_name(hidden);
        let new = fstat(&self.new)?;
        if !back.is_ok_and(|back| back.is_some_and(|back| back.is_same_file(&new))) {
            // A third file has replaced the new one before that, and is the newest of all.
            self.new.exchange(name).map_err(|err| self.write_failed(err.into()))?;
        }
        Ok(false)
    }

    /// Gives the new file its name where no call refuses to replace another file than `old`. The lock keeps
    /// other tmpx processes away, and only a last look other programs. Returns whether it did.
    fn rename_locked(
        &self,
        old: Option<&Existing>,
        guard: Option<&WriteGuard>,
        lock: &CommitLock,
    ) -> anyhow::Result<bool> {
        if !lock.is_held() {
            return Err(self.refused(ReplaceError::Unprotected));
        }
        if !self.look_again(old)? || guard.is_some_and(WriteGuard::saw_writer) {
            return Ok(false);
        }
        self.new.rename(self.target.name()).map_err(|err| self.write_failed(err))?;
        Ok(true)
    }

    /// Looks once more at the file. Returns whether it is untouched.
    fn look_again(&self, old: Option<&Existing>) -> anyhow::Result<bool> {
        let now = self.target.look_up_checked().map_err(|err| self.refused(err))?;
        Ok(is_untouched(old, now.as_ref()))
    }

    /// Copies everything but the content from the old file to the new one. Returns notes on what it
    /// could not preserve.
    fn preserve_metadata(&self, old: &Existing) -> io::Result<Vec<String>> {
        let lost = metadata::preserve(old, &self.new)?;
        let shown = self.target.shown().display();
        let mut notes: Vec<String> =
            lost.into_iter().map(|name| format!("could not keep the {name} of {shown}")).collect();
        let others = links(old).saturating_sub(1);
        if others > 0 {
            let (s, keep) = if others == 1 { ("", "keeps") } else { ("s", "keep") };
            notes.push(format!(
                "{shown} had {others} other hard link{s}, which {keep} the old content"
            ));
        }
        Ok(notes)
    }
}

/// Returns the number of links to a file. FUSE may remember one that is out of date.
fn links(file: &Existing) -> u64 {
    #[allow(clippy::useless_conversion, reason = "the width differs between architectures")]
    let known = u64::from(file.stat.st_nlink);
    if known <= 1 {
        return known;
    }
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
    let stat = statx(file, c"", flags, StatxFlags::NLINK);
    stat.map_or(known, |stat| stat.stx_nlink.into())
}

/// Whether nobody has touched `old` or, if that is `None`, created a file in its place.
fn is_untouched(old: Option<&Existing>, now: Option<&Existing>) -> bool {
    match (old, now) {
        (Some(old), Some(now)) => old.is_untouched(now),
        (old, now) => old.is_none() && now.is_none(),
    }
}

/// Creates an unnamed file beside the target. A new file gets the mode that the shell would give it. A
/// copy of an old file stays private until it has the old file's mode.
fn create_beside(
    target: &Target,
    old: Option<&Existing>,
    lease: &mut Lease,
) -> anyhow::Result<TmpFile> {
    let mode = if old.is_some() { 0o600 } else { 0o666 };
    TmpFile::create_linkable(lease, target.dir().try_clone()?, mode).map_err(|err| {
        let is_closed = err.unusable_dir().is_some() && err.missing_dir().is_none();
        if is_closed && old.is_some() { ReplaceError::ClosedDir(err).into() } else { err.into() }
    })
}

fn sync_dir(dir: &Dir) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fsync(openat(dir, c".", flags, Mode::empty())?)?)
}

/// Writes a file atomically.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], lease: &mut Lease) -> anyhow::Result<()> {
    let replacement = Replacement::begin(Target::find(path)?, OnChange::Replace, lease)?;
    replacement.write(bytes)?;
    replacement.commit(false, lease).map(drop)
}
