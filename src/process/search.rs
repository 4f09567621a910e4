//! Searches PATH for a program, as execvp(3) does.

use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FileType, statat};
use rustix::io::Errno;

use crate::os::CurrentDir;
use crate::sys::may_access;

/// Searches the directories of `path`, of which relative ones are relative to `search_dir`. A file
/// that may not be executed is skipped, and becomes the error if no later directory has one that
/// may.
pub(super) fn in_path(
    program: &OsStr,
    path: &OsStr,
    search_dir: &CurrentDir,
) -> io::Result<PathBuf> {
    let mut failure = Errno::NOENT;
    for dir in path.as_bytes().split(|byte| *byte == b':') {
        let Some(dir) = search_dir.join(Path::new(OsStr::from_bytes(dir))) else { continue };
        let candidate = dir.join(program);
        match may_access(CWD, &candidate, Access::EXEC_OK) {
            Ok(()) if is_file(CWD, &candidate) => return Ok(candidate),
            Ok(()) | Err(Errno::ACCESS) => failure = Errno::ACCESS,
            Err(_) => {}
        }
    }
    Err(failure.into())
}

/// Whether a path, relative to `dir`, leads to a regular file.
pub(super) fn is_file(dir: BorrowedFd<'_>, path: &Path) -> bool {
    statat(dir, path, AtFlags::empty())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}
