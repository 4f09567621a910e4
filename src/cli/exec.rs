//! `tmpx exec`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::shared::{LayoutArgs, PlaceArgs, session};
use crate::values::Span;

/// When a workspace outlives its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeepPolicy {
    /// However the command ended.
    Always,
    /// When the command failed.
    OnFailure,
}

/// Run a command in a workspace, then remove the workspace
///
/// The workspace is a new directory that nobody else can look into. --in copies
/// into it, --mkdir makes directories in it. The command runs there, with your
/// terminal and standard streams. When it has ended, in whatever way, the
/// workspace goes. If tmpx itself was killed, 'tmpx cleanup' removes it, once no
/// process of the command uses it any more.
///
/// SRC alone is copied under its own name, 'SRC:DEST' under the name DEST,
/// 'SRC:DEST/' into the directory DEST, and 'SRC/.' is what is in SRC, as '.' is
/// what is in the directory that you are in. A SRC with a colon that exists is
/// taken whole.
///
/// --out saves what the command made, if it succeeded: GLOB is a name or a
/// pattern inside the workspace, as the shell has them, and ** stands for
/// directories of any depth. What matches is saved where you are, or as DEST: in
/// a directory of this name if GLOB has a wildcard or DEST ends in '/', under
/// this name otherwise. What stands in GLOB before the first wildcard is dropped
/// from the names, what lies below is kept. Quote a GLOB, or your shell takes it
/// for one of its own. A file that is there is replaced at once, by the whole
/// new one. A wildcard passes over inputs that have not changed. If nothing
/// matches, tmpx fails; if what matches cannot be saved, the workspace is kept.
///
/// If the command leaves something running, that is told: its workspace goes all
/// the same.
///
/// Without COMMAND your $SHELL runs: a scratch shell. A COMMAND with a slash in
/// it is looked for from the directory that you are in.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx exec [OPTIONS] [--] [COMMAND [ARG]...]",
    after_long_help = DETAILS,
)]
pub struct ExecArgs {
    /// The command and its arguments; $SHELL if there is none
    #[arg(trailing_var_arg = true, value_name = "COMMAND",
          value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
    #[command(flatten)]
    pub layout: LayoutArgs,
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

impl ExecArgs {
    /// The command line where it has no option, which is how `exec` is called most: to have clap read it
    /// costs a twentieth of all that `tmpx exec true` does. `None` where there may be one.
    pub(super) fn without_options(args: &[OsString]) -> Option<Self> {
        let [_, subcommand, words @ ..] = args else { return None };
        let command = match words {
            [dashes, command @ ..] if dashes == "--" => command,
            [first, ..] if first.as_bytes().starts_with(b"-") => return None,
            command => command,
        };
        let is_one = subcommand == "exec" && !command.is_empty();
        // How clap takes further dashes is its own affair.
        (is_one && command.iter().all(|word| word != "--")).then(|| Self {
            command: command.to_vec(),
            layout: LayoutArgs::default(),
            run: RunArgs::default(),
            place: PlaceArgs::default(),
        })
    }
}

/// How the command is run, and what becomes of what it made.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// If the command succeeds, save what matches GLOB, here or to DEST
    #[arg(long = "out", value_name = "GLOB[:DEST]")]
    pub outputs: Vec<OsString>,
    /// However the command ends, save what matches GLOB, if anything does
    #[arg(long = "out-always", value_name = "GLOB[:DEST]")]
    pub outputs_always: Vec<OsString>,
    /// Keep the workspace, and say where it is
    ///
    /// It stays until 'tmpx cleanup' is given its path, --all or its --session.
    #[arg(long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "always")]
    pub keep: Option<KeepPolicy>,
    /// Ask the command to end (SIGTERM) when it takes longer than this; the status is 124 then
    ///
    /// What it has started is asked too, unless it has a session of its own. 0
    /// is no limit.
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<Span>,
    /// Kill it (SIGKILL) if it goes on this much longer
    #[arg(long, value_name = "DURATION", default_value = "5s", hide_short_help = true)]
    pub kill_after: Span,
    /// Run in the current directory, not in the workspace
    ///
    /// --in and --out are about the workspace still: $TMPX_WORKSPACE.
    #[arg(long)]
    pub here: bool,
    /// Give the command an unnamed file, open for reading and writing, as descriptor N
    #[arg(long = "anon-fd", value_name = "N", value_parser = descriptor,
          hide_short_help = true)]
    pub anon_fds: Vec<i32>,
    /// Give the command a /tmp and a /var/tmp of its own, which go with the workspace
    ///
    /// For programs that write there whatever TMPDIR says. TMPDIR is /tmp then.
    /// Takes root, or user namespaces, in which no setuid program such as sudo works.
    #[arg(long)]
    pub private_tmp: bool,
    /// Write what came of the command to FILE, as JSON
    ///
    /// One object, written whole when the command has ended or could not be
    /// started: command, workspace, status (or signal), timed_out, exit (tmpx's
    /// own status), wall_ms, user_ms, system_ms, peak_memory_bytes, outputs (a
    /// list of objects with a path), kept.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Make the workspace part of a session: a name by which cleanup and list find it
    #[arg(long, value_name = "NAME", value_parser = session(),
          hide_short_help = true)]
    pub session: Option<String>,
}

impl Default for RunArgs {
    fn default() -> Self {
        Self {
            outputs: Vec::new(),
            outputs_always: Vec::new(),
            keep: None,
            timeout: None,
            kill_after: Span(Duration::from_secs(5)),
            here: false,
            anon_fds: Vec::new(),
            private_tmp: false,
            report: None,
            session: None,
        }
    }
}

fn descriptor(text: &str) -> Result<i32, String> {
    let number = text.parse().ok().filter(|&number| number >= 0);
    number.ok_or_else(|| "not the number of a descriptor, such as 3".into())
}

const DETAILS: &str = "\
Environment:
  TMPX_WORKSPACE  Set for the command: the workspace.
  TMPDIR          Set for the command: a directory in the workspace.
  OLDPWD          Set for the command: the directory that you are in.
  TMPX_SESSION    The same as --session.
  SHELL           What runs where no COMMAND is given; /bin/sh if unset.

Exit status:
  The command's own. A signal that ends it ends tmpx too. Otherwise:

  2    The command line made no sense.
  124  The command took longer than --timeout.
  125  tmpx itself failed, or an output could not be saved.
  126  The command was found and could not be executed.
  127  The command was not found.

Examples:
  Work on a copy, and take home one file:
      tmpx exec --in data.csv --out sorted.csv -- sort -o sorted.csv data.csv

  Build a copy of what is here, and take home what was made:
      tmpx exec --in . --out 'out/*:dist' -- sh -c 'mkdir out; date > out/a'

  The shell's own syntax takes a shell:
      tmpx exec --in data.csv -- sh -c 'sort data.csv > s; uniq s'

  See what a failed test has left:
      tmpx exec --in data.csv --keep=on-failure ./test.sh";
