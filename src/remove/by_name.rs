//! Removes single entries by name, for callers that created them a moment ago.
//!
//! These functions do not open and judge an entry as [`Root`](crate::remove::root::Root) does, so
//! they never remove the contents of a directory: where others may rename entries, a name may
//! meanwhile refer to another directory.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, CWD, fstat, lstat, unlinkat};

use crate::fs::Dir;

/// Removes an entry of `dir`; a directory only if it is empty.
///
/// Use this only for a name that nobody else can have chosen: a hidden random name, or a directory
/// that this process has just created. Whatever has the name now is removed.
pub(crate) fn entry_by_name(dir: &Dir, name: &OsStr, is_dir: bool) -> io::Result<()> {
    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    Ok(unlinkat(dir, name, flags)?)
}

/// Removes what this process has just created at `path`, before the caller learned the path: the
/// file that is open as `file`, if the path still refers to it, or without `file` an empty
/// directory.
///
/// Ignores errors: the creation has failed, and that is what the caller reports.
pub(crate) fn undo_creation(path: &CStr, file: Option<&OwnedFd>) {
    let Some(file) = file else {
        let _ = unlinkat(CWD, path, AtFlags::REMOVEDIR);
        return;
    };
    if let (Ok(created), Ok(found)) = (fstat(file), lstat(path))
        && (created.st_dev, created.st_ino) == (found.st_dev, found.st_ino)
    {
        let _ = unlinkat(CWD, path, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use super::*;

    fn c_path(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    #[test]
    fn a_created_file_is_removed_but_not_one_that_replaced_it() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["file", "other"].map(|name| dir.path().join(name));
        let file = fs::File::create(&path).unwrap().into();
        undo_creation(&c_path(&path), Some(&file));
        assert!(!path.exists());
        let file = fs::File::create(&path).unwrap().into();
        fs::write(&other, "kept").unwrap();
        fs::rename(&other, &path).unwrap();
        undo_creation(&c_path(&path), Some(&file));
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }

    #[test]
    fn a_created_directory_is_removed_only_while_it_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dir");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "").unwrap();
        undo_creation(&c_path(&path), None);
        assert!(path.join("file").exists());
        fs::remove_file(path.join("file")).unwrap();
        undo_creation(&c_path(&path), None);
        assert!(!path.exists());
    }

    #[test]
    fn an_entry_of_the_wrong_type_is_not_removed() {
        let top = tempfile::tempdir().unwrap();
        let dir = Dir::open(top.path()).unwrap();
        fs::create_dir(top.path().join("dir")).unwrap();
        fs::write(top.path().join("file"), "").unwrap();
        assert!(entry_by_name(&dir, "dir".as_ref(), false).is_err());
        assert!(entry_by_name(&dir, "file".as_ref(), true).is_err());
        entry_by_name(&dir, "dir".as_ref(), true).unwrap();
        entry_by_name(&dir, "file".as_ref(), false).unwrap();
    }
}
