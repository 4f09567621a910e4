//! The arguments of `tmpx file`.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::shared::CreateArgs;

/// Create a file and print its path
///
/// The file is new and empty, and only you can read it (mode 600, minus the
/// umask). It is created in the temp dir that 'tmpx gettempdir' prints, and its
/// name is tmp. and ten random characters, unless options or a TEMPLATE say
/// otherwise. --from fills it before its path is printed.
///
/// The file stays until you remove it. With --until-exit, it is removed when the
/// calling script has exited, for whatever reason; with --ttl, when that time is
/// over; with both, whichever comes first. TMPX_UNTIL_EXIT and TMPX_TTL in the
/// environment do the same for every call, see 'tmpx --help'.
///
/// If you move the file, its lease ends, and it stays. If you remove it and
/// create another one under its name, that one may stay.
///
/// If the path cannot be printed (stdout is full, or its reader has exited), the
/// file is removed again, and the exit status is 1.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx file [OPTIONS] [TEMPLATE]",
    after_long_help = EXAMPLES,
)]
pub struct FileArgs {
    /// Fill it from SRC, or from standard input if SRC is '-'
    #[arg(long, value_name = "SRC", value_hint = ValueHint::FilePath, allow_hyphen_values = true)]
    pub from: Option<OsString>,
    #[command(flatten)]
    pub create: CreateArgs,
}

const EXAMPLES: &str = "\
Examples:
  Several files, removed when the script exits, without a trap:
      export TMPX_UNTIL_EXIT=$$
      log=$(tmpx file)
      csv=$(tmpx file --suffix .csv)

  The output of a command, for an hour:
      sort data.csv | tmpx file --from - --ttl 1h

  report.csv in this directory, or report_1.csv if that is taken:
      tmpx file --name report.csv --dir .";
