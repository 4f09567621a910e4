//! The arguments of `tmpx exec`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use crate::cli::shared::{LayoutArgs, PlaceArgs, session};
use crate::values::Span;

/// When the workspace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeepPolicy {
    /// However the command ends.
    Always,
    /// If the command fails.
    OnFailure,
}

/// Run a command in a workspace, then remove the workspace
///
/// The workspace is a new directory that only you can access. --in copies files
/// into it, --mkdir creates directories in it. The command runs there, with your
/// terminal and your standard streams. The workspace is removed when the command
/// ends, however it ends. If tmpx itself was killed, 'tmpx cleanup' removes the
/// workspace as soon as no process of the command uses it any more.
///
/// --mode opens the workspace and its .tmp, the TMPDIR of the command, to others.
/// In the .tmp of another workspace, the name has no prefix by default, so that
/// paths stay short enough for sockets.
///
/// SRC is copied under its own name, 'SRC:DEST' under the name DEST, 'SRC:DEST/'
/// into the directory DEST. 'SRC/.' copies the content of SRC, '.' that of the
/// current directory. If SRC exists under its full name, it is not split at the
/// colon.
///
/// --out saves files if the command succeeds. GLOB is a name or a shell pattern
/// inside the workspace; ** matches directories of any depth. What matches is
/// saved in the current directory. With DEST, it is saved in the directory DEST
/// if GLOB has a wildcard or DEST ends in '/', and otherwise under the name DEST.
/// Directories before the first wildcard are dropped, those after it are kept:
/// 'a/**/*.txt:res/' saves a/b/c.txt as res/b/c.txt. Quote GLOB so that your
/// shell does not expand it. A wildcard skips inputs that have not changed. If a
/// file has exactly the name GLOB, as in '[slug].js', GLOB means that file; if
/// other results match GLOB as a pattern, tmpx reports them and keeps the
/// workspace for a day. An existing file is replaced atomically. If nothing
/// matches, tmpx fails and keeps the workspace for a day; if a match cannot be
/// saved, it keeps the workspace until you remove it. On a terminal, tmpx prints
/// what it has saved.
///
/// If the command leaves processes running, tmpx names them and removes the
/// workspace all the same.
///
/// Signals to tmpx reach the command. SIGTSTP, SIGTTIN and SIGTTOU stop the
/// command, then tmpx; SIGCONT continues both. SIGSTOP cannot be caught: it stops
/// tmpx alone.
///
/// Sockets, FIFOs and devices below SRC or in what GLOB matches are skipped and
/// reported, and so are files that vanish during the copy. Copies keep modes,
/// times, ACLs and extended attributes, those of directories too unless the
/// directory exists. One line reports what could not be kept.
///
/// Without COMMAND and on a terminal, your $SHELL runs: a scratch shell. A COMMAND
/// with a slash is relative to the current directory, not to the workspace.
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    override_usage = "tmpx exec [OPTIONS] [--] [COMMAND [ARG]...]",
    after_long_help = DETAILS,
)]
pub struct ExecArgs {
    /// The command and its arguments [default: $SHELL]
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
    /// Parses a command line without options, the most frequent one. For it, clap would take a
    /// twentieth of all the time that `tmpx exec true` takes. Returns `None` if the command line may
    /// have options.
    pub(super) fn without_options(args: &[OsString]) -> Option<Self> {
        let [_, subcommand, words @ ..] = args else { return None };
        let command = match words {
            [dashes, command @ ..] if dashes == "--" => command,
            [first, ..] if first.as_bytes().starts_with(b"-") => return None,
            command => command,
        };
        let is_one = subcommand == "exec" && !command.is_empty();
        // Only clap knows the meaning of further dashes.
        (is_one && command.iter().all(|word| word != "--")).then(|| Self {
            command: command.to_vec(),
            layout: LayoutArgs::default(),
            run: RunArgs::default(),
            place: PlaceArgs::default(),
        })
    }
}

/// How the command runs, and what is kept of its workspace.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// On success, save what matches GLOB (to DEST)
    #[arg(long = "out", value_name = "GLOB[:DEST]", allow_hyphen_values = true)]
    pub outputs: Vec<OsString>,
    /// Save what matches GLOB, whatever the status
    ///
    /// Unlike with --out, GLOB may match nothing.
    #[arg(long = "out-always", value_name = "GLOB[:DEST]", allow_hyphen_values = true)]
    pub outputs_always: Vec<OsString>,
    /// Keep the workspace: always or on-failure
    ///
    /// tmpx prints its path. --keep alone means always. The workspace stays
    /// until 'tmpx cleanup' removes it by its path, --session or --all.
    #[arg(long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "always", hide_possible_values = true, verbatim_doc_comment)]
    pub keep: Option<KeepPolicy>,
    /// End the command after this time (status 124)
    ///
    /// The command gets SIGTERM, and so does what it has started, unless that
    /// called setsid. 0 means no limit. The limit ends if SIGKILL kills tmpx.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true, verbatim_doc_comment)]
    pub timeout: Option<Span>,
    /// Send SIGKILL to what still runs this long after --timeout
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5s",
        hide_short_help = true,
        allow_hyphen_values = true
    )]
    pub kill_after: Span,
    /// Run in the current directory instead
    ///
    /// --in and --out still refer to the workspace, $TMPX_WORKSPACE.
    #[arg(long)]
    pub here: bool,
    /// Open an unnamed file for the command, as descriptor N
    ///
    /// It is open for reading and writing.
    #[arg(long = "anon-fd", value_name = "N", value_parser = descriptor,
          hide_short_help = true, allow_hyphen_values = true)]
    pub anon_fds: Vec<i32>,
    /// Give the command its own /tmp and /var/tmp
    ///
    /// For programs that ignore TMPDIR. Both are removed with the workspace;
    /// TMPDIR is /tmp. The path of a workspace below /tmp is in the new one
    /// too. Needs root or user namespaces; in a user namespace, setuid
    /// programs such as sudo do not work.
    #[arg(long, verbatim_doc_comment)]
    pub private_tmp: bool,
    /// Write a JSON report on the command to FILE
    ///
    /// An object, written whole when the command has ended or could not be
    /// started: command, workspace, status (or signal), timed_out, exit (the
    /// status of tmpx), wall_ms, user_ms, system_ms, peak_memory_bytes,
    /// outputs (a list of objects with a path), kept.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
          allow_hyphen_values = true, verbatim_doc_comment)]
    pub report: Option<PathBuf>,
    /// Add the workspace to a session, a name for cleanup and list
    #[arg(long, value_name = "NAME", value_parser = session(),
          hide_short_help = true, allow_hyphen_values = true)]
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
    number.ok_or_else(|| "not a descriptor number, such as 3".into())
}

const DETAILS: &str = "\
Environment:
  TMPX_WORKSPACE  Set for the command: the workspace.
  TMPDIR          Set for the command: a directory in the workspace.
  OLDPWD          Set for the command: the caller's current directory.
  TMPX_SESSION    The default of --session.
  SHELL           Runs if no COMMAND is given; /bin/sh if unset.

Exit status:
  The command's own. If a signal ends the command, it ends tmpx too. Otherwise:

  2    Usage error.
  124  The command exceeded --timeout.
  125  tmpx itself failed, or could not save an output.
  126  The command was found but could not be run.
  127  The command was not found.

Examples:
  Work on a copy, and save one file:
      tmpx exec --in data.csv --out sorted.csv -- sort -o sorted.csv data.csv

  Build a copy of the current directory, and save the results:
      tmpx exec --in . --out 'out/*:dist' -- sh -c 'mkdir out; date > out/a'

  Shell syntax needs a shell:
      tmpx exec --in data.csv -- sh -c 'sort data.csv > s; uniq s'

  Inspect what a failed test has left:
      tmpx exec --in data.csv --keep=on-failure ./test.sh";
