//! The source of the content of new files.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::fs::{TransferError, copy, transfer};
use crate::lease::FillError;
use crate::streams::open_input::OpenInput;

/// A file or standard input, which fills one or more new files.
#[derive(Debug)]
pub(crate) struct Input {
    from: File,
    name: PathBuf,
    /// Whether it can be read again from its beginning.
    is_rereadable: bool,
}

impl Input {
    /// Opens a file, or standard input where the path is `-`: that is read from its current offset.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let source = OpenInput::open(path)?;
        let is_rereadable = source.is_file() && path != Path::new("-");
        Ok(Self { from: source.file, name: source.name, is_rereadable })
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
