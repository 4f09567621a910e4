//! Replaces the content of a file atomically.
//!
//! The new content is written to an unnamed file in the target's directory, so that a kill leaves
//! nothing behind. That file gets the owner, mode and attributes of the old file, then a hidden name
//! under a lease, and finally the target's name, by a rename. The old file is never opened for
//! writing.

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

/// New content for a file, until [`Replacement::commit`] puts it in place.
#[derive(Debug)]
pub(crate) struct Replacement {
    target: Target,
    /// The file to replace, as it was at the beginning.
    old: Option<Existing>,
    new: TmpFile,
    append: bool,
}

impl Replacement {
    /// Begins with empty content or, with `append`, with a copy of the old content.
    pub(crate) fn begin(target: Target, append: bool, lease: &mut Lease) -> anyhow::Result<Self> {
        let could_not = || target.could_not_replace();
        let old = target.look_up().with_context(could_not)?;
        // A new file gets the mode that the shell would give it. A copy of an old file stays private
        // until it has the old file's mode.
        let mode = if old.is_some() { 0o600 } else { 0o666 };
        let dir = target.dir().try_clone().with_context(could_not)?;
        let new = TmpFile::create(lease, dir, mode).with_context(could_not)?;
        let replacement = Self { target, old, new, append };
        if append && let Some(old) = &replacement.old {
            replacement.copy(old)?;
        }
        Ok(replacement)
    }

    fn copy(&self, old: &Existing) -> anyhow::Result<()> {
        let from = self.open(old)?;
        copy::fill(&from, &self.new, &|| Ok(())).map_err(|err| self.write_failed(err))?;
        // Sharing blocks does not move the file offset.
        seek(&self.new, SeekFrom::End(0))?;
        Ok(())
    }

    /// Opens the old file for reading. If another file has its name by now, perhaps a FIFO, this
    /// fails without waiting.
    fn open(&self, old: &Existing) -> anyhow::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(self.target.dir(), self.target.name(), flags, Mode::empty());
        let could_not = || format!("could not read {}", self.target.shown().display());
        let file = file.map_err(io::Error::from).with_context(could_not)?;
        let stat = fstat(&file)?;
        if (stat.st_dev, stat.st_ino) != (old.stat.st_dev, old.stat.st_ino) {
            return Err(self.changed());
        }
        Ok(file)
    }

    fn changed(&self) -> anyhow::Error {
        anyhow!("it has changed since its content was read")
            .context(self.target.could_not_replace())
    }

    /// Appends all bytes of a stream to the new content, and returns their number. Messages call the
    /// stream `name`.
    pub(crate) fn fill(&self, from: impl AsFd, name: &str) -> anyhow::Result<u64> {
        transfer::copy_to_end(from, &self.new).map_err(|err| match err {
            TransferError::Reading(err) => {
                anyhow::Error::new(err).context(format!("could not read {name}"))
            }
            TransferError::Writing(err) => self.write_failed(err),
        })
    }

    /// Appends a part of a file to the new content.
    pub(crate) fn append_range(
        &self,
        from: impl AsFd,
        start: u64,
        length: u64,
    ) -> anyhow::Result<()> {
        match transfer::copy_range(from, start, length, &self.new) {
            Ok(_) => Ok(()),
            Err(err) => Err(self.write_failed(err.cause())),
        }
    }

    /// Appends bytes to the new content.
    pub(crate) fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        write_all(self.new.as_fd(), bytes).map_err(|err| self.write_failed(err))
    }

    fn write_failed(&self, err: io::Error) -> anyhow::Error {
        let act = self.target.could_not_replace();
        let act = with_full_filesystem(act, self.target.dir().path(), &err);
        anyhow::Error::new(err).context(act)
    }

    /// Puts the new content in place. With `sync`, it is on the disk when this returns. Returns
    /// notes for the user.
    pub(crate) fn commit(mut self, sync: bool, lease: &mut Lease) -> anyhow::Result<Vec<String>> {
        let now = self.target.look_up().with_context(|| self.target.could_not_replace())?;
        let unchanged = match (&self.old, &now) {
            (Some(old), Some(now)) => old.is_unchanged(now),
            (old, now) => old.is_none() && now.is_none(),
        };
        // The new content holds a copy of the old: replacing the file would undo the change.
        if self.append && !unchanged {
            return Err(self.changed());
        }
        let notes = match now.as_ref().or(self.old.as_ref()) {
            Some(old) => self.preserve_metadata(old).map_err(|err| self.write_failed(err))?,
            None => Vec::new(),
        };
        if sync {
            fsync(&self.new).map_err(|err| self.write_failed(err.into()))?;
        }
        self.new.create_link(lease).with_context(|| self.target.could_not_replace())?;
        self.new.rename(self.target.name()).map_err(|err| self.write_failed(err))?;
        if sync {
            sync_dir(self.target.dir()).with_context(|| {
                format!("could not sync the directory of {}", self.target.shown().display())
            })?;
        }
        Ok(notes)
    }

    /// Copies everything but the content from the old file to the new one. Returns notes on what it
    /// could not preserve.
    fn preserve_metadata(&self, old: &Existing) -> io::Result<Vec<String>> {
        let lost = metadata::preserve(old, &self.new)?;
        let shown = self.target.shown().display();
        let mut notes: Vec<String> =
            lost.into_iter().map(|name| format!("could not keep the {name} of {shown}")).collect();
        #[allow(clippy::useless_conversion, reason = "the width differs between architectures")]
        let others = u64::from(old.stat.st_nlink).saturating_sub(1);
        if others > 0 {
            let (s, keep) = if others == 1 { ("", "keeps") } else { ("s", "keep") };
            notes.push(format!(
                "{shown} had {others} other hard link{s}, which {keep} the old content"
            ));
        }
        Ok(notes)
    }
}

fn sync_dir(dir: &Dir) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fsync(openat(dir, c".", flags, Mode::empty())?)?)
}

/// Writes a file atomically.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], lease: &mut Lease) -> anyhow::Result<()> {
    let replacement = Replacement::begin(Target::find(path)?, false, lease)?;
    replacement.write(bytes)?;
    replacement.commit(false, lease).map(drop)
}
