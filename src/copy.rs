//! Copying files and trees: shared blocks where the filesystem can, else inside the kernel.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{Mode, Timespec, Timestamps, fchmod, futimens, ioctl_ficlone};

/// Fills an empty file with what another one holds, or what a pipe brings until its end. Shares the
/// blocks where both lie on a filesystem that can (`FICLONE`); std's copy goes through
/// `copy_file_range`(2), sendfile(2) or splice(2) otherwise, and read and write at last.
///
/// # Errors
/// As those calls.
pub fn fill(from: impl AsFd, to: &OwnedFd) -> io::Result<()> {
    if ioctl_ficlone(to, from.as_fd()).is_ok() {
        return Ok(());
    }
    let mut from = File::from(from.as_fd().try_clone_to_owned()?);
    let mut to = File::from(to.try_clone()?);
    io::copy(&mut from, &mut to)?;
    Ok(())
}

/// Gives a file the permission bits and times of another one. Set-uid and set-gid bits are not for
/// copies.
///
/// # Errors
/// As fchmod(2) and futimens(2).
pub fn imitate(like: &fs::Metadata, file: impl AsFd) -> io::Result<()> {
    fchmod(&file, Mode::from_raw_mode(like.permissions().mode() & 0o777))?;
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    futimens(
        &file,
        &Timestamps {
            last_access: time(like.atime(), like.atime_nsec()),
            last_modification: time(like.mtime(), like.mtime_nsec()),
        },
    )?;
    Ok(())
}

/// Copies a file, a directory with all that is in it, or what a pipe brings, to a path where
/// nothing is. A symlink at `from` is followed, one inside a directory is copied as a link. Modes
/// and times are kept.
///
/// # Errors
/// Names the entry that could not be copied.
pub fn tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    let metadata = fs::metadata(from).with_context(|| could_not_copy(from))?;
    if metadata.is_dir() {
        return directory(from, to);
    }
    file(from, to, &metadata).with_context(|| could_not_copy(from))
}

fn could_not_copy(from: &Path) -> String {
    format!("could not copy {}", from.display())
}

fn file(from: &Path, to: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    let source = File::open(from)?;
    let copy = OwnedFd::from(File::create_new(to)?);
    fill(&source, &copy)?;
    if metadata.is_file() { imitate(metadata, &copy) } else { Ok(()) }
}

/// Copies what is in a directory into one that is there already, or is made.
///
/// # Errors
/// Names the entry that could not be copied.
pub fn directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut pending = vec![(from.to_owned(), to.to_owned())];
    let mut finished = Vec::new();
    while let Some((from, to)) = pending.pop() {
        let is_new =
            open_directory(&from, &to, &mut pending).with_context(|| could_not_copy(&from))?;
        if is_new {
            finished.push((from, to));
        }
    }
    // Last and from the inside out: writing into a directory changes its time, and one that its
    // owner may not write to has to be filled first.
    for (from, to) in finished.into_iter().rev() {
        let imitated =
            fs::metadata(&from).and_then(|metadata| imitate(&metadata, File::open(&to)?));
        imitated.with_context(|| could_not_copy(&from))?;
    }
    Ok(())
}

/// Makes a directory, unless it is there, and copies what is in it but for its subdirectories. True
/// where it was made.
fn open_directory(
    from: &Path,
    to: &Path,
    pending: &mut Vec<(PathBuf, PathBuf)>,
) -> io::Result<bool> {
    let made = fs::create_dir(to);
    let is_new = match made {
        Ok(()) => true,
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => false,
        Err(err) => return Err(err),
    };
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            pending.push((entry.path(), target));
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, target)?;
        } else if kind.is_file() {
            file(&entry.path(), &target, &entry.metadata()?)?;
        } else {
            return Err(io::Error::other(format!(
                "{} is neither file, directory nor symlink",
                entry.path().display()
            )));
        }
    }
    Ok(is_new)
}
