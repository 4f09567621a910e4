//! A /tmp and a /var/tmp that are a workspace's own, for programs that hard-code them.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, Mode, chmodat, mkdirat};

use super::{TEMP_DIR, Workspace};
use crate::sys::PrivateMounts;

/// What lies over /var/tmp, beside what lies over /tmp: a program may use the same name in both.
pub(super) const VAR_TEMP_DIR: &str = ".tmp-var";

/// The directories that are hidden, and what lies over each.
const HIDDEN: [(&str, &str); 2] = [("/tmp", TEMP_DIR), ("/var/tmp", VAR_TEMP_DIR)];

/// Everybody may make files there, as in the real ones: the command may run as more than one user.
const OPEN_TO_ALL: u32 = 0o1777;

/// The real paths of the directories that are there, each once, and what lies over each.
fn hidden() -> io::Result<Vec<(PathBuf, &'static str)>> {
    let mut found: Vec<(PathBuf, &str)> = Vec::new();
    for (path, dir) in HIDDEN {
        match std::fs::canonicalize(path) {
            Ok(real) if found.iter().all(|(other, _)| *other != real) => found.push((real, dir)),
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
    }
    Ok(found)
}

/// Whether a command with a /tmp of its own would not see this directory.
#[must_use]
pub fn hides(dir: &Path) -> bool {
    let (Ok(dir), Ok(hidden)) = (std::fs::canonicalize(dir), hidden()) else {
        return false;
    };
    hidden.iter().any(|(path, _)| dir.starts_with(path))
}

impl Workspace {
    /// Makes what is to lie over /tmp and /var/tmp, and plans the mounts. The workspace is seen under
    /// its `real` path all the same. The command is to stand in `stands_in`.
    ///
    /// # Errors
    /// As mkdir(2).
    pub(super) fn private_tmp(
        &self,
        real: &Path,
        stands_in: &Path,
    ) -> anyhow::Result<PrivateMounts> {
        let could_not = || format!("could not lay out {}", self.path.display());
        let mut over = Vec::new();
        let mut again = None;
        for (path, dir) in hidden().with_context(could_not)? {
            if dir != TEMP_DIR {
                mkdirat(&self.dir, dir, Mode::RWXU).map_err(io::Error::from)?;
            }
            chmodat(&self.dir, dir, Mode::from_raw_mode(OPEN_TO_ALL), AtFlags::empty())
                .map_err(io::Error::from)
                .with_context(could_not)?;
            if let Ok(below) = real.strip_prefix(&path) {
                self.make(&Path::new(dir).join(below))?;
                again = Some((c".".to_owned(), c_path(real)?));
            }
            over.push((c_path(Path::new(dir))?, c_path(&path)?));
        }
        over.extend(again);
        Ok(PrivateMounts::new(over, c_path(stands_in)?))
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
