//! The arguments of `tmpx spool`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueHint};

use crate::cli::shared::affix;
use crate::values::{Affix, ByteSize};

/// Buffer standard input to its end, in memory or an unnamed file
///
/// Nothing is passed on until all input has arrived. Then it goes to standard
/// output, or becomes COMMAND's standard input: seekable and read-only, for tools
/// that refuse a pipe.
///
/// An argument {} of COMMAND is replaced by the path of a file with the same
/// content, in a directory of its own. COMMAND can open it several times. When
/// COMMAND has ended, the directory is removed, with everything that COMMAND has
/// created in it. Only an argument that is exactly {} is replaced.
///
/// If standard input is a file, it is not copied but passed on as it is, and {}
/// is its own path, if that ends with the suffix. To change a file, use 'tmpx
/// replace'.
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
    /// Hold at most this much in memory
    ///
    /// As in 64K, 10M or 2G. Larger input is held in an unnamed file.
    #[arg(long, value_name = "SIZE", default_value = "8M", allow_hyphen_values = true)]
    pub max_size: ByteSize,
    /// Create the unnamed file in DIR [default: the temp dir]
    #[arg(short = 'p', long, value_name = "DIR", alias = "tmpdir", value_hint = ValueHint::DirPath,
          allow_hyphen_values = true)]
    pub dir: Option<PathBuf>,
    /// End the name of the file {} with S, as in .c
    #[arg(long, value_name = "S", value_parser = affix(), allow_hyphen_values = true)]
    pub suffix: Option<Affix>,
    /// Replace the argument STR by the path, not {}
    #[arg(short = 'I', value_name = "STR", default_value = "{}", hide_default_value = true,
          hide_short_help = true, value_parser = NonEmptyStringValueParser::new(),
          allow_hyphen_values = true)]
    pub placeholder: String,
    /// Write a JSON report to FILE
    ///
    /// One object, written atomically: bytes, held_in (stdin, memory or
    /// file), rolled_over, path (the directory of the unnamed file), status.
    #[arg(long, value_name = "FILE", hide_short_help = true, value_hint = ValueHint::FilePath,
          allow_hyphen_values = true, verbatim_doc_comment)]
    pub report: Option<PathBuf>,
}

const DETAILS: &str = "\
Exit status:
  0    Success.
  1    Failure. A message on stderr gives the reason.
  2    Usage error.

  With COMMAND, the status of COMMAND. A signal that ends it ends tmpx too.
  Otherwise:

  125  tmpx itself failed.
  126  COMMAND cannot be executed.
  127  COMMAND was not found.

Examples:
  A tool that must seek, at the end of a pipe:
      sort data.csv | tmpx spool -- tail -c 2

  A tool that needs a path, and reads it more than once:
      sort data.csv | tmpx spool -- cmp {} {}

  Let the source end before a slow reader begins:
      sort data.csv | tmpx spool | wc -l";
