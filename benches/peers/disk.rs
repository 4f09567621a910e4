//! A filesystem of its own for a run on a disk: ext4 remembers what was deleted of late, and makes whoever
//! comes next wait for it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::{installed, own_dir};

/// The size of the image, in bytes; what is not used takes no place.
const SIZE: u64 = 8 << 30;

/// A new ext4 in a file, mounted until the value goes.
pub(crate) struct Disk {
    mounted: PathBuf,
    _dir: TempDir,
}

impl Disk {
    /// Whether this machine and its user can have one.
    pub(crate) fn can_be_had() -> bool {
        let tools = ["mkfs.ext4", "mount", "umount"];
        rustix::process::geteuid().is_root() && tools.iter().all(|tool| installed(tool).is_some())
    }

    /// Makes one, the image in this directory.
    pub(crate) fn new(place: &Path) -> anyhow::Result<Self> {
        let dir = own_dir(place)?;
        let [image, mounted] = ["image", "mounted"].map(|name| dir.path().join(name));
        File::create_new(&image)?.set_len(SIZE)?;
        std::fs::create_dir(&mounted)?;
        run(Command::new("mkfs.ext4").arg("-q").arg(&image))?;
        // Nothing is to be written behind one's back.
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

/// Runs a tool that has to succeed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("could not run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
