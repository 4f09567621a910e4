//! Lists a workspace, and records its state, which separates unchanged inputs from files that the
//! command created or changed.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir as DirReader, FileType, OFlags, Statx, StatxFlags};
use rustix::io::Errno;

use crate::fs::dir::open_beneath;
use crate::fs::{Dir, FileStamp};
use crate::workspace::layout::{TEMP_DIR, VAR_TEMP_DIR};
use crate::{remove, sys};

/// The state of every entry of a workspace, by its path there.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(HashMap<PathBuf, FileStamp>);

impl Snapshot {
    /// Records the state of a workspace. When this returns, every later change of a file shows.
    pub(crate) fn record(workspace: &Dir) -> Self {
        let entries = Listing::read(workspace).entries;
        let files = entries.values().filter(|stat| !is_dir(stat));
        FileStamp::await_tick(&files.map(FileStamp::from).collect::<Vec<_>>());
        Self(entries.into_iter().map(|(path, stat)| (path, FileStamp::from(&stat))).collect())
    }

    /// Whether an entry is the same as when the snapshot was recorded.
    pub(super) fn is_unchanged(&self, path: &Path, stat: &Statx) -> bool {
        self.0.get(path) == Some(&FileStamp::from(stat))
    }
}

/// Returns the type of an entry.
pub(super) fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

pub(super) fn is_dir(stat: &Statx) -> bool {
    file_type(stat) == FileType::Directory
}

/// The entries of a workspace by their paths there, without the temp dirs. No symlink is followed,
/// even if a process swaps entries meanwhile. A directory that cannot be read is listed without its
/// content.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) entries: BTreeMap<PathBuf, Statx>,
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
}

impl Listing {
    pub(super) fn read(workspace: &Dir) -> Self {
        let mut listing = Self::default();
        let mut pending = vec![PathBuf::new()];
        while let Some(dir) = pending.pop() {
            match listing.read_dir(workspace, &dir, &mut pending) {
                Ok(()) => {}
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                Err(err) => listing.unreadable.push((dir, err)),
            }
        }
        listing
    }

    fn read_dir(
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
            if [TEMP_DIR, VAR_TEMP_DIR].iter().any(|own| path == Path::new(own)) {
                continue;
            }
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            let stat = match sys::statx(&opened, &name, flags, StatxFlags::BASIC_STATS) {
                // A process that the command left running may remove entries meanwhile.
                Err(Errno::NOENT) => continue,
                stat => stat?,
            };
            if is_dir(&stat) {
                pending.push(path.clone());
            }
            self.entries.insert(path, stat);
        }
        Ok(())
    }
}

/// Opens a directory of the workspace for reading. If its own mode forbids that, it is made
/// readable, as it will be for its removal.
fn open_dir(workspace: &Dir, dir: &Path) -> io::Result<OwnedFd> {
    match open_beneath(workspace, dir, OFlags::RDONLY | OFlags::DIRECTORY) {
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {
            let path_fd = open_beneath(workspace, dir, OFlags::PATH | OFlags::DIRECTORY)?;
            remove::open_readable(&path_fd, true)
        }
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::last_tick;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    /// Creates a workspace with these files.
    fn workspace(files: &[&str]) -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        for file in files {
            let path = temp.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "old").unwrap();
        }
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn a_file_that_was_written_to_replaced_or_created_has_changed() {
        let (temp, dir) = workspace(&["same", "written", "replaced", "d/same"]);
        let earlier = std::time::SystemTime::UNIX_EPOCH;
        let written = fs::File::options().write(true).open(temp.path().join("written")).unwrap();
        written.set_modified(earlier).unwrap();
        let snapshot = Snapshot::record(&dir);
        // The size stays the same: the times alone differ.
        fs::write(temp.path().join("written"), "new").unwrap();
        fs::write(temp.path().join("other"), "old").unwrap();
        fs::rename(temp.path().join("other"), temp.path().join("replaced")).unwrap();
        fs::write(temp.path().join("created"), "").unwrap();
        let entries = Listing::read(&dir).entries;
        let unchanged = entries.iter().filter(|(path, stat)| snapshot.is_unchanged(path, stat));
        let unchanged: Vec<_> = unchanged.map(|(path, _)| path.to_str().unwrap()).collect();
        assert_eq!(unchanged, ["d", "d/same", "same"]);
    }

    #[test]
    fn when_a_snapshot_is_recorded_the_tick_of_the_last_change_is_over() {
        let (temp, dir) = workspace(&["a", "d/b"]);
        Snapshot::record(&dir);
        for file in ["a", "d/b"] {
            let metadata = fs::metadata(temp.path().join(file)).unwrap();
            let changed = (metadata.ctime(), u32::try_from(metadata.ctime_nsec()).unwrap());
            assert!(changed < last_tick(), "{file}");
        }
    }

    #[test]
    fn a_listing_follows_no_symlink_and_skips_the_temp_dirs() {
        let (temp, dir) = workspace(&["a", "d/e", ".tmp/t", ".tmp-var/t", "d/.tmp/kept"]);
        std::os::unix::fs::symlink("/etc", temp.path().join("link")).unwrap();
        let Listing { entries, unreadable } = Listing::read(&dir);
        let paths: Vec<_> = entries.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a", "d", "d/.tmp", "d/.tmp/kept", "d/e", "link"]);
        assert_eq!(file_type(&entries[Path::new("link")]), FileType::Symlink);
        assert!(unreadable.is_empty());
    }
}
