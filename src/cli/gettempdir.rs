//! The arguments of `tmpx gettempdir`.

use clap::Args;

/// Print the directory for temporary files
///
/// This is the first usable directory in the order of Python's
/// tempfile.gettempdir: $TMPDIR, $TEMP, $TMP, /tmp, /var/tmp, /usr/tmp, the
/// working directory. An empty variable counts as unset. The other subcommands
/// use the same order. tmpx tests a directory by writing an unnamed file in it.
///
/// The exit status is 1 if no directory is usable.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx gettempdir [OPTIONS]",
    after_long_help = EXAMPLES,
)]
pub struct GettempdirArgs {
    /// Show every candidate, and why it was skipped
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  See how much space is free there:
      df -h \"$(tmpx gettempdir)\"

  See why another directory was chosen:
      tmpx gettempdir --all";
