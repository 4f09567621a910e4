//! Opens what a user names as input: files, and standard input.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{FileType, OFlags, Stat, fcntl_getfl, fstat};
use rustix::io::{Errno, FdFlags, fcntl_getfd, ioctl_fionbio};
use rustix::stdio::stdin;

/// What messages call standard input.
pub(crate) const STDIN_NAME: &str = "standard input";

/// An input that is open for reading, and no directory.
#[derive(Debug)]
pub(crate) struct OpenInput {
    pub(crate) file: File,
    /// What messages call it.
    pub(crate) name: PathBuf,
    pub(crate) stat: Stat,
}

/// Why an input cannot be read, where the kernel would say less.
#[derive(Debug, thiserror::Error)]
enum OpenInputError {
    #[error("it is open for writing only")]
    WriteOnly,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for OpenInputError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl OpenInput {
    /// Opens a file, or standard input where the path is `-`.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let file = readable_stdin()?.try_clone_to_owned();
            return Self::examine(file.map(File::from), Path::new(STDIN_NAME));
        }
        // A FIFO is waited for; that is what a shell does.
        Self::examine(File::open(path), path)
    }

    /// Does the same, but does not wait until a FIFO has a writer. Who reads it must wait by poll(2): before
    /// there is a writer, read(2) reports the end.
    pub(crate) fn open_without_writer(path: &Path) -> anyhow::Result<Self> {
        let is_fifo = path.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo());
        if path == Path::new("-") || !is_fifo {
            return Self::open(path);
        }
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path);
        let file = file.and_then(|file| {
            ioctl_fionbio(&file, false)?;
            Ok(file)
        });
        Self::examine(file, path)
    }

    fn examine(file: io::Result<File>, name: &Path) -> anyhow::Result<Self> {
        let examined = || -> Result<_, OpenInputError> {
            let file = file?;
            let stat = fstat(&file)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                return Err(Errno::ISDIR.into());
            }
            Ok((file, stat))
        };
        let (file, stat) = examined().with_context(|| could_not_read(name))?;
        Ok(Self { file, name: name.to_owned(), stat })
    }

    /// Returns whether it is a regular file.
    pub(crate) fn is_file(&self) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == FileType::RegularFile
    }
}

impl AsFd for OpenInput {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Returns standard input, unless it cannot be read.
pub(crate) fn readable_stdin() -> anyhow::Result<BorrowedFd<'static>> {
    check_readable(stdin()).with_context(|| could_not_read(Path::new(STDIN_NAME)))?;
    Ok(stdin())
}

fn check_readable(inherited: BorrowedFd<'_>) -> Result<(), OpenInputError> {
    if fcntl_getfl(inherited)? & OFlags::RWMODE != OFlags::WRONLY {
        return Ok(());
    }
    // What comes through exec(2) is not closed by exec. So this is the placeholder of a closed one.
    if fcntl_getfd(inherited)?.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF.into());
    }
    Err(OpenInputError::WriteOnly)
}

fn could_not_read(name: &Path) -> String {
    format!("could not read {}", name.display())
}
