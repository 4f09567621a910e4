//! The kinds of records that an input can have.

use std::path::Path;
use std::str::FromStr;

/// How an input is divided into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFormat {
    /// Comma-separated values.
    Csv,
    /// The same, separated by tabs.
    Tsv,
    /// One JSON value a line.
    Ndjson,
    /// One JSON array.
    Json,
    /// Lines of text.
    Lines,
}

impl RecordFormat {
    /// Returns the format that a file name stands for.
    pub(crate) fn of_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "json" => Some(Self::Json),
            "txt" | "log" => Some(Self::Lines),
            _ => None,
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Ndjson => "ndjson",
            Self::Json => "json",
            Self::Lines => "lines",
        }
    }

    /// The suffix of a file with such records.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Csv => ".csv",
            Self::Tsv => ".tsv",
            Self::Ndjson => ".ndjson",
            Self::Json => ".json",
            Self::Lines => ".txt",
        }
    }

    /// Whether fields have delimiters and quotes.
    pub(crate) fn has_fields(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }

    /// How many records at the beginning are a header, unless it is said otherwise.
    pub(crate) fn header_rows(self) -> u64 {
        u64::from(self.has_fields())
    }
}

impl FromStr for RecordFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "csv" => Ok(Self::Csv),
            "tsv" => Ok(Self::Tsv),
            "ndjson" | "jsonl" => Ok(Self::Ndjson),
            "json" => Ok(Self::Json),
            "lines" => Ok(Self::Lines),
            _ => Err("expected csv, tsv, ndjson, json or lines".to_owned()),
        }
    }
}
