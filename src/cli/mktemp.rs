//! `tmpx mktemp`
//!
//! For the help, the man page and the completions alone: GNU's rules for a command line are not
//! clap's, so `getopt` reads it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

/// Arguments of `tmpx mktemp`.
#[derive(Args, Debug)]
#[command(
    about = "Make a file or directory, option for option as GNU mktemp",
    after_help = "\
TMPX_UNTIL_EXIT, TMPX_SESSION or TMPX_TTL in the environment leases what is made. A link named
mktemp to tmpx, first in PATH, does the same as tmpx mktemp.",
    disable_help_flag = true
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of GNU mktemp")]
pub struct Mktemp {
    /// The name to make: the last run of three or more X is replaced [default: tmp.XXXXXXXXXX in
    /// the temp dir]
    pub template: Option<OsString>,
    /// Make a directory
    #[arg(short, long)]
    pub directory: bool,
    /// Print a name that is free, and make nothing
    #[arg(short = 'u', long)]
    pub dry_run: bool,
    /// Do not say why nothing could be made
    #[arg(short, long)]
    pub quiet: bool,
    /// Put SUFFIX after TEMPLATE, which then must end in X
    #[arg(long, value_name = "SUFFIX")]
    pub suffix: Option<OsString>,
    /// Make it in DIR
    #[arg(short = 'p', value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Make it in DIR [default: $TMPDIR, else /tmp]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    pub tmpdir: Option<Option<PathBuf>>,
    /// Make it in $TMPDIR, else in the directory of -p, else in /tmp
    #[arg(short = 't')]
    pub in_tmpdir: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
    /// Print version
    #[arg(short = 'V', long)]
    pub version: bool,
}
