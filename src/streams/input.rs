//! What a new file is filled from.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::fs::{TransferError, copy, transfer};

/// A file or standard input, for one new file or several.
#[derive(Debug)]
pub(crate) struct Input {
    from: File,
    name: PathBuf,
    /// Whether it can be read again from its beginning.
    rereadable: bool,
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
        Ok(Self { from, name: path.to_owned(), rereadable: metadata.is_file() })
    }

    /// Takes standard input, from where it stands.
    pub(crate) fn stdin() -> anyhow::Result<Self> {
        let stdin = rustix::stdio::stdin().try_clone_to_owned();
        let from = stdin.context("could not read standard input")?.into();
        Ok(Self { from, name: "standard input".into(), rereadable: false })
    }

    /// Fills a new, empty file.
    pub(crate) fn fill(&mut self, to: &OwnedFd) -> anyhow::Result<()> {
        let could_not = || format!("could not copy {}", self.name.display());
        if self.rereadable {
            self.from.rewind().with_context(could_not)?;
            return copy::fill::<io::Error>(&self.from, to, &|| Ok(())).with_context(could_not);
        }
        transfer::copy_to_end(&self.from, to)
            .map_err(TransferError::cause)
            .with_context(could_not)?;
        // What came from a pipe is there no more; the next file is filled from this one.
        self.from = to.try_clone().with_context(could_not)?.into();
        self.rereadable = true;
        Ok(())
    }
}
