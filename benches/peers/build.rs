//! The builds of tmpx that are measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::scratch::Scratch;
use crate::system::line_of;

/// The target of the binary that is released.
#[cfg(target_arch = "x86_64")]
const RELEASED: &str = "x86_64-unknown-linux-musl";
#[cfg(target_arch = "aarch64")]
const RELEASED: &str = "aarch64-unknown-linux-musl";

/// A build of tmpx and its scratch directories.
pub(crate) struct Build {
    /// The C library that it is linked with.
    pub(crate) libc: &'static str,
    pub(crate) tmpx: PathBuf,
    pub(crate) memory: Scratch,
    pub(crate) disk: Scratch,
}

impl Build {
    fn new(
        libc: &'static str,
        built: &Path,
        installation: &Path,
        [memory, disk]: &[PathBuf; 2],
    ) -> anyhow::Result<Self> {
        let tmpx = install(built, &installation.join(libc))?;
        let [memory, disk] = [Scratch::new(memory, &tmpx)?, Scratch::new(disk, &tmpx)?];
        Ok(Self { libc, tmpx, memory, disk })
    }

    /// Whether users get this build.
    pub(crate) fn is_released(&self) -> bool {
        self.libc == "musl"
    }
}

/// Returns all builds: the one that is released, and the one of a plain `cargo build`. Without
/// musl's target there is only the latter.
pub(crate) fn all(installation: &Path, locations: &[PathBuf; 2]) -> anyhow::Result<Vec<Build>> {
    let mut builds = Vec::new();
    if let Some(released) = build_released()? {
        builds.push(Build::new("musl", &released, installation, locations)?);
    }
    let usual = Path::new(env!("CARGO_BIN_EXE_tmpx"));
    builds.push(Build::new("glibc", usual, installation, locations)?);
    Ok(builds)
}

/// Builds the binary that is released, if its target is installed.
fn build_released() -> anyhow::Result<Option<PathBuf>> {
    let sysroot = line_of(Command::new("rustc").args(["--print", "sysroot"]), 0);
    let libraries = Path::new(&sysroot.unwrap_or_default()).join("lib/rustlib").join(RELEASED);
    if !libraries.is_dir() {
        eprintln!("without {RELEASED}: rustup target add {RELEASED}");
        return Ok(None);
    }
    // Beside the directory of the harness itself, whose lock is free while the harness runs.
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("released");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--locked", "--bin", "tmpx", "--target", RELEASED])
        .arg("--target-dir")
        .arg(&target_dir)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    ensure!(built.context("could not run cargo")?.success(), "the build for {RELEASED} failed");
    Ok(Some(target_dir.join(RELEASED).join("release/tmpx")))
}

/// Copies tmpx to a disk, as an installation does.
///
/// The file that the linker wrote lies in small pieces of the page cache, and starts up to a quarter
/// slower. So does a copy on tmpfs.
fn install(built: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir(dir).context("could not create a directory")?;
    let tmpx = dir.join("tmpx");
    fs::copy(built, &tmpx).context("could not copy tmpx")?;
    Ok(tmpx)
}
