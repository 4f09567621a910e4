//! `tmpx workspace`

use clap::Args;

use crate::cli::shared::{LayoutArgs, LifetimeArgs, OutputArgs, PlaceArgs, template_path};
use crate::values::TemplatePath;

/// Create a workspace with a private TMPDIR and print its path
///
/// The directory is new, and nobody else can look into it. --mkdir makes
/// directories in it, --in copies files and directories into it, and .tmp in it
/// is there to be the TMPDIR of what works in it, so that this goes with it.
/// --export prints both paths for eval, as TMPX_WORKSPACE and TMPDIR.
///
/// SRC alone is copied under its own name, 'SRC:DEST' under the name DEST,
/// 'SRC:DEST/' into the directory DEST, and 'SRC/.' is what is in SRC.
///
/// It stays until a cleanup asks for it. With --until-exit it goes, with all
/// that is in it, when the calling script has exited, however that came about;
/// with --ttl it goes when its time is over; with both, whichever comes first.
/// TMPX_UNTIL_EXIT and TMPX_TTL in the environment do the same for every call,
/// see 'tmpx --help'. For a workspace that lives as long as one command, see
/// 'tmpx exec'.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment,    override_usage = "tmpx workspace [OPTIONS] [TEMPLATE]",
 after_long_help = EXAMPLES)]
pub struct WorkspaceArgs {
    /// A name in which the last run of three or more X is replaced, as in tmp.XXXXXXXXXX
    #[arg(conflicts_with = "prefix", value_parser = template_path())]
    pub template: Option<TemplatePath>,
    #[command(flatten)]
    pub layout: LayoutArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub lifetime: LifetimeArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Print 'export TMPX_WORKSPACE=... TMPDIR=...', for eval
    #[arg(long, conflicts_with_all = ["json", "null"], help_heading = "Output")]
    pub export: bool,
}

const EXAMPLES: &str = "\
Examples:
  A script that works in a place of its own, gone when it exits:
      eval \"$(tmpx workspace --until-exit=$$ --export)\"
      cd \"$TMPX_WORKSPACE\"

  Two directories, and a copy of a file in one of them:
      tmpx workspace --mkdir src --mkdir out --in data.csv:src/";
