//! A workspace: a leased directory with a layout and a private temp dir.

pub mod layout;
pub mod outputs;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::copy;
use layout::Layout;

/// The temp dir inside a workspace, hidden from a plain `ls` and from patterns.
pub const TEMP_DIR: &str = ".tmp";

/// A directory that has been laid out.
#[derive(Clone, Debug)]
pub struct Workspace {
    path: PathBuf,
}

impl Workspace {
    /// Lays out a new, empty directory.
    ///
    /// # Errors
    /// Names the entry that could not be made or copied.
    pub fn lay_out(path: PathBuf, layout: &Layout) -> anyhow::Result<Self> {
        let make = |dir: &Path, mode| {
            let path = path.join(dir);
            DirBuilder::new()
                .recursive(true)
                .mode(mode)
                .create(&path)
                .with_context(|| format!("could not create directory {}", path.display()))
        };
        make(Path::new(TEMP_DIR), 0o700)?;
        for dir in &layout.dirs {
            make(dir, 0o777)?;
        }
        for input in &layout.inputs {
            if let Some(parent) = input.dest.parent() {
                make(parent, 0o777)?;
            }
            let dest = path.join(&input.dest);
            if input.contents {
                copy::directory(&input.source, &dest)?;
            } else {
                copy::tree(&input.source, &dest)?;
            }
        }
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has a command run in it, or in `cwd` where `here` says so, and know of it.
    pub fn set_environment(&self, command: &mut Command, cwd: &Path, here: bool) {
        command.env("TMPX_WORKSPACE", &self.path).env("TMPDIR", self.temp_dir());
        if !here {
            command.current_dir(&self.path).env("PWD", &self.path).env("OLDPWD", cwd);
        }
    }

    /// Its private temp dir.
    #[must_use]
    pub fn temp_dir(&self) -> PathBuf {
        self.path.join(TEMP_DIR)
    }
}
