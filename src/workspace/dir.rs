//! A workspace: a leased directory with a layout and a private temp dir.
//!
//! It is laid out through its descriptor: in a parent that others may write to, somebody could put
//! another directory, or a link to one, under its name meanwhile.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, Mode, OFlags, chmodat, fstat, mkdirat};

use crate::fs::dir::{create_missing, open_child};
use crate::fs::{CopyOptions, Dir, Interrupt, copy};
use crate::lease::Created;
use crate::process::Command;
use crate::sys;
use crate::workspace::layout::{Layout, TEMP_DIR};

/// A directory that has been laid out.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) path: PathBuf,
    /// A path that goes by the descriptor, by the name where there is no /proc.
    pub(crate) base: PathBuf,
    pub(crate) dir: OwnedFd,
}

impl Workspace {
    /// Takes over a directory that was created with its descriptor.
    pub(crate) fn of(place: &Dir, created: Created) -> anyhow::Result<Self> {
        let path = place.join(&created.name);
        let dir = created.fd.context("the new directory is not open")?;
        let by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
        let base = if by_descriptor.exists() { by_descriptor } else { path.clone() };
        Ok(Self { path, base, dir })
    }

    /// Creates the temp dir, the directories and the inputs.
    pub(crate) fn populate(&self, layout: &Layout, go_on: Interrupt<'_>) -> anyhow::Result<()> {
        let stat = fstat(&self.dir)?;
        let options = CopyOptions { check_interrupt: go_on, exclude: (stat.st_dev, stat.st_ino) };
        if stat.st_mode & 0o777 != 0o700 {
            self.set_mode(0o700)?;
        }
        self.make_temp_dir()
            .with_context(|| format!("could not create directory {}", self.temp_dir().display()))?;
        layout.dirs().try_for_each(|dir| self.make(dir).map(drop))?;
        for input in layout.inputs() {
            let parent = self.make(input.dest.parent().unwrap_or(Path::new("")))?;
            match input.dest.file_name() {
                Some(name) => copy::tree(&input.source, parent, name, options)?,
                None => copy::contents(&input.source, parent, options)?,
            }
        }
        Ok(())
    }

    pub(crate) fn set_mode(&self, mode: u32) -> anyhow::Result<()> {
        sys::chmod_path_fd(self.dir.as_fd(), mode)
            .with_context(|| format!("could not set the mode of {}", self.path.display()))
    }

    /// Creates the missing directories of a path in it, through no symlink, and opens the last one.
    pub(crate) fn make(&self, below: &Path) -> anyhow::Result<OwnedFd> {
        let could_not =
            |path: &Path| format!("could not create directory {}", self.path.join(path).display());
        let mut dir = self.dir.try_clone().with_context(|| could_not(below))?;
        let mut path = PathBuf::new();
        for part in below.components().filter(|part| matches!(part, Component::Normal(_))) {
            path.push(part);
            let open = || {
                create_missing(&dir, part.as_os_str(), Mode::from_raw_mode(0o777))?;
                open_child(&dir, part.as_os_str(), OFlags::PATH | OFlags::DIRECTORY)
            };
            dir = open().with_context(|| could_not(&path))?;
        }
        Ok(dir)
    }

    /// Nobody else can have put anything there: the workspace is private and has just been made.
    fn make_temp_dir(&self) -> io::Result<()> {
        mkdirat(&self.dir, TEMP_DIR, Mode::RWXU)?;
        Ok(chmodat(&self.dir, TEMP_DIR, Mode::RWXU, AtFlags::empty())?)
    }

    /// The directory, whatever has its path by now: a command may have moved it, and somebody else put
    /// another one there.
    pub(crate) fn dir(&self) -> io::Result<Dir> {
        Dir::from_fd_at(self.dir.try_clone()?, self.path.clone(), self.path.clone())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Has a command that is said in `cwd` know of it and run in it.
    pub(crate) fn run_inside<'a>(&'a self, command: &mut Command<'a>, cwd: &Path) {
        self.set_env(command);
        command.current_dir(self.dir.as_fd());
        command.set_env("PWD", &self.path);
        command.set_env("OLDPWD", cwd);
    }

    /// Has a command know of it.
    pub(crate) fn set_env(&self, command: &mut Command<'_>) {
        command.set_env("TMPX_WORKSPACE", &self.path);
        command.set_env("TMPDIR", self.temp_dir());
    }

    /// Its private temp dir.
    pub(crate) fn temp_dir(&self) -> PathBuf {
        self.path.join(TEMP_DIR)
    }
}
