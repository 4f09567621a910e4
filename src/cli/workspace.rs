//! The arguments of `tmpx workspace`.

use clap::Args;

use crate::cli::shared::{LayoutArgs, LifetimeArgs, OutputArgs, PlaceArgs, template_path};
use crate::values::TemplatePath;

/// Create a workspace with a private TMPDIR and print its path
///
/// A workspace is a new directory that only you can access. --mkdir creates
/// directories in it, --in copies files and directories into it. Its subdirectory
/// .tmp is meant as the TMPDIR of the commands that work in it: their temporary
/// files are removed with the workspace. --export prints both paths for eval, as
/// TMPX_WORKSPACE and TMPDIR. --mode opens both directories to others.
///
/// SRC is copied under its own name, 'SRC:DEST' under the name DEST, 'SRC:DEST/'
/// into the directory DEST. 'SRC/.' copies the content of SRC.
///
/// The workspace stays until you remove it. With --until-exit, it is removed with
/// its content when the calling script has exited, for whatever reason; with
/// --ttl, when that time is over; with both, whichever comes first.
/// TMPX_UNTIL_EXIT and TMPX_TTL in the environment do the same for every call,
/// see 'tmpx --help'. For a workspace that lasts as long as one command, see
/// 'tmpx exec'.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx workspace [OPTIONS] [TEMPLATE]",
    after_long_help = EXAMPLES,
)]
pub struct WorkspaceArgs {
    /// A name whose last run of three or more X is replaced
    ///
    /// As in tmp.XXXXXXXXXX, the default. A TEMPLATE with a slash is relative
    /// to DIR, or else to the working directory.
    #[arg(conflicts_with_all = ["prefix", "name"], value_parser = template_path(),
          verbatim_doc_comment)]
    pub template: Option<TemplatePath>,
    #[command(flatten)]
    pub layout: LayoutArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub lifetime: LifetimeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Print 'export TMPX_WORKSPACE=... TMPDIR=...' for eval
    #[arg(long, conflicts_with_all = ["json", "null"], help_heading = "Output")]
    pub export: bool,
}

const EXAMPLES: &str = "\
Examples:
  A workspace for a script, removed when the script exits:
      eval \"$(tmpx workspace --until-exit=$$ --export || echo exit 1)\"
      cd \"$TMPX_WORKSPACE\"

  Two directories, and a copy of a file in one of them:
      tmpx workspace --mkdir src --mkdir out --in data.csv:src/";
