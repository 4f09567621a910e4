//! Names the full filesystem in the message of a failed write.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::sys::proc_path;

/// Returns the mount point of the filesystem that contains a path: the highest directory above the
/// path on the same device.
pub(crate) fn mount_point(path: &Path) -> PathBuf {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let Ok(path) = std::fs::canonicalize(path) else {
        return path.to_owned();
    };
    let own_device = device(&path);
    let highest = path.ancestors().take_while(|above| device(above) == own_device).last();
    highest.unwrap_or(&path).to_owned()
}

/// Describes an error of writing to a file in a directory. Names the filesystem if it is full.
pub(crate) fn write_failed(act: String, dir: &Path, err: io::Error) -> anyhow::Error {
    let act = if is_full(&err) { on_filesystem(&act, &mount_point(dir)) } else { act };
    anyhow::Error::new(err).context(act)
}

/// Does the same for an open file, which it locates by its current or last name. A pipe or device
/// lies on no filesystem.
pub(crate) fn write_to_failed(act: &str, file: impl AsFd, err: io::Error) -> anyhow::Error {
    if is_full(&err)
        && is_file(&file)
        && let Ok(path) = std::fs::read_link(proc_path(file))
    {
        return write_failed(act.to_owned(), path.parent().unwrap_or(&path), err);
    }
    anyhow::Error::new(err).context(act.to_owned())
}

/// Describes an error of writing to standard output, which is this descriptor.
pub(crate) fn stdout_failed(stdout: impl AsFd, err: io::Error) -> anyhow::Error {
    write_to_failed("could not write to stdout", stdout, err)
}

/// Returns the filesystem of a directory if an operation failed because it is full.
pub(crate) fn full(dir: &Path, err: &io::Error) -> Option<PathBuf> {
    is_full(err).then(|| mount_point(dir))
}

/// Adds a filesystem to a description of what failed.
pub(crate) fn on_filesystem(act: &str, filesystem: &Path) -> String {
    format!("{act}, on the filesystem {}", filesystem.display())
}

fn is_full(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

fn is_file(file: impl AsFd) -> bool {
    rustix::fs::fstat(file)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_filesystem_is_named_by_its_mount_point() {
        assert_eq!(mount_point(Path::new("/")), Path::new("/"));
        assert_eq!(mount_point(Path::new("/proc/self")), Path::new("/proc"));
        let message = |errno, dir| {
            let err = io::Error::from_raw_os_error(errno);
            write_failed("could not write".into(), Path::new(dir), err).to_string()
        };
        let full = "could not write, on the filesystem /proc";
        assert_eq!(message(libc::ENOSPC, "/proc/self"), full);
        assert_eq!(message(libc::EIO, "/proc/self"), "could not write");
    }
}
