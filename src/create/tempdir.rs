//! The candidates for the temp dir, in the order of Python's `tempfile.gettempdir`.
//!
//! TMPDIR, TEMP and TMP, unless they are empty, then /tmp, /var/tmp, /usr/tmp, then the working
//! directory. Each is made absolute by its text alone, as by `os.path.abspath`.

use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::lease::tmpfile::lacks_unnamed_files;
use crate::os::{CurrentDir, Env};

/// The variables that name a temp dir.
const VARIABLES: [&str; 3] = ["TMPDIR", "TEMP", "TMP"];

/// The directories after those.
const DEFAULT_DIRS: [&str; 3] = ["/tmp", "/var/tmp", "/usr/tmp"];

/// A directory that may be the temp dir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TempDirCandidate {
    /// An absolute path.
    pub path: PathBuf,
    /// The variable that names it.
    pub variable: Option<&'static str>,
}

/// The candidates in order. They are determined on demand: most runs use the first, and never need the
/// working directory.
#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    named: std::vec::IntoIter<(&'static str, PathBuf)>,
    defaults: std::array::IntoIter<&'static str, 3>,
    includes_working_dir: bool,
}

/// Returns the candidates. The first that is usable is the temp dir.
pub(crate) fn candidates(env: &Env) -> Candidates {
    let named = VARIABLES.into_iter().filter_map(|name| Some((name, env.get(name)?.into())));
    Candidates {
        named: named.collect::<Vec<_>>().into_iter(),
        defaults: DEFAULT_DIRS.into_iter(),
        includes_working_dir: true,
    }
}

impl Iterator for Candidates {
    type Item = TempDirCandidate;

    fn next(&mut self) -> Option<Self::Item> {
        for (variable, path) in self.named.by_ref() {
            // A relative path means nothing if the working directory was removed.
            if let Ok(path) = std::path::absolute(path) {
                return Some(TempDirCandidate { path: normalize(&path), variable: Some(variable) });
            }
        }
        let path = match self.defaults.next() {
            Some(dir) => dir.into(),
            None if std::mem::take(&mut self.includes_working_dir) => {
                CurrentDir::current().path()?.to_owned()
            }
            None => return None,
        };
        Some(TempDirCandidate { path, variable: None })
    }
}

/// Removes `.`, `..` and repeated slashes, without a look at the filesystem.
fn normalize(path: &Path) -> PathBuf {
    let mut normalized = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normalized.pop();
            }
            Component::CurDir => {}
            part => normalized.push(part),
        }
    }
    normalized
}

/// Checks whether a directory is usable, as Python does: by writing a file there. The file has no name,
/// so that nothing is left if tmpx is killed. Returns false if the filesystem has no such files.
pub(crate) fn probe(dir: &Path) -> io::Result<bool> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match open(dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(_) => tempfile::tempfile_in(dir)?.write_all(b"blat").map(|()| true),
        Err(err) if err != Errno::NOENT && lacks_unnamed_files(err) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_first_and_empty_ones_are_skipped() {
        let found =
            candidates(&Env::fixed(&[("TMPDIR", ""), ("TEMP", "/a/./b/../c//"), ("TMP", "x")]));
        let cwd = std::env::current_dir().unwrap();
        let shown: Vec<_> = found.map(|one| (one.variable, one.path)).collect();
        assert_eq!(
            shown,
            [
                (Some("TEMP"), PathBuf::from("/a/c")),
                (Some("TMP"), cwd.join("x")),
                (None, "/tmp".into()),
                (None, "/var/tmp".into()),
                (None, "/usr/tmp".into()),
                (None, cwd),
            ]
        );
    }

    #[test]
    fn probing_a_missing_directory_returns_the_error_of_the_system() {
        let err = probe(Path::new("/nodir/at/all")).unwrap_err();
        assert_eq!(err.raw_os_error(), Some(libc::ENOENT));
    }
}
