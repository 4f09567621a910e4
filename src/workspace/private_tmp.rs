//! A private /tmp and /var/tmp, for programs that ignore TMPDIR: directories of the workspace,
//! mounted over the real ones for one command.

use std::ffi::CString;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{Mode, Stat, fstat, stat};

use crate::fs::dir::create_missing;
use crate::lease::PrivateTmp;
use crate::os::Mounts;
use crate::process::Command;
use crate::sys::PrivateMounts;
use crate::values::OsJson;
use crate::workspace::dir::Workspace;
use crate::workspace::layout::{TEMP_DIR, VAR_TEMP_DIR};

/// The hidden directories, and the directories of the workspace that are mounted over them.
const HIDDEN: [(&str, &str); 2] = [("/tmp", TEMP_DIR), ("/var/tmp", VAR_TEMP_DIR)];

/// The mode of the real ones: the command may run as more than one user.
const WRITABLE_BY_ALL: u32 = 0o1777;

/// Lets others reach what is in a directory.
const SEARCHABLE_BY_OTHERS: u32 = 0o011;

/// Returns the real paths of the hidden directories that exist, each once, with the directory of the
/// workspace that is mounted over it.
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

/// Returns what the lease of a command with these mounts records of its private /tmp.
pub(crate) fn record(mounts: Mounts) -> Option<PrivateTmp> {
    let dirs = hidden().ok()?.into_iter().map(|(path, _)| OsJson::from(path)).collect();
    Some(PrivateTmp { mounts, dirs })
}

/// Whether a private /tmp hides this directory.
pub(crate) fn hides(dir: &Path) -> bool {
    let (Ok(dir), Ok(hidden)) = (std::fs::canonicalize(dir), hidden()) else {
        return false;
    };
    hidden.iter().any(|(path, _)| dir.starts_with(path))
}

impl Workspace {
    /// Creates the directories to mount over /tmp and /var/tmp. All users may write to them, because only
    /// the command can reach them: where the mount lets others into the workspace, they stay closed.
    pub(crate) fn create_private_tmp(&self) -> anyhow::Result<()> {
        let could_not = || format!("could not create a private /tmp in {}", self.path().display());
        let is_private = fstat(self.dir())?.st_mode & SEARCHABLE_BY_OTHERS == 0;
        let mode = if is_private { WRITABLE_BY_ALL } else { 0o700 };
        for (path, dir) in hidden().with_context(could_not)? {
            // The mode may not be set later.
            create_missing(self.dir(), dir, Mode::RWXU).with_context(could_not)?;
            self.chmod_new(dir, mode).with_context(could_not)?;
            // The workspace itself is mounted here.
            if let Ok(below) = self.dir().real_path().strip_prefix(&path) {
                self.create_dirs(&Path::new(dir).join(below))?;
            }
        }
        Ok(())
    }

    /// Mounts these directories over /tmp and /var/tmp for a command. The workspace stays visible
    /// under its real path. The command runs in `here`, if given, else in the workspace.
    pub(crate) fn isolate_tmp<'a>(
        &'a self,
        command: &mut Command<'a>,
        here: Option<&Path>,
    ) -> anyhow::Result<()> {
        let real = self.dir().real_path();
        let mut over = Vec::new();
        let mut is_hidden = false;
        for (path, dir) in hidden()? {
            is_hidden |= real.starts_with(&path);
            over.push((c_path(Path::new(dir))?, c_path(&path)?));
        }
        if is_hidden {
            over.push((c".".to_owned(), c_path(real)?));
        }
        let mounts = PrivateMounts::new(over);
        let id = |stat: Stat| (stat.st_dev, stat.st_ino);
        let mounts = if let Some(cwd) = here {
            mounts.with_working_dir(c_path(cwd)?, id(stat(".")?))
        } else if is_hidden {
            mounts.with_working_dir(c_path(real)?, id(fstat(self.dir())?))
        } else {
            mounts
        };
        // The paths of the mounts are relative to it.
        command.current_dir(self.dir().as_fd());
        command.mount(mounts);
        command.set_env("TMPDIR", "/tmp");
        if here.is_none() {
            command.set_env("PWD", real);
        }
        command.set_env("TMPX_WORKSPACE", real);
        Ok(())
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
