//! `tmpx mktemp`
//!
//! For the help, the man page and the completions alone: GNU's rules for a command line are not
//! clap's, so `getopt` reads it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

/// Make a file or directory, option for option as GNU mktemp
///
/// Its names, modes, messages and exit statuses are those of GNU mktemp, so that
/// it can stand in for it: a link named mktemp to tmpx, first in PATH, is this
/// command.
///
/// What it makes is yours to remove, as with any mktemp, unless one of the
/// variables below is set. Then it is leased as what 'tmpx file' makes is: it
/// goes when its lifetime ends, whatever the script does.
///
/// The exit status is 0 or 1.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment,    override_usage = "tmpx mktemp [OPTIONS] [TEMPLATE]",
 after_long_help = DETAILS, disable_help_flag = true)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of GNU mktemp")]
pub struct MktempArgs {
    /// The name to make, its last run of three or more X replaced [default: tmp.XXXXXXXXXX, in
    /// $TMPDIR or /tmp]
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

const DETAILS: &str = "\
Environment:
  TMPX_UNTIL_EXIT  Lease what is made until the process of this number exits;
                   ignored where it is no running process above.
  TMPX_TTL         Lease what is made for this time.
  TMPX_SESSION     Lease what is made as part of this session.
  TMPDIR           The temp dir; /tmp if unset.

Examples:
  All that a script makes with mktemp goes when this shell exits:
      mkdir -p bin
      ln -sf \"$(command -v tmpx)\" bin/mktemp
      export TMPX_UNTIL_EXIT=$$
      PATH=$PWD/bin:$PATH ./test.sh

  The usual, for an hour:
      dir=$(TMPX_TTL=1h tmpx mktemp -d)";
