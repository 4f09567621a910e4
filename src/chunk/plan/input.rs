//! Inputs: files that can be read from any place, and streams.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{SeekFrom, fstat, seek};

use crate::chunk::scan::error::{InputError, Malformed};
use crate::chunk::scan::format::RecordFormat;
use crate::chunk::scan::header::{Dialect, Head, HeadError};
use crate::chunk::scan::index::READ;
use crate::chunk::scan::parity::count_lines;
use crate::fs::rw::read_at;
use crate::fs::{FileStamp, states_true_size};
use crate::streams::OpenInput;

/// How inputs are to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadOptions {
    /// The format of all of them; else each name says its own.
    pub format: Option<RecordFormat>,
    /// How many records are a header.
    pub header_rows: Option<u64>,
    /// What separates fields.
    pub delimiter: Option<u8>,
    /// Whether records become JSON.
    pub converts: bool,
}

/// An input that has been opened.
#[derive(Debug)]
pub(crate) struct RecordInput {
    /// What messages call it.
    pub name: PathBuf,
    /// How it is read.
    pub dialect: Dialect,
    file: File,
    /// The part of a regular file that is read.
    range: Option<(u64, FileStamp)>,
}

impl RecordInput {
    /// Opens a file, or standard input where the path is `-`. A stream must be polled before each read.
    pub(crate) fn open(path: &Path, options: &ReadOptions) -> anyhow::Result<Self> {
        // All FIFOs are open before one is read, and their writers may come one after the other.
        let source = OpenInput::open_without_writer(path)?;
        let mut range = None;
        // The kernel generates the files of /proc and /sys, without a true size: they are streams.
        let stamp = FileStamp::from(&source.stat);
        let has_size =
            || stamp.size() > 0 || read_at(&source, &mut [0], 0).is_ok_and(<[u8]>::is_empty);
        if source.is_file() && has_size() && states_true_size(&source) {
            let is_stdin = path == Path::new("-");
            let offset =
                if is_stdin { seek(&source, SeekFrom::Current(0)).unwrap_or(0) } else { 0 };
            range = Some((offset.min(stamp.size()), stamp));
        }
        let Some(format) = options.format.or_else(|| RecordFormat::of_path(path)) else {
            return Err(unknown_format(&source.file, source.name, range.map(|(start, _)| start)));
        };
        let OpenInput { file, name, .. } = source;
        // No header is repeated in JSON. Only where it names the fields of records, it is one.
        let has_header = !options.converts || format.has_fields();
        let header_rows = if has_header { options.header_rows } else { Some(0) };
        let dialect = Dialect::new(format, header_rows, options.delimiter);
        Ok(Self { name, dialect, file, range })
    }

    /// Whether it can be read from any place.
    pub(crate) fn is_file(&self) -> bool {
        self.range.is_some()
    }

    /// Where its bytes begin and end, if it is a file.
    pub(crate) fn range(&self) -> std::ops::Range<u64> {
        self.range.map_or(0..0, |(start, stamp)| start..stamp.size())
    }

    /// Reports that its content changed, if it did. Another name or mode, as after the rotation of a log, is
    /// no change.
    pub(crate) fn check_unchanged(&self) -> anyhow::Result<()> {
        let Some((_, before)) = self.range else { return Ok(()) };
        let stat = fstat(&self.file);
        let stat = stat.with_context(|| format!("could not read {}", self.name.display()))?;
        let is_unchanged = FileStamp::from(&stat).has_content_of(&before);
        if is_unchanged { Ok(()) } else { Err(self.changed()) }
    }

    /// The error that says that it changed.
    pub(crate) fn changed(&self) -> anyhow::Error {
        InputError::Changed { name: self.name.clone() }.into()
    }

    /// Reads its beginning: the header, and where records begin.
    pub(crate) fn read_head(&self) -> anyhow::Result<(Head, Vec<u8>)> {
        let range = self.range();
        let mut wanted = 16 * 1024;
        loop {
            let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let mut buffer = vec![0; left.min(wanted)];
            let count = self.read(&mut buffer, range.start)?.len();
            if count < buffer.len() {
                return Err(self.changed());
            }
            match Head::parse(self.dialect, &buffer, count == left) {
                Ok(Some(head)) => return Ok((head, buffer)),
                Ok(None) => wanted = Head::more_than(wanted),
                Err(err) => return Err(self.head_error(err, &buffer)),
            }
        }
    }

    /// Describes why a beginning cannot be read.
    pub(crate) fn head_error(&self, err: HeadError, bytes: &[u8]) -> anyhow::Error {
        let name = self.name.clone();
        match err {
            HeadError::Encoded(encoding) => {
                let format = Some(self.dialect.format);
                InputError::Encoded { name, encoding, format }.into()
            }
            HeadError::Malformed(what) => {
                let at = usize::try_from(what.at).unwrap_or(0).min(bytes.len());
                InputError::Malformed { name, line: 1 + count_lines(&bytes[..at]), what }.into()
            }
        }
    }

    /// Reads bytes of a file at an offset.
    pub(crate) fn read<'a>(&self, buffer: &'a mut [u8], offset: u64) -> anyhow::Result<&'a [u8]> {
        read_at(self.as_fd(), buffer, offset).map_err(|err| self.could_not_read(err))
    }

    /// Describes an error of reading it.
    pub(crate) fn could_not_read(&self, err: io::Error) -> anyhow::Error {
        anyhow::Error::new(err).context(format!("could not read {}", self.name.display()))
    }

    /// Describes what is wrong in it, at an offset from its beginning.
    pub(crate) fn malformed(&self, what: Malformed) -> anyhow::Error {
        let start = self.range().start;
        let mut line = 1;
        let mut buffer = vec![0; READ];
        let mut at = 0;
        while at < what.at {
            let count = usize::try_from(what.at - at).unwrap_or(READ).min(READ);
            match self.read(&mut buffer[..count], start + at) {
                Ok([]) | Err(_) => break,
                Ok(bytes) => {
                    line += count_lines(bytes);
                    at += bytes.len() as u64;
                }
            }
        }
        let name = self.name.clone();
        InputError::Malformed { name, line, what }.into()
    }
}

impl AsFd for RecordInput {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Says that nothing tells the format, or that a packed file must be unpacked first.
fn unknown_format(file: &File, name: PathBuf, offset: Option<u64>) -> anyhow::Error {
    let mut start = [0; 8];
    if let Some(offset) = offset
        && let Ok(bytes) = read_at(file.as_fd(), &mut start, offset)
        && let Some(encoding) = crate::chunk::scan::error::Encoding::of(bytes)
    {
        let format = name.file_stem().and_then(|stem| RecordFormat::of_path(Path::new(stem)));
        return InputError::Encoded { name, encoding, format }.into();
    }
    InputError::UnknownFormat { name }.into()
}
