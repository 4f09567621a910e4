//! A /tmp and a /var/tmp that are a workspace's own, for programs that hard-code them.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, Mode, Stat, chmodat, fstat, stat};

use crate::process::Command;
use crate::sys::PrivateMounts;
use crate::workspace::dir::Workspace;
use crate::workspace::layout::{TEMP_DIR, VAR_TEMP_DIR};

/// The directories that are hidden, and what lies over each.
const HIDDEN: [(&str, &str); 2] = [("/tmp", TEMP_DIR), ("/var/tmp", VAR_TEMP_DIR)];

/// Everybody may make files there, as in the real ones: the command may run as more than one user.
const OPEN_TO_ALL: u32 = 0o1777;

/// The real paths of the directories that are there, each once, and what lies over each.
pub(crate) fn hidden() -> io::Result<Vec<(PathBuf, &'static str)>> {
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
pub(crate) fn hides(dir: &Path) -> bool {
    let (Ok(dir), Ok(hidden)) = (std::fs::canonicalize(dir), hidden()) else {
        return false;
    };
    hidden.iter().any(|(path, _)| dir.starts_with(path))
}

impl Workspace {
    /// Makes what is to lie over /tmp and /var/tmp. Nobody else can get into the workspace yet.
    pub(crate) fn create_private_tmp(&self) -> anyhow::Result<()> {
        let could_not = || format!("could not lay out {}", self.path.display());
        let real = self.real();
        for (path, dir) in hidden().with_context(could_not)? {
            self.make(Path::new(dir))?;
            chmodat(&self.dir, dir, Mode::from_raw_mode(OPEN_TO_ALL), AtFlags::empty())
                .map_err(io::Error::from)
                .with_context(could_not)?;
            if let Ok(below) = real.strip_prefix(&path) {
                self.make(&Path::new(dir).join(below))?;
            }
        }
        Ok(())
    }

    /// Has a command see that in the place of /tmp and /var/tmp. The workspace is seen under its
    /// real path all the same. With `here` the command runs in `cwd`, else in the workspace.
    pub(crate) fn isolate_tmp<'a>(
        &'a self,
        command: &mut Command<'a>,
        cwd: &Path,
        here: bool,
    ) -> anyhow::Result<()> {
        let real = self.real();
        let mut over = Vec::new();
        let mut is_hidden = false;
        for (path, dir) in hidden()? {
            is_hidden |= real.starts_with(&path);
            over.push((c_path(Path::new(dir))?, c_path(&path)?));
        }
        if is_hidden {
            over.push((c".".to_owned(), c_path(&real)?));
        }
        let mounts = PrivateMounts::new(over);
        let id = |stat: Stat| (stat.st_dev, stat.st_ino);
        let mounts = if here {
            mounts.with_working_dir(c_path(cwd)?, id(stat(".")?))
        } else if is_hidden {
            mounts.with_working_dir(c_path(&real)?, id(fstat(&self.dir)?))
        } else {
            mounts
        };
        // The mounts are told relative to it.
        command.current_dir(self.dir.as_fd());
        command.mount(mounts);
        command.set_env("TMPDIR", "/tmp");
        if !here {
            command.set_env("PWD", &real);
        }
        command.set_env("TMPX_WORKSPACE", real);
        Ok(())
    }

    /// The path that the directory has now, without symlinks: one on the way to it may be hidden.
    fn real(&self) -> PathBuf {
        std::fs::read_link(&self.base).unwrap_or_else(|_| self.path.clone())
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
