//! The arguments of `tmpx mktemp`.
//!
//! clap uses them only for the help, the man page and the completions. It cannot parse a command line
//! by GNU's rules; `getopt` does.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

/// Create a file or directory; a drop-in for GNU mktemp
///
/// Names, modes, messages and exit statuses are those of GNU mktemp. If tmpx is
/// called through a link named mktemp, it is this command: put such a link first
/// in PATH to replace GNU mktemp.
///
/// As with any mktemp, you remove what it creates, unless one of the variables
/// below is set. Then the file or directory has a lease, as from 'tmpx file', and
/// is removed when its lifetime ends, whatever the script does.
///
/// The exit status is 0 or 1.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx mktemp [OPTIONS] [TEMPLATE]",
    after_long_help = DETAILS,
    disable_help_flag = true,
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of GNU mktemp")]
pub struct MktempArgs {
    /// The name to create; its last run of three or more X is replaced
    ///
    /// With fewer than six X, what sed -i or mv puts in its place is yours.
    ///
    /// [default: tmp.XXXXXXXXXX, in $TMPDIR or /tmp]
    pub template: Option<OsString>,
    /// Create a directory
    #[arg(short, long)]
    pub directory: bool,
    /// Print an unused name, and create nothing
    #[arg(short = 'u', long)]
    pub dry_run: bool,
    /// Print no message if the creation fails
    #[arg(short, long)]
    pub quiet: bool,
    /// Append SUFFIX to TEMPLATE, which must then end in X
    #[arg(long, value_name = "SUFFIX")]
    pub suffix: Option<OsString>,
    /// Create it in DIR
    #[arg(short = 'p', value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Create it in DIR [default: $TMPDIR, else /tmp]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "clap's type of an option with an optional value")]
    pub tmpdir: Option<Option<PathBuf>>,
    /// Create it in $TMPDIR, else in -p's DIR, else in /tmp
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
  TMPX_UNTIL_EXIT  PID: lease the file or directory until this process exits.
                   Ignored if it is not a running ancestor of tmpx.
  TMPX_TTL         Lease it for this time.
  TMPX_SESSION     Lease it as part of this session.
  TMPX_STATE_DIR   Keep the lease in this directory.
  TMPX_REAPER      0 keeps the process that removes it in time from starting.
  TMPDIR           The temp dir [default: /tmp].

Examples:
  Remove what a script creates with mktemp, when this shell exits:
      mkdir -p bin
      ln -sf \"$(command -v tmpx)\" bin/mktemp
      export TMPX_UNTIL_EXIT=$$
      PATH=$PWD/bin:$PATH ./test.sh

  A directory for an hour:
      dir=$(TMPX_TTL=1h tmpx mktemp -d)";
