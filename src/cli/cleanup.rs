//! `tmpx cleanup`

use std::path::PathBuf;

use clap::Args;

use crate::cli::shared::{OutputArgs, SelectArgs};

/// Remove what has ended, or what you select
///
/// That is everything whose lifetime has ended, and what a tmpx that was killed
/// had made and told nobody of. --session, --older-than, --all and PATH ask for
/// what is manual as well, and for what only waits for its time; several of them
/// narrow each other down.
///
/// Kept is what goes at the exit of a script that still runs, what a running
/// command uses, and, by --all and --older-than, what another job of yours has
/// made that still runs. A script can name a PATH that goes at its own exit; all
/// else of these takes --force. Only what tmpx made is ever removed, never what
/// lies behind a symlink or on another mount.
///
/// The paths that were removed go to stdout; a summary of what was removed and
/// what was kept goes to stderr, with the reasons. TMPX_STATE_DIR says which
/// leases are read, see 'tmpx --help'; TMPX_SESSION does not narrow a cleanup.
///
/// The exit status is 1 if something could not be removed, a PATH was kept, or
/// leases could not be read.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment,    override_usage = "tmpx cleanup [OPTIONS] [PATH]...",
 after_long_help = EXAMPLES)]
pub struct CleanupArgs {
    /// Only these resources, by their paths
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Remove nothing, list what would be removed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Take also what lives, is in use, or belongs to another job
    #[arg(long)]
    pub force: bool,
    /// Say nothing of what was removed and kept
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub select: SelectArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  What would go, and nothing done:
      tmpx cleanup --dry-run

  All that is older than a week, from a daily job:
      tmpx cleanup --older-than 7d --quiet

  All that a job has made under its name:
      export TMPX_SESSION=nightly
      tmpx dir
      tmpx cleanup --session nightly";
