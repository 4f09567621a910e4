//! `tmpx gettempdir`

use clap::Args;

/// Print the directory that temporary files go to
///
/// It is the first that a file can be written to, in the order of Python's
/// tempfile.gettempdir: $TMPDIR, $TEMP, $TMP, /tmp, /var/tmp, /usr/tmp, the
/// working directory. A variable that is empty counts as unset. The other
/// subcommands use the same order. Each is tried by writing a file there, of
/// which nothing is left.
///
/// The exit status is 1 if none can be used.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment,    override_usage = "tmpx gettempdir [OPTIONS]",
 after_long_help = EXAMPLES)]
pub struct GettempdirArgs {
    /// Show every candidate, and why it was passed over
    #[arg(long)]
    pub all: bool,
    /// Print a JSON object per line
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  How much room there is:
      df -h \"$(tmpx gettempdir)\"

  Why it is not the one that was expected:
      tmpx gettempdir --all";
