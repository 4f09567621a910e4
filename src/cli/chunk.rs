//! The arguments of `tmpx chunk`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueHint};

use crate::chunk::{JsonForm, Limit, RecordFormat};
use crate::cli::shared::{LifetimeArgs, OutputArgs, at_least_one};
use crate::values::ByteSize;

/// Run a command on chunks of records, or write chunk files
///
/// The inputs are CSV, TSV, NDJSON, a JSON array, or lines of text. They are cut
/// between records only: a quoted field may have line ends, and each chunk of CSV
/// begins with the header. Several inputs are read as one. Without INPUT, or if it
/// is '-', standard input is read as it arrives.
///
/// COMMAND runs once for each chunk, on all cores. The chunk is its standard input;
/// or an argument {} becomes the path of a file with the chunk. TMPX_CHUNK is the
/// chunk's number, from 0, and TMPX_CHUNK_ROWS the number of its records. The
/// outputs go to standard output in the order of the chunks.
///
/// If a command fails, no other is started, and tmpx exits with the status of the
/// first chunk that failed. Standard output has the outputs before it, whole.
///
/// Without COMMAND each chunk becomes a file, and the paths are printed. The files
/// stay until you remove them, unless --until-exit, --ttl or the environment gives
/// them a lifetime.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx chunk [OPTIONS] [INPUT]... [-- COMMAND [ARG]...]",
    after_long_help = DETAILS,
    // Only chunk files have these, and a command is the more frequent use.
    mut_arg("until_exit", |arg| arg.hide_short_help(true)),
    mut_arg("ttl", |arg| arg.hide_short_help(true)),
    mut_arg("json", |arg| arg.hide_short_help(true)),
)]
pub struct ChunkArgs {
    /// The inputs [default: standard input]
    #[arg(value_name = "INPUT", value_hint = ValueHint::FilePath)]
    pub inputs: Vec<PathBuf>,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    /// Put N records into each chunk
    #[arg(long, value_name = "N", conflicts_with = "bytes", value_parser = at_least_one,
          allow_hyphen_values = true)]
    pub rows: Option<u64>,
    /// Put up to SIZE of records in a chunk [default: 16M]
    ///
    /// As in 64K, 10M or 2G, without the header. A larger record is a chunk
    /// of its own.
    #[arg(long, value_name = "SIZE", value_parser = chunk_size,
          allow_hyphen_values = true, verbatim_doc_comment)]
    pub bytes: Option<ByteSize>,
    /// Run N commands at once [default: the number of cores]
    ///
    /// Fewer run if the limit on open files is low ('ulimit -Hn'): each
    /// needs six.
    #[arg(short, long, value_name = "N", value_parser = at_least_one, allow_hyphen_values = true,
          verbatim_doc_comment)]
    pub jobs: Option<u64>,
    /// Write the outputs to FILE once all have succeeded
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath,
          allow_hyphen_values = true)]
    pub output: Option<PathBuf>,
    /// Read the inputs as csv, tsv, ndjson, json or lines
    ///
    /// Otherwise the names say it: .csv, .tsv, .ndjson or .jsonl, .json; .txt
    /// and .log are lines.
    #[arg(long, value_name = "FORMAT", value_parser = RecordFormat::from_str,
          allow_hyphen_values = true, verbatim_doc_comment)]
    pub format: Option<RecordFormat>,
    /// Join the outputs under one header, or in one array
    ///
    /// FORMAT is that of the outputs: csv, tsv, ndjson, json or lines.
    /// Without it they have the format of the chunks.
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true,
          value_parser = RecordFormat::from_str, verbatim_doc_comment)]
    #[allow(clippy::option_option, reason = "clap's type of an option with an optional value")]
    pub merge: Option<Option<RecordFormat>>,
    /// Convert the records to ndjson or json
    ///
    /// A record of CSV becomes an object of strings, by the header of its
    /// input. So CSV and JSON inputs can be mixed.
    #[arg(long, value_name = "FORMAT", value_parser = json_form,
          allow_hyphen_values = true, verbatim_doc_comment)]
    pub to: Option<JsonForm>,
    /// Repeat the first N records in each chunk [default: 1 for csv and tsv]
    #[arg(long, value_name = "N", hide_short_help = true, allow_hyphen_values = true)]
    pub header: Option<u64>,
    /// Separate fields of CSV at C [default: the most frequent of , ; tab |]
    #[arg(long, value_name = "C", hide_short_help = true, value_parser = delimiter,
          allow_hyphen_values = true)]
    pub delimiter: Option<u8>,
    /// Create files in DIR [default: the temp dir]
    #[arg(short = 'p', long, value_name = "DIR", alias = "tmpdir", hide_short_help = true,
          value_hint = ValueHint::DirPath, allow_hyphen_values = true)]
    pub dir: Option<PathBuf>,
    /// Write a JSON report to FILE
    ///
    /// One object, written atomically: chunks, records and bytes, the exit
    /// status, and of the first chunk that failed its number, offset, rows
    /// and status. A failure before or without commands writes none.
    #[arg(long, value_name = "FILE", hide_short_help = true, value_hint = ValueHint::FilePath,
          allow_hyphen_values = true, verbatim_doc_comment)]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub lifetime: LifetimeArgs,
    #[command(flatten)]
    pub paths: OutputArgs,
}

impl ChunkArgs {
    /// The default size of a chunk, in bytes.
    const BYTES: u64 = 16 << 20;

    /// Returns how large chunks may become.
    pub(crate) fn limit(&self) -> Limit {
        match self.rows {
            Some(rows) => Limit::Rows(rows),
            None => Limit::Bytes(self.bytes.map_or(Self::BYTES, |ByteSize(bytes)| bytes)),
        }
    }

    /// Returns an option that only chunk files have.
    pub(crate) fn option_for_files(&self) -> Option<&'static str> {
        let LifetimeArgs { until_exit, ttl, session, keep } = &self.lifetime;
        [
            (until_exit.is_some(), "--until-exit"),
            (ttl.is_some(), "--ttl"),
            (session.is_some(), "--session"),
            (*keep, "--keep"),
            (self.paths.json, "--json"),
            (self.paths.null, "--null"),
        ]
        .into_iter()
        .find_map(|(is_given, name)| is_given.then_some(name))
    }

    /// Returns an option that only a command has.
    pub(crate) fn option_for_command(&self) -> Option<&'static str> {
        [
            (self.jobs.is_some(), "--jobs"),
            (self.output.is_some(), "--output"),
            (self.merge.is_some(), "--merge"),
        ]
        .into_iter()
        .find_map(|(is_given, name)| is_given.then_some(name))
    }
}

fn chunk_size(text: &str) -> Result<ByteSize, String> {
    match text.parse() {
        Ok(ByteSize(0)) => Err("not a positive size".into()),
        Ok(size) => Ok(size),
        Err(err) => Err(format!("{err}")),
    }
}

fn json_form(text: &str) -> Result<JsonForm, String> {
    match text {
        "ndjson" | "jsonl" => Ok(JsonForm::Lines),
        "json" => Ok(JsonForm::Array),
        _ => Err("expected ndjson or json".into()),
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if text == "tab" || text == "\\t" => Ok(b'\t'),
        [b'"' | b'\n' | b'\r'] => Err("cannot separate fields".into()),
        &[byte] if byte.is_ascii() => Ok(byte),
        _ => Err("expected one ASCII character, or tab".into()),
    }
}

const DETAILS: &str = "\
Malformed input:
  A message names the line and the byte, both counted from 1. Files are checked
  before the first command runs, standard input while it is read.

Exit status:
  0    Success.
  1    Failure. A message on stderr gives the reason.
  2    Usage error.

  With COMMAND, the status of the first chunk that failed. A signal that ends
  its command ends tmpx too. Otherwise:

  125  tmpx itself failed.
  126  COMMAND cannot be executed.
  127  COMMAND was not found.

Examples:
  A filter on all cores, its outputs under one header:
      tmpx chunk --merge data.csv -- sed s/a/A/

  A stream, as it arrives:
      sort data.csv | tmpx chunk --format lines -- tail -n 1

  Chunk files of 10,000 records, removed when the script exits:
      tmpx chunk --rows 10000 --until-exit data.csv

  CSV to one JSON array, in batches of 50 records:
      tmpx chunk data.csv --to json --rows 50 --merge -o data.json -- cat";
