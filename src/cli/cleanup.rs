//! Arguments of `tmpx cleanup`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::shared::{OutputArgs, SelectArgs};

/// Remove what has ended, or what you select
///
/// Without a selection, this removes every resource whose lifetime has ended,
/// what a killed tmpx had created but not yet printed, and expired entries of
/// 'tmpx cache'. --session, --older-than, --all and PATH also select manual and
/// timed resources; several of them must all match, also for what has ended.
/// What is live, in use, unknown or another job's is kept unless you add --force;
/// see below. --session, --older-than and PATH leave the cache alone.
///
/// Only what tmpx created is removed. Symlinks are not followed, and other
/// mounts are not entered.
///
/// The removed paths go to stdout. Totals, and reasons for keeping the rest, go
/// to stderr. TMPX_STATE_DIR determines which leases are read, see 'tmpx --help'.
/// TMPX_SESSION selects nothing here.
///
/// The exit status is 1 if something could not be removed, a PATH was kept, or
/// leases could not be read.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx cleanup [OPTIONS] [PATH]...",
    after_long_help = DETAILS
)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct CleanupArgs {
    /// Only the resources with these paths
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print what would be removed, but remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Also remove what is another job's, or unknown
    #[arg(long)]
    pub other_jobs: bool,
    /// End the leases of what is out of sight, and remove nothing
    #[arg(long)]
    pub forget: bool,
    /// Also remove what is live, in use, unknown or another job's
    #[arg(long)]
    pub force: bool,
    /// Print neither removed paths nor totals, only problems
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub select: SelectArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What the long help and the man page say after the options.
const DETAILS: &str = "\
Kept without --force:
  live            It belongs to a script that still runs. That script itself
                  can remove it by its PATH or its session.
  in use          A running command uses it.
  of another job  Another running job of yours created it. Only with --all and
                  --older-than is this a reason to keep it.
  unknown         Its owner cannot be seen from here, as in another container.

Removed with --other-jobs (use it if no other job runs):
  unknown         Also without a selection.
  of another job  With --all or --older-than.

Kept even with --force and a selection:
  replaced        Another file has its name.
  unproven        Nothing proves that it is tmpx's, as on some network
                  filesystems. Only --force with its PATH removes it.
  out of sight    Its directory was removed or moved, or cannot be seen from
                  here. If it seems to be removed, its lease ends after 30 days;
                  with --forget, it ends at once.

Examples:
  See what would be removed:
      tmpx cleanup --dry-run

  Remove everything older than a week, from a daily job:
      tmpx cleanup --older-than 7d --quiet

  Remove everything that a job created under its session:
      export TMPX_SESSION=nightly
      tmpx dir
      tmpx cleanup --session nightly";
