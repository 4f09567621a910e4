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

/// Adds the filesystem of a directory to a description of what failed, if that filesystem is full.
pub(crate) fn with_full_filesystem(act: String, dir: &Path, err: &io::Error) -> String {
    if is_full(err) { on_filesystem(&act, &mount_point(dir)) } else { act }
}

/// Does the same for an open file, which it locates by its current or last name. A pipe or device
/// lies on no filesystem.
pub(crate) fn with_full_filesystem_of(act: String, file: impl AsFd, err: &io::Error) -> String {
    if !is_full(err) || !is_file(&file) {
        return act;
    }
    match std::fs::read_link(proc_path(file)) {
        Ok(path) => on_filesystem(&act, &mount_point(path.parent().unwrap_or(&path))),
        Err(_) => act,
    }
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
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let message =
            with_full_filesystem("could not write".into(), Path::new("/proc/self"), &full);
        assert_eq!(message, "could not write, on the filesystem /proc");
        let other = io::Error::from_raw_os_error(libc::EIO);
        assert_eq!(
            with_full_filesystem("could not".into(), Path::new("/proc"), &other),
            "could not"
        );
    }
}
