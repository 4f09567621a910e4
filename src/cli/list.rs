//! Arguments of `tmpx list`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::shared::{OutputArgs, SelectArgs};

/// List what tmpx created, and its state
///
/// On a terminal, this prints a table and totals; columns without a value are
/// left out. Otherwise it prints the paths alone, one per line, or with --json
/// all details. It lists every resource of yours that still exists.
///
/// TMPX_STATE_DIR determines which leases are read, see 'tmpx --help'. The exit
/// status is 1 if a state directory cannot be read, or if a PATH is not one of
/// a resource.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx list [OPTIONS] [PATH]...",
    after_long_help = DETAILS,
    mut_arg("all", |all| all.help("Everything (the default)")),
)]
pub struct ListArgs {
    /// Only the resources with these paths
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub select: SelectArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What the long help and the man page say after the options.
const DETAILS: &str = "\
States:
  live          Its owner, the process whose exit ends it, is running.
  in use        A command uses it: one that tmpx runs, or one left behind.
  timed         Its TTL has not ended.
  manual        It stays until a cleanup selects it.
  ended         Its lifetime is over; the next cleanup removes it.
  replaced      Another file has its name.
  unproven      Nothing proves that the file with its name is tmpx's.
  out of sight  Its directory was removed or moved, is not mounted, or cannot
                be seen from here. Only --json lists each one.
  unknown       Its owner cannot be seen from here, as in another container.

Examples:
  List everything:
      tmpx list

  List what a session created, for a program:
      tmpx list --session nightly --json

  List what is two days old or older:
      tmpx list --older-than 2d";
