//! Facts about the machine: installed programs and filesystems.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Returns where scratch directories are created: on tmpfs if possible, and on a disk if possible.
pub(crate) fn locations() -> [PathBuf; 2] {
    let is_tmpfs = |dir: &PathBuf| filesystem(dir) == "tmpfs";
    let temp_dir = std::env::temp_dir();
    let memory = Some("/dev/shm".into()).filter(is_tmpfs);
    let disk = Some(temp_dir.clone()).filter(|dir| !is_tmpfs(dir));
    let beside_builds = || env!("CARGO_TARGET_TMPDIR").into();
    [memory.unwrap_or(temp_dir), disk.unwrap_or_else(beside_builds)]
}

/// Finds a program in the PATH of the caller.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut candidates = std::env::split_paths(&path).map(|dir| dir.join(name));
    candidates.find(|candidate| candidate.is_absolute() && candidate.is_file())
}

/// Returns one line of a command's output.
pub(crate) fn line_of(command: &mut Command, number: usize) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(number).map(|line| line.trim().to_owned())
}

/// Returns the type of a directory's filesystem, by GNU df's name.
pub(crate) fn filesystem(dir: &Path) -> String {
    line_of(Command::new("df").arg("--output=fstype").arg(dir), 1).unwrap_or_default()
}
