//! The entry that a removal starts from: opened first, then judged by the caller, then removed.
//!
//! [`Root::open`] opens an entry without following a symlink, so that the caller can judge it (its
//! type, owner, and identity) and remove exactly the entry that was judged: a directory is emptied
//! through the descriptor that was judged. Only the last step, which removes the entry itself, goes
//! by name, and can remove no more than that name. ARCHITECTURE.md says why this gap is harmless.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Statx, unlinkat};

use crate::fs::dir::c_name;
use crate::fs::{Dir, EntryId, Proof, Witness};
use crate::remove::context::RemovalContext;
use crate::remove::open::{open_path, open_readable};
use crate::remove::options::{Mode, Removal};
use crate::remove::outcome::{RemovalOutcome, Usage};
use crate::remove::pool::Pool;
use crate::remove::stat::{bytes_freed, is_dir, stat_entry, stat_fd};
use crate::remove::walk::RemovalWalk;

/// An entry that may be removed, opened so that the caller can judge it.
#[derive(Debug)]
pub struct Root<'a> {
    parent: &'a Dir,
    name: CString,
    path: PathBuf,
    stat: Statx,
    /// The entry itself (`O_PATH`), if it is a directory.
    dir: Option<OwnedFd>,
}

impl<'a> Root<'a> {
    /// Opens an entry of `parent`. Fails if it is a mount point.
    pub fn open(parent: &'a Dir, name: &OsStr) -> io::Result<Self> {
        let path = parent.join(name);
        let name = c_name(name)?;
        let mut stat = stat_entry(parent.as_fd(), &name)?;
        let dir = if is_dir(&stat) {
            let dir = open_path(parent.as_fd(), &name)?;
            stat = stat_fd(dir.as_fd())?;
            Some(dir)
        } else {
            None
        };
        Ok(Self { parent, name, path, stat, dir })
    }

    /// Returns its file type.
    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.stat.stx_mode.into())
    }

    /// Returns the user ID of its owner.
    pub fn owner(&self) -> u32 {
        self.stat.stx_uid
    }

    /// Returns its permission bits.
    pub fn mode(&self) -> u32 {
        u32::from(self.stat.stx_mode) & 0o7777
    }

    /// Returns its path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory that it is in.
    pub(crate) fn parent(&self) -> &'a Dir {
        self.parent
    }

    /// Whether it is the entry that `identity` was recorded for.
    pub(crate) fn proof(&self, identity: &EntryId, witness: Witness<'_>) -> Proof {
        let entry = match &self.dir {
            Some(dir) => self.parent.open_entry(dir.as_fd()),
            None => self.parent.entry(&self.name),
        };
        identity.proof(entry, witness)
    }

    /// Whether it has an identity that was recorded in this boot and does not rest on a mark.
    pub fn is(&self, identity: &EntryId) -> bool {
        self.proof(identity, Witness { lease: "", same_boot: Some(true) }) == Proof::Same
    }

    /// Whether it is a directory that is known to contain entries. One that a umask keeps us from
    /// reading may be empty.
    pub fn has_entries(&self) -> bool {
        let Some(dir) = &self.dir else { return false };
        let entries = open_readable(dir, false).and_then(|fd| Ok(rustix::fs::Dir::new(fd)?));
        let is_dot = |name: &CStr| matches!(name.to_bytes(), b"." | b"..");
        entries.is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| !is_dot(entry.file_name())))
        })
    }

    /// Whether it is a file without content, or a directory that is not known to contain entries.
    pub(crate) fn is_empty(&self) -> bool {
        if self.dir.is_some() { !self.has_entries() } else { self.stat.stx_size == 0 }
    }

    /// Removes the entry, a directory with its contents, or counts what that would free. Follows no
    /// symlink and enters no mount point.
    pub fn remove(self, removal: Removal<'_>) -> RemovalOutcome {
        let removed = match (&self.dir, removal.mode) {
            (Some(dir), mode) => match open_readable(dir, mode == Mode::Remove) {
                Ok(fd) => {
                    let context = RemovalContext::new(removal, self.parent.as_fd());
                    let newest_fd = fd.as_raw_fd();
                    let bytes = if removal.counts_bytes() { bytes_freed(&self.stat) } else { 0 };
                    let walk = RemovalWalk::new(self.name, self.path, fd, bytes);
                    return Pool::new(&context).run(walk, newest_fd);
                }
                // A real removal would grant itself access, so the entry counts.
                Err(_) if mode == Mode::DryRun => Ok(()),
                Err(err) => Err(err),
            },
            (None, Mode::Remove) => {
                unlinkat(self.parent, &self.name, AtFlags::empty()).map_err(io::Error::from)
            }
            (None, Mode::DryRun) => Ok(()),
        };
        self.outcome(removal, removed)
    }

    /// Removes the entry, or counts what that would free. Unlike [`Root::remove`], removes a directory
    /// only while it is empty.
    pub fn remove_alone(self, removal: Removal<'_>) -> RemovalOutcome {
        let flags = if self.dir.is_some() { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        let removed = match removal.mode {
            Mode::Remove => unlinkat(self.parent, &self.name, flags).map_err(io::Error::from),
            Mode::DryRun => Ok(()),
        };
        self.outcome(removal, removed)
    }

    fn outcome(self, removal: Removal<'_>, removed: io::Result<()>) -> RemovalOutcome {
        let mut outcome = RemovalOutcome::default();
        match removed {
            Ok(()) => {
                outcome.freed = Usage { entries: 1, bytes: bytes_freed(&self.stat) };
                if let Some(progress) = removal.progress {
                    progress.add(outcome.freed.entries, outcome.freed.bytes);
                }
            }
            Err(err) if err.raw_os_error() == Some(libc::ENOENT) => {}
            Err(err) => outcome.fail(self.path, err),
        }
        outcome
    }
}
