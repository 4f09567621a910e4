//! `tmpx file`

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::shared::CreateArgs;

/// Make a file and print its path
///
/// The file is new and empty, and nobody else can read it (mode 600, less the
/// umask). It lies in the temp dir that 'tmpx gettempdir' prints, and its name is
/// tmp. and ten random characters, unless options or a TEMPLATE say otherwise.
/// --from fills it before its path is printed.
///
/// It stays until a cleanup asks for it. With --until-exit it goes when the
/// calling script has exited, however that came about; with --ttl it goes when
/// its time is over; with both, whichever comes first. TMPX_UNTIL_EXIT and
/// TMPX_TTL in the environment do the same for every call, see 'tmpx --help'.
/// A file that has been moved to another name stays.
///
/// If its path cannot be printed (stdout is full, or its reader is gone), the
/// file is removed again and the exit status is 1.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment,    override_usage = "tmpx file [OPTIONS] [TEMPLATE]",
 after_long_help = EXAMPLES)]
pub struct FileArgs {
    /// Fill it from a file, or from standard input if SRC is '-'
    #[arg(long, value_name = "SRC", value_hint = ValueHint::FilePath)]
    pub from: Option<OsString>,
    #[command(flatten)]
    pub make: CreateArgs,
}

const EXAMPLES: &str = "\
Examples:
  All files of a script, gone when it exits, without a trap:
      export TMPX_UNTIL_EXIT=$$
      log=$(tmpx file)
      csv=$(tmpx file --suffix .csv)

  The output of a command, for an hour:
      sort data.csv | tmpx file --from - --ttl 1h

  report.csv in this directory, or report_1.csv if that is taken:
      tmpx file --name report.csv --dir .";
