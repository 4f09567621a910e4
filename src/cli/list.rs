//! `tmpx list`

use clap::Args;

use crate::cli::shared::{OutputArgs, SelectArgs};

/// List what tmpx created, and its state
///
/// On a terminal this is a table; otherwise it is the paths alone, one a line,
/// unless --json asks for all that is known. Everything of yours that tmpx made
/// and that is still there is shown, manual or not. The states are:
///
/// live (its lifetime is not over), ended (the next cleanup takes it), in use
/// (a command that tmpx runs, or one that it left behind, has it), manual (it
/// stays until a cleanup asks for it), replaced (something else is in its
/// place), unknown (it cannot be judged from here, as in another container).
///
/// TMPX_STATE_DIR says which leases are read, see 'tmpx --help'. The exit status
/// is 1 if a state directory cannot be read.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx list [OPTIONS]",
    after_long_help = EXAMPLES,
    mut_arg("all", |all| all.help("Everything (the default)")),
)]
pub struct ListArgs {
    #[command(flatten)]
    pub select: SelectArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

const EXAMPLES: &str = "\
Examples:
  All that is there:
      tmpx list

  What a session made, for a program:
      tmpx list --session nightly --json

  What has been there for two days:
      tmpx list --older-than 2d";
