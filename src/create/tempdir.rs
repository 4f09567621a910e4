//! Which directory temporary things go to, by the order of Python's `tempfile.gettempdir`.
//!
//! TMPDIR, TEMP, TMP (an empty one is skipped), then /tmp, /var/tmp, /usr/tmp, then the working
//! directory. Each is made absolute by its text alone, as `os.path.abspath` does it.

use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::os::Env;

/// The variables that name a temp dir, the first that is usable wins.
const VARIABLES: [&str; 3] = ["TMPDIR", "TEMP", "TMP"];

/// The directories that are tried after them.
const DEFAULT_DIRS: [&str; 3] = ["/tmp", "/var/tmp", "/usr/tmp"];

/// One directory to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TempDirCandidate {
    /// The directory, absolute.
    pub path: PathBuf,
    /// The variable that named it.
    pub variable: Option<&'static str>,
}

/// The directories to try, in order.
pub(crate) fn candidates(env: &Env) -> Vec<TempDirCandidate> {
    let cwd = std::env::current_dir().ok();
    let absolute = |path: &Path| match &cwd {
        Some(cwd) => normal(&cwd.join(path)),
        None => normal(path),
    };
    let named = VARIABLES.into_iter().filter_map(|variable| {
        let path = absolute(Path::new(&env.get(variable)?));
        Some(TempDirCandidate { path, variable: Some(variable) })
    });
    let usual = DEFAULT_DIRS.into_iter().map(PathBuf::from);
    let unnamed = usual.chain(cwd.clone()).map(|path| TempDirCandidate { path, variable: None });
    named.chain(unnamed).filter(|candidate| candidate.path.is_absolute()).collect()
}

/// Removes `.`, `..` and doubled slashes by the text alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Finds out whether a directory can be used, as Python does it: by writing a file there. The file
/// has no name where the filesystem can do that, and is gone when this returns either way.
pub(crate) fn probe(dir: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(dir).map_err(|err| match err.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        // tempfile wraps the error to name the path; the cause is the system's own.
        None => match err.get_ref().and_then(|inner| inner.source()) {
            Some(source) => match source.downcast_ref::<io::Error>() {
                Some(source) => source.raw_os_error().map_or(err, io::Error::from_raw_os_error),
                None => err,
            },
            None => err,
        },
    })?;
    file.write_all(b"blat")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::Fixed(pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn variables_come_first_and_empty_ones_are_skipped() {
        let found = candidates(&env(&[("TMPDIR", ""), ("TEMP", "/a/./b/../c//"), ("TMP", "x")]));
        let cwd = std::env::current_dir().unwrap();
        let shown: Vec<_> = found.iter().map(|one| (one.variable, one.path.clone())).collect();
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
    fn a_missing_directory_is_told_as_the_system_tells_it() {
        let err = probe(Path::new("/nodir/at/all")).unwrap_err();
        assert_eq!(err.raw_os_error(), Some(libc::ENOENT));
    }
}
