//! New content for a file, whole or not at all.
//!
//! It is written into a file without a name in the target's directory, so that a kill leaves
//! nothing, gets owner, mode and attributes of the old file, then a hidden name under a lease, and
//! takes the target's name by a rename. The old file is never opened for writing.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use rustix::fs::{Mode, OFlags, SeekFrom, fstat, fsync, openat, seek};

use crate::fs::disk_full::with_full_filesystem;
use crate::fs::rw::write_all;
use crate::fs::{Dir, TransferError, copy, metadata, transfer};
use crate::lease::{Lease, TmpFile};
use crate::streams::target::{Existing, Target};

/// New content in the making.
#[derive(Debug)]
pub(crate) struct Replacement {
    target: Target,
    /// What it is to replace, as it was in the beginning.
    old: Option<Existing>,
    new: TmpFile,
    append: bool,
}

impl Replacement {
    /// Begins it: empty, or with what the file holds in order to append to that.
    pub(crate) fn begin(target: Target, append: bool, lease: &mut Lease) -> anyhow::Result<Self> {
        let could_not = || target.could_not_replace();
        let old = target.look_up().with_context(could_not)?;
        // A new file is made as the shell makes one, and nobody sees an old one's content before
        // it has its mode.
        let mode = if old.is_some() { 0o600 } else { 0o666 };
        let place = target.dir().try_clone().with_context(could_not)?;
        let new = TmpFile::create(lease, place, mode).with_context(could_not)?;
        let replacement = Self { target, old, new, append };
        if append && let Some(old) = &replacement.old {
            replacement.copy(old)?;
        }
        Ok(replacement)
    }

    fn copy(&self, old: &Existing) -> anyhow::Result<()> {
        let from = self.open(old)?;
        let new = self.new.as_fd().try_clone_to_owned()?;
        copy::fill(&from, &new, &|| Ok(())).map_err(|err| match err.downcast() {
            Ok(err) => self.describe(TransferError::Writing(err), ""),
            Err(err) => err,
        })?;
        // Shared blocks move no offset.
        seek(&self.new, SeekFrom::End(0))?;
        Ok(())
    }

    /// Opens the old file for reading. Something else that has its name by now is not waited for.
    fn open(&self, old: &Existing) -> anyhow::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(self.target.dir(), self.target.name(), flags, Mode::empty());
        let could_not = || format!("could not read {}", self.target.shown().display());
        let file = file.map_err(io::Error::from).with_context(could_not)?;
        let stat = fstat(&file)?;
        if (stat.st_dev, stat.st_ino) != (old.stat.st_dev, old.stat.st_ino) {
            return self.has_changed();
        }
        Ok(file)
    }

    fn has_changed<T>(&self) -> anyhow::Result<T> {
        Err(anyhow!("it has changed since its content was read"))
            .with_context(|| self.target.could_not_replace())
    }

    /// Adds all that a stream brings, and tells how much that was. `what` it is stands in messages.
    pub(crate) fn fill(&self, from: impl AsFd, what: &str) -> anyhow::Result<u64> {
        transfer::copy_to_end(from, &self.new).map_err(|stuck| self.describe(stuck, what))
    }

    /// Adds bytes.
    pub(crate) fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        write_all(self.new.as_fd(), bytes)
            .map_err(|err| self.describe(TransferError::Writing(err), ""))
    }

    fn describe(&self, stuck: TransferError, what: &str) -> anyhow::Error {
        match stuck {
            TransferError::Reading(err) => {
                anyhow::Error::new(err).context(format!("could not read {what}"))
            }
            TransferError::Writing(err) => {
                let act = self.target.could_not_replace();
                let act = with_full_filesystem(act, self.target.dir().path(), &err);
                anyhow::Error::new(err).context(act)
            }
        }
    }

    /// Puts it in the target's place. `durable` says that it has to be on the disk when this
    /// returns. Returns what the user should know.
    pub(crate) fn commit(
        mut self,
        durable: bool,
        lease: &mut Lease,
    ) -> anyhow::Result<Vec<String>> {
        let now = self.target.look_up().with_context(|| self.target.could_not_replace())?;
        let same = match (&self.old, &now) {
            (Some(old), Some(now)) => old.is_unchanged(now),
            (old, now) => old.is_none() && now.is_none(),
        };
        if self.append && !same {
            return self.has_changed();
        }
        let notes = match now.as_ref().or(self.old.as_ref()) {
            Some(old) => self
                .preserve_metadata(old)
                .map_err(|err| self.describe(TransferError::Writing(err), ""))?,
            None => Vec::new(),
        };
        let synced = if durable { fsync(&self.new) } else { Ok(()) };
        synced.map_err(|err| self.describe(TransferError::Writing(err.into()), ""))?;
        self.new.create_link(lease).with_context(|| self.target.could_not_replace())?;
        self.new
            .rename(self.target.name())
            .map_err(|err| self.describe(TransferError::Writing(err), ""))?;
        if durable {
            sync_dir(self.target.dir()).with_context(|| {
                format!("could not make sure that {} lasts", self.target.shown().display())
            })?;
        }
        Ok(notes)
    }

    /// Gives the new file what an old one has besides its content.
    fn preserve_metadata(&self, old: &Existing) -> io::Result<Vec<String>> {
        let lost = metadata::preserve(old, &self.new)?;
        let shown = self.target.shown().display();
        let mut notes: Vec<String> =
            lost.into_iter().map(|what| format!("could not keep the {what} of {shown}")).collect();
        #[allow(clippy::useless_conversion, reason = "the width differs between architectures")]
        let others = u64::from(old.stat.st_nlink).saturating_sub(1);
        if others > 0 {
            let (s, keep) = if others == 1 { ("", "keeps") } else { ("s", "keep") };
            notes.push(format!("{shown} had {others} other name{s}, which {keep} the old content"));
        }
        Ok(notes)
    }
}

fn sync_dir(place: &Dir) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fsync(openat(place, c".", flags, Mode::empty())?)?)
}

/// Writes a file whole, by a rename.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], lease: &mut Lease) -> anyhow::Result<()> {
    let replacement = Replacement::begin(Target::find(path)?, false, lease)?;
    replacement.write(bytes)?;
    replacement.commit(false, lease).map(drop)
}
