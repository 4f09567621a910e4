//! The directory of a workspace.
//!
//! It is open from its creation on, and everything in it is reached through this descriptor: in a
//! parent that other users can write to, the path may lead to another directory at any moment.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat};

use crate::fs::dir::{create_missing, open_child};
use crate::fs::metadata::{set_dir_mode, set_new_dir_mode};
use crate::fs::{CopyOptions, Dir, Interrupt, Skipped, copy};
use crate::lease::Created;
use crate::process::Command;
use crate::values::{FileMode, Progress};
use crate::workspace::layout::{Layout, TEMP_DIR};

/// A leased directory with a layout and a private temp dir.
#[derive(Debug)]
pub(crate) struct Workspace {
    dir: Dir,
    /// The same directory with a shared lock, if it could be had: systemd-tmpfiles(8) spares it and
    /// what is in it.
    _lock: Option<OwnedFd>,
    /// The mode that the caller asks for.
    mode: Option<u32>,
}

fn lock_shared(dir: &Dir) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(dir, c".", flags, Mode::empty()).ok()?;
    flock(&opened, FlockOperation::NonBlockingLockShared).ok()?;
    Some(opened)
}

impl Workspace {
    /// Takes over a directory that was created open. [`Self::open_up`] sets `mode`. Others never get to
    /// write to the workspace further than that says.
    pub(crate) fn of(
        parent: &Dir,
        created: Created,
        mode: Option<FileMode>,
    ) -> anyhow::Result<Self> {
        let path = parent.join(&created.name);
        let could_not_open = || format!("could not open {}", path.display());
        let dir = created.into_dir(parent).with_context(could_not_open)?;
        let lock = lock_shared(&dir);
        Ok(Self { dir, _lock: lock, mode: mode.map(|FileMode(mode)| mode) })
    }

    pub(crate) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The path for the user. Another directory may have it by now.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The path of the temp dir.
    pub(crate) fn temp_dir(&self) -> PathBuf {
        self.path().join(TEMP_DIR)
    }

    /// Creates the temp dir, the directories and the inputs. Sets the mode 0700 whatever the umask.
    /// Returns the entries of inputs that could not be copied.
    pub(crate) fn populate(
        &self,
        layout: &Layout,
        check_interrupt: Interrupt<'_>,
        progress: &Progress,
    ) -> anyhow::Result<Skipped> {
        let stat = fstat(&self.dir)?;
        // The workspace may be in a directory that is copied.
        let exclude = (stat.st_dev, stat.st_ino);
        let options = CopyOptions { check_interrupt, progress: Some(progress), exclude };
        set_new_dir_mode(&self.dir, 0o700, self.mode.unwrap_or(0))
            .with_context(|| self.could_not_set_mode())?;
        self.create_temp_dir()
            .with_context(|| format!("could not create directory {}", self.temp_dir().display()))?;
        for dir in layout.dirs() {
            self.create_dirs(dir)?;
        }
        let mut skipped = Skipped::default();
        for input in layout.inputs() {
            progress.begin(&input.source);
            let parent = self.create_dirs(input.dest.parent().unwrap_or(Path::new("")))?;
            match input.dest.file_name() {
                Some(name) => copy::tree(&input.source, parent, name, options, &mut skipped)?,
                None => copy::contents(&input.source, parent, options, &mut skipped)?,
            }
        }
        Ok(skipped)
    }

    /// Sets the mode that the caller asks for. Whoever may work in the workspace may also use the temp
    /// dir. Where others may write to that, nobody can remove another user's files.
    pub(crate) fn open_up(&self) -> anyhow::Result<()> {
        let Some(mode) = self.mode else { return Ok(()) };
        self.open_temp_dir_to(mode)
            .and_then(|()| Ok(set_dir_mode(&self.dir, mode, 0)?))
            .with_context(|| self.could_not_set_mode())
    }

    /// Where the mount lets others write to the workspace from the beginning, they may have put another
    /// directory in the place of the temp dir. They have all rights to that already, so it stays as it is.
    fn open_temp_dir_to(&self, mode: u32) -> anyhow::Result<()> {
        let sticky = if mode & 0o022 == 0 { 0 } else { 0o1000 };
        let dir = self.open_dir(TEMP_DIR)?;
        let current = fstat(&dir)?.st_mode & 0o7777;
        if mode & 0o777 & !current == 0 {
            return Ok(());
        }
        Ok(set_dir_mode(dir, current | (mode & 0o777) | sticky, 0)?)
    }

    fn could_not_set_mode(&self) -> String {
        format!("could not set the mode of {}", self.path().display())
    }

    fn open_dir(&self, name: &str) -> io::Result<OwnedFd> {
        open_child(&self.dir, name, OFlags::PATH | OFlags::DIRECTORY)
    }

    fn create_temp_dir(&self) -> anyhow::Result<()> {
        mkdirat(&self.dir, TEMP_DIR, Mode::RWXU)?;
        self.chmod_new(TEMP_DIR, 0o700)
    }

    /// Sets the mode of a new directory in the workspace, whatever the umask. Where everybody may write
    /// everything, another user may have put something else under the name, so this follows no symlink.
    pub(super) fn chmod_new(&self, name: &str, mode: u32) -> anyhow::Result<()> {
        Ok(set_new_dir_mode(self.open_dir(name)?, mode, self.mode.unwrap_or(0))?)
    }

    /// Creates the missing directories of a path in the workspace, through no symlink, and opens the
    /// last one.
    pub(super) fn create_dirs(&self, path: &Path) -> anyhow::Result<OwnedFd> {
        let could_not_create = |path: &Path| {
            format!("could not create directory {}", self.path().join(path).display())
        };
        let mut dir =
            self.dir.as_fd().try_clone_to_owned().with_context(|| could_not_create(path))?;
        let mut created = PathBuf::new();
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            created.push(name);
            let open = || {
                create_missing(&dir, name, Mode::from_raw_mode(0o777))?;
                open_child(&dir, name, OFlags::PATH | OFlags::DIRECTORY)
            };
            dir = open().with_context(|| could_not_create(&created))?;
        }
        Ok(dir)
    }

    /// Sets a command's working directory and environment to the workspace. `cwd` is the caller's
    /// working directory, if it has a path.
    pub(crate) fn run_inside<'a>(&'a self, command: &mut Command<'a>, cwd: Option<&Path>) {
        self.set_env(command);
        command.current_dir(self.dir.as_fd());
        command.set_env("PWD", self.path());
        if let Some(cwd) = cwd {
            command.set_env("OLDPWD", cwd);
        }
    }

    /// Sets the variables that lead a command to the workspace and its temp dir.
    pub(crate) fn set_env(&self, command: &mut Command<'_>) {
        command.set_env("TMPX_WORKSPACE", self.path());
        command.set_env("TMPDIR", self.temp_dir());
    }
}
