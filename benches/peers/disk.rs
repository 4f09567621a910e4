//! A new filesystem for each run on a disk.
//!
//! ext4 remembers what was removed lately, and makes the next user wait for it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::scratch::own_dir;
use crate::system::installed;

/// The size of the sparse image, in bytes.
const SIZE: u64 = 8 << 30;

/// A new ext4 in a file. It is unmounted when the value is dropped.
pub(crate) struct Disk {
    mounted: PathBuf,
    _dir: TempDir,
}

impl Disk {
    /// Returns whether the user may mount one, and has the tools.
    pub(crate) fn is_possible() -> bool {
        let tools = ["mkfs.ext4", "mount", "umount"];
        rustix::process::geteuid().is_root() && tools.iter().all(|tool| installed(tool).is_some())
    }

    /// Creates and mounts one. The image is in `location`.
    pub(crate) fn new(location: &Path) -> anyhow::Result<Self> {
        let dir = own_dir(location)?;
        let [image, mounted] = ["image", "mounted"].map(|name| dir.path().join(name));
        File::create_new(&image)?.set_len(SIZE)?;
        std::fs::create_dir(&mounted)?;
        run(Command::new("mkfs.ext4").arg("-q").arg(&image))?;
        // The kernel writes nothing in the background.
        run(Command::new("mount").args(["-o", "loop,noinit_itable"]).args([&image, &mounted]))?;
        Ok(Self { mounted, _dir: dir })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.mounted
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(err) = run(Command::new("umount").arg(&self.mounted)) {
            eprintln!("{err:#}");
        }
    }
}

/// Runs a tool that must succeed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("could not run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
