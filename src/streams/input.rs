//! The source of the content of new files.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::fs::{TransferError, copy, transfer};
use crate::lease::FillError;

/// A file or standard input, which fills one or more new files.
#[derive(Debug)]
pub(crate) struct Input {
    from: File,
    name: PathBuf,
    /// Whether it can be read again from its beginning.
    is_rereadable: bool,
}

impl Input {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let could_not = || format!("could not read {}", path.display());
        let from = File::open(path).with_context(could_not)?;
        let metadata = from.metadata().with_context(could_not)?;
        if metadata.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::EISDIR)).with_context(could_not);
        }
        Ok(Self { from, name: path.to_owned(), is_rereadable: metadata.is_file() })
    }

    /// Uses standard input, from its current offset.
    pub(crate) fn stdin() -> anyhow::Result<Self> {
        let stdin = rustix::stdio::stdin().try_clone_to_owned();
        let from = stdin.context("could not read standard input")?.into();
        Ok(Self { from, name: "standard input".into(), is_rereadable: false })
    }

    /// Fills a new, empty file.
    pub(crate) fn fill(&mut self, to: &OwnedFd) -> Result<(), FillError> {
        self.copy(to).map_err(|source| FillError::Copy { from: self.name.clone(), source })
    }

    fn copy(&mut self, to: &OwnedFd) -> io::Result<()> {
        if self.is_rereadable {
            self.from.rewind()?;
            return copy::fill(&self.from, to, &|| Ok(()));
        }
        transfer::copy_to_end(&self.from, to, |_| ()).map_err(TransferError::cause)?;
        // A pipe delivers its content once, so the next file is filled from this one.
        self.from = to.try_clone()?.into();
        self.is_rereadable = true;
        Ok(())
    }
}
