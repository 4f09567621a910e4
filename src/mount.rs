//! Which filesystem it was: a message that a disk is full says which one.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where the filesystem is mounted that holds a path: the highest directory above it on the same
/// device.
#[must_use]
pub fn point(path: &Path) -> PathBuf {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let Ok(path) = std::fs::canonicalize(path) else {
        return path.to_owned();
    };
    let here = device(&path);
    let above = path.ancestors().take_while(|above| device(above) == here).last();
    above.unwrap_or(&path).to_owned()
}

/// What could not be done in a directory, and on which filesystem where that is full.
#[must_use]
pub fn blamed(act: String, dir: &Path, err: &io::Error) -> String {
    match err.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => {
            format!("{act}, on the filesystem {}", point(dir).display())
        }
        _ => act,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_is_named_by_where_it_is_mounted() {
        assert_eq!(point(Path::new("/")), Path::new("/"));
        assert_eq!(point(Path::new("/proc/self")), Path::new("/proc"));
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let told = blamed("could not write".into(), Path::new("/proc/self"), &full);
        assert_eq!(told, "could not write, on the filesystem /proc");
        let other = io::Error::from_raw_os_error(libc::EIO);
        assert_eq!(blamed("could not".into(), Path::new("/proc"), &other), "could not");
    }
}
