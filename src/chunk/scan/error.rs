//! Why an input cannot be cut.

use std::path::PathBuf;

use thiserror::Error;

use crate::chunk::scan::format::RecordFormat;

/// A fault in the bytes of an input.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{fault}")]
pub(crate) struct Malformed {
    /// Where it is, as an offset from 0.
    pub at: u64,
    pub fault: Fault,
}

impl Malformed {
    /// Returns the same fault at another offset.
    pub(crate) fn moved(self, to: impl FnOnce(u64) -> u64) -> Self {
        Self { at: to(self.at), ..self }
    }
}

/// What is wrong with the bytes of an input.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// A quote that is never closed.
    #[error("this quote is never closed")]
    OpenQuote,
    /// Lines that end with carriage returns, in a file without a line feed.
    #[error("lines end with a carriage return and no line feed")]
    LoneReturns,
    /// A header that does not end.
    #[error("the header has more than 8 MiB")]
    LongHeader,
    /// JSON that is no array.
    #[error("expected an array, found {found}")]
    NotAnArray { found: &'static str },
    /// JSON that ends within the array.
    #[error("the array is cut off")]
    CutOff,
    /// A comma before the closing bracket.
    #[error("trailing comma")]
    TrailingComma,
    /// A comma without an element before it.
    #[error("no element before this comma")]
    MissingElement,
    /// Two elements without a comma between them.
    #[error("no comma before this element")]
    MissingComma,
    /// A bracket that closes an object where the array should be closed.
    #[error("this bracket does not close the array")]
    WrongBracket,
    /// Text after the array.
    #[error("text after the array")]
    TextAfterArray,
    /// A record that cannot become JSON.
    #[error("not UTF-8")]
    NotUtf8,
    /// A column name that stands twice in the header.
    #[error("duplicate column {name}")]
    DuplicateColumn { name: String },
}

impl Fault {
    /// Returns this fault at an offset.
    pub(crate) fn at(self, at: u64) -> Malformed {
        Malformed { at, fault: self }
    }
}

/// An input that is packed or encoded in a way that another program has to undo first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
    /// UTF-16 with a byte order mark.
    Utf16,
    /// UTF-16 without one, its low bytes first.
    Utf16Le,
    /// UTF-16 without one, its high bytes first.
    Utf16Be,
    /// Apache Parquet.
    Parquet,
}

impl Encoding {
    /// Recognizes an input by its first bytes: six of them suffice. Where those of a format are letters,
    /// text can begin with them, so what follows them counts too.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        const MAGIC: [(&[u8], Encoding); 6] = [
            (b"\x1f\x8b", Encoding::Gzip),
            (b"\x28\xb5\x2f\xfd", Encoding::Zstd),
            (b"\xfd7zXZ\0", Encoding::Xz),
            (b"\xff\xfe", Encoding::Utf16),
            (b"\xfe\xff", Encoding::Utf16),
            // A page header or the footer: a struct of Thrift that begins with an i32.
            (b"PAR1\x15", Encoding::Parquet),
        ];
        let found = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
        found
            .map(|(_, encoding)| *encoding)
            .or_else(|| Self::bzip2(bytes))
            .or_else(|| Self::wide(bytes))
    }

    /// Recognizes bzip2 by the size of its blocks and the first digits of π, or of its root in a file
    /// without a block.
    fn bzip2(bytes: &[u8]) -> Option<Self> {
        let [b'B', b'Z', b'h', b'1'..=b'9', magic @ ..] = bytes else { return None };
        let is_bzip2 = magic.starts_with(b"1A") || magic.starts_with(b"\x17\x72");
        is_bzip2.then_some(Self::Bzip2)
    }

    /// Recognizes three ASCII characters of UTF-16.
    fn wide(bytes: &[u8]) -> Option<Self> {
        let is_ascii = |byte: u8| byte != 0 && byte.is_ascii();
        match *bytes {
            [a, 0, b, 0, c, 0, ..] if [a, b, c].into_iter().all(is_ascii) => Some(Self::Utf16Le),
            [0, a, 0, b, 0, c, ..] if [a, b, c].into_iter().all(is_ascii) => Some(Self::Utf16Be),
            _ => None,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Utf16 | Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Parquet => "Parquet",
        }
    }
}

/// Why an input cannot be cut.
#[derive(Debug, Error)]
pub(crate) enum InputError {
    /// Its bytes are malformed.
    #[error("{}: line {line}, byte {}: {what}", name.display(), what.at + 1)]
    Malformed { name: PathBuf, line: u64, what: Malformed },
    /// It is packed or in another encoding.
    #[error("{}: this is {}", name.display(), encoding.name())]
    Encoded { name: PathBuf, encoding: Encoding, format: Option<RecordFormat> },
    /// Nothing says which records it has.
    #[error("{}: unknown format", name.display())]
    UnknownFormat { name: PathBuf },
    /// Its header differs from that of the first input.
    #[error("the headers of {} and {} differ", first.display(), second.display())]
    HeadersDiffer { first: PathBuf, second: PathBuf },
    /// Its format differs from that of the first input.
    #[error("{} and {} differ in format", first.display(), second.display())]
    FormatsDiffer { first: PathBuf, second: PathBuf },
    /// It changed while it was read.
    #[error("{} changed while it was read", name.display())]
    Changed { name: PathBuf },
}
