//! `tmpx spool`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use crate::values::ByteSize;

/// Hold standard input until its end, in memory or a file that nobody sees
///
/// Nothing goes on before all of it is there: to standard output, or to COMMAND,
/// whose standard input it becomes. There it can be read from any place, as
/// tools want it that refuse a pipe, and cannot be changed.
///
/// An argument {} of COMMAND becomes the path of a file with the same content,
/// in a directory of its own. It can be opened several times, and goes when
/// COMMAND has ended, with all that COMMAND put beside it. An argument that is
/// more than {} stays as it is.
///
/// A file that is standard input is not copied: it is passed on as it is, and {}
/// is its own path. So this is not the way to change it; 'tmpx replace' is.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx spool [OPTIONS] [-- COMMAND [ARG]...]",
    after_long_help = DETAILS,
)]
pub struct SpoolArgs {
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    /// Keep up to this much in memory (64K, 10M, 2G), and more in a file without a name
    #[arg(long, value_name = "SIZE", default_value = "8M")]
    pub max_size: ByteSize,
    /// Make that file in DIR, not in the temp dir
    #[arg(short = 'p', long, value_name = "DIR", alias = "tmpdir", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Let STR stand for the path, not {}
    #[arg(short = 'I', value_name = "STR", default_value = "{}", hide_default_value = true,
          hide_short_help = true, value_parser = NonEmptyStringValueParser::new())]
    pub placeholder: String,
    /// Write a JSON object to FILE, whole: bytes, held_in, rolled_over, path, status
    #[arg(long, value_name = "FILE", hide_short_help = true, value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
}

const DETAILS: &str = "\
Exit status:
  0    Done.
  1    It failed. A message on stderr says why.
  2    The command line made no sense.

  With COMMAND, that of the command. A signal that ends it ends tmpx too.
  Otherwise:

  125  tmpx itself failed.
  126  The command was found and could not be executed.
  127  The command was not found.

Examples:
  A tool that must seek, at the end of a pipe:
      sort data.csv | tmpx spool -- tail -c 2

  A tool that wants a path, and reads it more than once:
      sort data.csv | tmpx spool -- cmp {} {}

  Let go of the source before a slow reader begins:
      sort data.csv | tmpx spool | wc -l";
