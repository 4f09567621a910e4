//! One directory on the path from the root of a walk to its deepest directory.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{SeekFrom, seek};

use crate::remove::entries::ReadState;
use crate::remove::stat::{FileKey, stat_entry, stat_fd};

/// How often a directory may be read again from its start. If it still has entries then, another
/// process keeps adding some, or those found again cannot be removed.
pub(super) const MAX_REWINDS: u32 = 64;

/// A directory that a walk has entered and not yet removed.
pub(super) struct DirFrame {
    /// Its name in the parent directory.
    pub(super) name: CString,
    /// Its descriptor, unless that was closed to stay within the limit.
    pub(super) fd: Option<Arc<OwnedFd>>,
    /// If the descriptor was closed: which directory it referred to.
    pub(super) key: Option<FileKey>,
    /// If the descriptor was closed: the position up to which it had read.
    position: u64,
    /// The bytes that the directory itself occupies, if bytes are counted.
    pub(super) bytes: u64,
    /// Subdirectories that were read and are not yet removed.
    pub(super) pending_dirs: Vec<CString>,
    pub(super) state: ReadState,
    /// Whether some entry could not be removed.
    pub(super) failed: bool,
    /// Whether reading continued at `position` on a new descriptor.
    seeked: bool,
    /// Whether this directory, or one above it, is read again after a failure. The failures found
    /// in this pass have been reported before.
    pub(super) second_pass: bool,
    /// How often reading started over.
    pub(super) rewinds: u32,
}

impl DirFrame {
    /// A directory of which nothing has been read. It occupies `bytes` itself.
    pub(super) fn new(name: CString, fd: Arc<OwnedFd>, bytes: u64) -> Self {
        Self {
            name,
            fd: Some(fd),
            key: None,
            position: 0,
            bytes,
            pending_dirs: Vec::new(),
            state: ReadState::More,
            failed: false,
            seeked: false,
            second_pass: false,
            rewinds: 0,
        }
    }

    /// A part of this directory for another walk, which reads no further and does not remove the
    /// directory itself. `fd` refers to this directory.
    pub(super) fn part(&self, fd: Arc<OwnedFd>, pending_dirs: Vec<CString>) -> Self {
        let whole = Self::new(CString::default(), fd, 0);
        Self { pending_dirs, state: ReadState::End, second_pass: self.second_pass, ..whole }
    }

    /// Records how far the directory has been read.
    ///
    /// Most directories are small, and one more getdents(2) call for each, only to confirm its end,
    /// would be noticeable. So the end is presumed, and rmdir(2) reveals it if an entry was missed.
    /// Where the walk will not call rmdir, nothing is presumed: in a dry run (`removes` is false)
    /// and after a failed entry. Nor is it after a presumption was wrong.
    pub(super) fn record_read(&mut self, state: ReadState, removes: bool) {
        let may_presume = removes && !self.failed && self.rewinds == 0;
        self.state = match state {
            ReadState::ProbablyEnd if !may_presume => ReadState::More,
            state => state,
        };
    }

    /// Whether the directory must be read further before it can be removed. After a failed entry
    /// the walk does not call rmdir(2), which would reveal that a presumed end was wrong.
    pub(super) fn wants_reading(&self) -> bool {
        let has_more = match self.state {
            ReadState::More => true,
            ReadState::ProbablyEnd => self.failed,
            ReadState::End => false,
        };
        has_more && self.fd.is_some()
    }

    /// Closes the descriptor, and records the key and the position of the directory. If these
    /// cannot be determined, keeps the descriptor and returns false.
    pub(super) fn close_fd(&mut self) -> bool {
        let Some(fd) = &self.fd else { return false };
        let position = match self.state {
            ReadState::End => Ok(0),
            ReadState::More | ReadState::ProbablyEnd => seek(fd, SeekFrom::Current(0)),
        };
        let (Ok(stat), Ok(position)) = (stat_fd(fd.as_fd()), position) else { return false };
        self.key = Some(FileKey::of(&stat));
        self.position = position;
        self.fd = None;
        true
    }

    /// Replaces the closed descriptor, and continues reading at its position.
    pub(super) fn reopen_with(&mut self, fd: OwnedFd) {
        if self.state != ReadState::End && self.position > 0 {
            self.seeked = true;
            if seek(&fd, SeekFrom::Start(self.position)).is_err() {
                // Reading starts over. If the entries found again cannot be removed, only the limit
                // ends this.
                self.rewinds += 1;
            }
            if self.rewinds >= MAX_REWINDS {
                self.state = ReadState::End;
            }
        }
        self.fd = Some(Arc::new(fd));
    }

    /// Starts a second pass over the directory if entries may have been missed: on some filesystems
    /// a position counts the entries that are left, so seeking to it after removals skips some.
    /// Usually rmdir(2) reveals skipped entries, but after a failed entry the walk does not call
    /// it. Returns whether it started a pass; it starts at most one.
    pub(super) fn rewind_once(&mut self) -> bool {
        let is_due = self.failed && self.seeked && !self.second_pass;
        let fd = self.fd.as_ref().filter(|_| is_due);
        if fd.is_none_or(|fd| seek(fd, SeekFrom::Start(0)).is_err()) {
            return false;
        }
        self.second_pass = true;
        self.state = ReadState::More;
        true
    }

    /// Reads the directory again because rmdir(2) found that it is not empty.
    pub(super) fn read_again(&mut self) -> io::Result<()> {
        self.rewinds += 1;
        let only_presumed = self.state == ReadState::ProbablyEnd;
        self.state = ReadState::More;
        match &self.fd {
            // The missed entries follow where reading stopped.
            Some(fd) if !only_presumed => {
                seek(fd, SeekFrom::Start(0))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether its name in `parent` still refers to this directory.
    pub(super) fn is_entry_of(&self, parent: BorrowedFd<'_>) -> bool {
        let own = self.fd.as_ref().and_then(|fd| stat_fd(fd.as_fd()).ok());
        let entry = stat_entry(parent, &self.name).ok();
        own.is_some_and(|own| entry.is_some_and(|entry| FileKey::of(&own) == FileKey::of(&entry)))
    }

    /// Whether the directory still has a name somewhere.
    pub(super) fn is_linked(&self) -> bool {
        let stat = self.fd.as_ref().and_then(|fd| stat_fd(fd.as_fd()).ok());
        stat.is_some_and(|stat| stat.stx_nlink > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::remove::entries::Entries;

    fn frame(path: &Path) -> DirFrame {
        let fd = OwnedFd::from(fs::File::open(path).unwrap());
        DirFrame::new(c"dir".into(), Arc::new(fd), 0)
    }

    #[test]
    fn the_end_is_presumed_only_where_rmdir_would_reveal_an_error() {
        use ReadState::{End, More, ProbablyEnd};
        let dir = tempfile::tempdir().unwrap();
        let recorded = |state, removes, failed, rewinds| {
            let mut frame = DirFrame { failed, rewinds, ..frame(dir.path()) };
            frame.record_read(state, removes);
            frame.state
        };
        assert_eq!(recorded(ProbablyEnd, true, false, 0), ProbablyEnd);
        assert_eq!(recorded(ProbablyEnd, false, false, 0), More, "a dry run removes nothing");
        assert_eq!(recorded(ProbablyEnd, true, true, 0), More, "an entry failed");
        assert_eq!(recorded(ProbablyEnd, true, false, 1), More, "it was wrong before");
        assert_eq!(recorded(End, false, true, 1), End);
    }

    #[test]
    fn a_closed_descriptor_is_replaced_at_its_position() {
        let dir = tempfile::tempdir().unwrap();
        (0..300).for_each(|n| fs::write(dir.path().join(format!("{n:0>255}")), "").unwrap());
        let mut frame = frame(dir.path());
        let mut entries = Entries::default();
        let mut read = |frame: &mut DirFrame| {
            frame.state = entries.read(frame.fd.as_ref().unwrap().as_fd()).unwrap();
            entries.files.len()
        };
        let mut count = read(&mut frame);
        assert!(frame.close_fd() && frame.fd.is_none() && frame.key.is_some());
        assert!(!frame.close_fd(), "it is closed");
        frame.reopen_with(fs::File::open(dir.path()).unwrap().into());
        while frame.state != ReadState::End {
            count += read(&mut frame);
        }
        assert_eq!(count, 300);
    }

    #[test]
    fn only_one_second_pass_follows_a_failure_after_a_seek() {
        let dir = tempfile::tempdir().unwrap();
        let mut frame = frame(dir.path());
        assert!(!frame.rewind_once(), "nothing failed");
        frame.failed = true;
        assert!(!frame.rewind_once(), "nothing can have been missed");
        frame.seeked = true;
        frame.state = ReadState::End;
        assert!(frame.rewind_once());
        assert_eq!(frame.state, ReadState::More);
        assert!(!frame.rewind_once(), "this was the second pass");
    }

    #[test]
    fn a_directory_that_was_renamed_or_replaced_is_no_entry_under_its_name() {
        let top = tempfile::tempdir().unwrap();
        let parent = fs::File::open(top.path()).unwrap();
        let [path, moved] = ["dir", "moved"].map(|name| top.path().join(name));
        fs::create_dir(&path).unwrap();
        let frame = frame(&path);
        assert!(frame.is_entry_of(parent.as_fd()));
        fs::rename(&path, &moved).unwrap();
        assert!(!frame.is_entry_of(parent.as_fd()));
        fs::create_dir(&path).unwrap();
        assert!(!frame.is_entry_of(parent.as_fd()));
        assert!(frame.is_linked());
        fs::remove_dir(&moved).unwrap();
        assert!(!frame.is_linked());
    }
}
