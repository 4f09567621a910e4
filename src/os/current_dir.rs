//! The caller's working directory.
//!
//! It may have been removed while the caller was in it. A command can run all the same, as long as
//! nothing is relative to it.

use std::io;
use std::path::{Path, PathBuf};

/// The working directory of this process, if it has a path.
#[derive(Debug)]
pub(crate) struct CurrentDir(io::Result<PathBuf>);

/// Something is relative to a working directory that has no path.
#[derive(Debug, thiserror::Error)]
#[error("could not find the working directory")]
pub(crate) struct NoCurrentDir(#[source] io::Error);

impl CurrentDir {
    /// Asks the system for the working directory.
    pub(crate) fn current() -> Self {
        Self(std::env::current_dir())
    }

    /// Returns its path, if it has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.0.as_deref().ok()
    }

    /// Returns its path, or says why it has none.
    pub(crate) fn require(&self) -> Result<&Path, NoCurrentDir> {
        self.0.as_deref().map_err(|err| {
            NoCurrentDir(err.raw_os_error().map_or(err.kind().into(), io::Error::from_raw_os_error))
        })
    }

    /// Returns a path that is relative to it as an absolute one. An absolute path needs no working
    /// directory.
    pub(crate) fn join(&self, path: &Path) -> Option<PathBuf> {
        match self.path() {
            Some(dir) => Some(dir.join(path)),
            None => path.is_absolute().then(|| path.to_owned()),
        }
    }
}

#[cfg(test)]
impl From<&Path> for CurrentDir {
    fn from(path: &Path) -> Self {
        Self(Ok(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_working_directory_only_absolute_paths_lead_somewhere() {
        let gone = CurrentDir(Err(io::Error::from_raw_os_error(libc::ENOENT)));
        assert_eq!(gone.join(Path::new("/a")), Some("/a".into()));
        assert_eq!(gone.join(Path::new("a")), None);
        assert_eq!(gone.path(), None);
        let err = gone.require().unwrap_err();
        assert_eq!(err.0.raw_os_error(), Some(libc::ENOENT));
        let there = CurrentDir::from(Path::new("/there"));
        assert_eq!(there.join(Path::new("a")), Some("/there/a".into()));
    }
}
