//! The arguments of `tmpx cache`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::values::{ByteSize, Span};

/// Keep a command's output for a while
///
/// 'tmpx cache run' prints what a command printed before, instead of running it
/// again. 'set' and 'get' do the same for a value of your own. A cache never makes
/// a command fail: if an output cannot be kept, the command simply runs.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx cache COMMAND",
    after_long_help = DETAILS,
    disable_help_subcommand = true,
)]
pub struct CacheArgs {
    /// The subcommand and its arguments.
    #[command(subcommand)]
    pub command: CacheCommandArgs,
}

/// The subcommands of `tmpx cache`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum CacheCommandArgs {
    /// Print what a command printed before, or run it
    Run(CacheRunArgs),
    /// Print what 'set' stored under a key
    Get(CacheGetArgs),
    /// Store standard input under a key
    Set(CacheSetArgs),
    /// Remove what is stored
    Clear(CacheClearArgs),
    /// List what is stored
    List(CacheListArgs),
}

const DETAILS: &str = "\
Environment:
  TMPX_CACHE_DIR  Keep outputs in this directory (an absolute path). Otherwise
                  they are in $XDG_CACHE_HOME/tmpx or ~/.cache/tmpx.
  TMPX_CACHE_TTL  The default of --ttl.
  TMPX_CACHE_MAX  The default of --max-bytes.

Files:
  The directory must be yours, writable by nobody else, and on a local
  filesystem. Entries that have expired are removed by later runs and by 'tmpx
  cleanup'. If the directory grows beyond TMPX_CACHE_MAX, the least recently
  used entries are removed.

Exit status:
  0    Success.
  1    Failure. A message on stderr gives the reason. 'get' of a key that
       is not stored prints none.
  2    Usage error.

  run exits with the status of its command.

Examples:
  Run a slow command at most once in ten minutes:
      tmpx cache run --ttl 10m -- sort data.csv

  See what is stored, and remove it:
      tmpx cache list
      tmpx cache clear";

/// Print what a command printed before, or run it
///
/// If the same command ran successfully within the TTL, this prints its stdout and
/// stderr again, in the same order, and exits with its status. Otherwise the
/// command runs; its output appears as it runs, and is kept. If several processes
/// ask at once, one of them runs the command and all get its output.
///
/// Commands are the same if all their arguments, the working directory and the
/// program are. The --key options add to that. The environment is not compared,
/// except for --key-env.
///
/// The command reads /dev/null, and writes to pipes. If it then leaves out colors,
/// an option of its own brings them back, as in 'ls --color=always'.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx cache run [OPTIONS] [--] COMMAND [ARG]...",
    after_long_help = RUN_DETAILS,
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct CacheRunArgs {
    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND",
          value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    /// Run it again if the output is this old [default: 1h]
    ///
    /// As in 90 (seconds), 15m, 1h30m, 2d or 1w. If the output was stored
    /// with another TTL, the shorter one counts.
    #[arg(long, value_name = "DURATION", value_parser = positive, allow_hyphen_values = true,
          verbatim_doc_comment)]
    pub ttl: Option<Span>,
    /// From this age on, print the old output and refresh it
    ///
    /// The output is printed at once, and the command runs in the background.
    /// Must be shorter than the TTL.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, verbatim_doc_comment)]
    pub stale: Option<Span>,
    /// Run the command in any case, and keep its output
    #[arg(long)]
    pub refresh: bool,
    /// Distinguish outputs by S too; may be repeated
    #[arg(long, value_name = "S", value_hint = ValueHint::Other, allow_hyphen_values = true)]
    pub key: Vec<OsString>,
    /// Distinguish them by this variable; may be repeated
    #[arg(long, value_name = "VAR", value_hint = ValueHint::Other, allow_hyphen_values = true)]
    pub key_env: Vec<String>,
    /// Distinguish them by a file's content; may be repeated
    ///
    /// A file that does not exist counts too: once it exists, tmpx runs
    /// COMMAND again.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath,
          allow_hyphen_values = true, verbatim_doc_comment)]
    pub key_file: Vec<PathBuf>,
    /// Distinguish them by the input, which the command reads
    #[arg(long)]
    pub key_stdin: bool,
    /// Print outputs from other working directories too
    #[arg(long, hide_short_help = true)]
    pub ignore_cwd: bool,
    /// Keep the outputs of runs that fail
    ///
    /// Not those of commands that could not run (126 and 127), nor of runs
    /// that ended because a signal ended tmpx.
    #[arg(long, hide_short_help = true, verbatim_doc_comment)]
    pub cache_failures: bool,
    /// Keep at most this much in all [default: 1G]
    ///
    /// The least recently used outputs are removed. A larger output is
    /// printed and not kept.
    #[arg(
        long,
        value_name = "SIZE",
        hide_short_help = true,
        allow_hyphen_values = true,
        verbatim_doc_comment
    )]
    pub max_bytes: Option<ByteSize>,
    /// Write a JSON report to FILE
    ///
    /// One object, written atomically: status (hit, miss, stale, or uncached
    /// with why), age_ms, ttl_ms, bytes, exit (the status of tmpx).
    #[arg(long, value_name = "FILE", hide_short_help = true, value_hint = ValueHint::FilePath,
          allow_hyphen_values = true,
          verbatim_doc_comment)]
    pub report: Option<PathBuf>,
}

const RUN_DETAILS: &str = "\
Environment:
  TMPX_CACHE_DIR  Where outputs are kept, see 'tmpx cache --help'.
  TMPX_CACHE_TTL  The default of --ttl.
  TMPX_CACHE_MAX  The default of --max-bytes.
  TMPX_CACHE_RUN  Set for the command. A run inside a run never waits for
                  another one.

Exit status:
  The command's own. If a signal ended the command, it ends tmpx too. Otherwise:

  2    Usage error.
  125  tmpx itself failed, or could not write to stdout.
  126  COMMAND cannot be executed.
  127  COMMAND was not found.

Examples:
  At most one run an hour:
      tmpx cache run -- sort data.csv

  Run again when a file changes:
      tmpx cache run --key-file data.csv --ttl 1d -- sort data.csv

  Answer at once, with an output of up to a minute, and refresh it after 2s:
      tmpx cache run --stale 2s --ttl 1m -- du -sh .

  Keep the output of a filter by its input:
      sort data.csv | tmpx cache run --key-stdin -- uniq -c";

/// Print what 'set' stored under a key
///
/// Exits with status 1 and prints nothing if the key is not stored, or has expired.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx cache get KEY",
    after_long_help = GET_DETAILS,
)]
pub struct CacheGetArgs {
    /// The key
    #[arg(value_name = "KEY", value_hint = ValueHint::Other)]
    pub key: OsString,
}

const GET_DETAILS: &str = "\
Examples:
  A value, or one that is computed now:
      tmpx cache get token ||
          { date | tmpx cache set token; tmpx cache get token; }";

/// Store standard input under a key
///
/// It replaces what is stored under the key, once all input has arrived.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx cache set [OPTIONS] KEY",
    after_long_help = SET_DETAILS,
)]
pub struct CacheSetArgs {
    /// The key
    #[arg(value_name = "KEY", value_hint = ValueHint::Other)]
    pub key: OsString,
    /// Keep it for this long [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = positive, allow_hyphen_values = true)]
    pub ttl: Option<Span>,
}

const SET_DETAILS: &str = "\
Environment:
  TMPX_CACHE_DIR  Where values are kept, see 'tmpx cache --help'.
  TMPX_CACHE_TTL  The default of --ttl.

Examples:
  Keep a value for half an hour:
      date | tmpx cache set --ttl 30m token";

/// Remove what is stored
///
/// With KEY, removes what 'set KEY' stored and every run with '--key KEY'. Without
/// KEY, removes everything. The output of a command that still runs is not kept.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx cache clear [OPTIONS] [KEY]",
    after_long_help = CLEAR_DETAILS,
)]
pub struct CacheClearArgs {
    /// The key
    #[arg(value_name = "KEY", value_hint = ValueHint::Other)]
    pub key: Option<OsString>,
    /// Do not print how many entries were removed
    #[arg(short, long)]
    pub quiet: bool,
}

const CLEAR_DETAILS: &str = "\
Examples:
  Remove all outputs with '--key deploy':
      tmpx cache clear deploy";

/// List what is stored
///
/// Prints a line for each entry: its age, the time that is left, its size, and its
/// key or command.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx cache list [OPTIONS]",
    after_long_help = LIST_DETAILS,
)]
pub struct CacheListArgs {
    /// Print one JSON object per line
    ///
    /// key, argv, age_ms, left_ms, bytes, status.
    #[arg(long, verbatim_doc_comment)]
    pub json: bool,
}

const LIST_DETAILS: &str = "\
Examples:
  For a program:
      tmpx cache list --json";

fn positive(text: &str) -> Result<Span, String> {
    match text.parse() {
        Ok(Span(time)) if time.is_zero() => Err("not a positive duration".into()),
        Ok(time) => Ok(time),
        Err(err) => Err(format!("{err}")),
    }
}
