//! Parses the command line into types. Parsing only validates; the handlers do the work.
//!
//! The doc comments of arguments become the help texts, the man pages and the completions.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{
    Arg, ArgMatches, Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
};

use crate::cli::cache::{CacheArgs, CacheCommandArgs};
use crate::cli::chunk::ChunkArgs;
use crate::cli::cleanup::CleanupArgs;
use crate::cli::completions::{CompletionsArgs, CompletionsCliArgs};
use crate::cli::dir::DirArgs;
use crate::cli::exec::ExecArgs;
use crate::cli::file::FileArgs;
use crate::cli::gettempdir::GettempdirArgs;
use crate::cli::list::ListArgs;
use crate::cli::mktemp::MktempArgs;
use crate::cli::replace::ReplaceArgs;
use crate::cli::spool::SpoolArgs;
use crate::cli::workspace::WorkspaceArgs;

/// The overview that `tmpx --help` prints: clap lists subcommands without groups.
const OVERVIEW: &str = "\
{about}

{usage-heading} {usage}

Create:
  file         Create a file and print its path
  dir          Create a directory and print its path
  workspace    Create a workspace with a private TMPDIR and print its path
Run:
  exec         Run a command in a workspace, then remove the workspace
Stream:
  spool        Buffer standard input to its end, in memory or an unnamed file
  replace      Replace a file's content atomically, from stdin or a command
  chunk        Run a command on chunks of records, or write chunk files
Data:
  cache        Keep a command's output for a while
Look:
  list         List what tmpx created, and its state
  cleanup      Remove what has ended, or what you select
  gettempdir   Print the directory for temporary files
Drop-in:
  mktemp       Create a file or directory; a drop-in for GNU mktemp
Set up:
  completions  Print the completion script of a shell

Options:
{options}

'tmpx COMMAND -h' lists the common options of a command, 'tmpx COMMAND --help'
all of them.{after-help}
";

/// The sections that follow the overview in `tmpx --help` and in tmpx(1).
const DETAILS: &str = "\
Environment:
  TMPX_UNTIL_EXIT  PID: remove new files when this process exits. A script that
                   begins with 'export TMPX_UNTIL_EXIT=$$' covers everything
                   that it and its children create. Ignored, with a note, if
                   it is not a running ancestor of tmpx.
  TMPX_TTL         Remove new files after this time, as with --ttl.
  TMPX_SESSION     Add new files to this session, as with --session. It does
                   not restrict a cleanup.
  TMPX_STATE_DIR   Keep leases in this directory (an absolute path) and in no
                   other. tmpx does not see leases in another directory.
  TMPX_CACHE_DIR, TMPX_CACHE_TTL, TMPX_CACHE_MAX
                   See 'tmpx cache --help'.
  TMPX_REAPER      0: start no background process that removes files when
                   their lifetime ends. The next 'tmpx cleanup' removes them.
  TMPDIR, TEMP, TMP
                   The temp dir is the first of these that is set and usable,
                   then /tmp, /var/tmp, /usr/tmp, the working directory.

  An option overrides its variable, and --keep overrides TMPX_UNTIL_EXIT and
  TMPX_TTL. exec uses neither of these two.

Files:
  Leases are kept in the first usable one of these directories, unless
  TMPX_STATE_DIR is set. list and cleanup read all of them.

  $XDG_STATE_HOME/tmpx
                   ~/.local/state/tmpx if XDG_STATE_HOME is unset. Skipped if
                   it belongs to another user or is on a network filesystem.
  /var/tmp/.tmpx-UID
                   UID is your numeric user id.
  /tmp/.tmpx-UID
                   The same in /tmp.
  $TMPDIR/.tmpx-UID
                   The last resort.

  A directory that other users may write to is refused. If one of another user
  is in the way, the name gets a random suffix.

Exit status:
  0    Success.
  1    Failure. A message on stderr gives the reason.
  2    Usage error.

  What runs a COMMAND exits with its status; 124 ('exec --timeout') to 127 are
  tmpx's own. mktemp exits with 0 or 1.

Examples:
  Replace every trap of a script by one line at its top:
      export TMPX_UNTIL_EXIT=$$
      file=$(tmpx file)
      dir=$(tmpx dir)

  Run a command on a copy, and leave nothing behind:
      tmpx exec --in data.csv -- sort data.csv

  See what exists; remove what has ended:
      tmpx list
      tmpx cleanup";

/// Temporary files, directories and workspaces that cannot leak
///
/// Before creating anything, tmpx records in a lease where it is and how long it
/// is wanted. By default it stays until you remove it, as with mktemp. With a
/// lifetime, it is removed automatically: when a script exits, when a time is
/// over, or when a command has ended. A crash, a kill -9 or a forgotten trap
/// changes nothing: the lease alone shows what is no longer wanted, and
/// 'tmpx cleanup' removes it.
///
/// Paths and JSON go to stdout, everything else to stderr.
#[derive(Debug, Parser)]
#[command(
    name = "tmpx",
    version,
    verbatim_doc_comment,
    help_template = OVERVIEW,
    after_long_help = DETAILS,
    disable_help_subcommand = true
)]
pub struct CliArgs {
    /// The subcommand and its arguments.
    #[command(subcommand)]
    pub command: CommandArgs,
}

/// The subcommands, with the lines of the overview.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum CommandArgs {
    /// Create a file and print its path
    File(FileArgs),
    /// Create a directory and print its path
    Dir(DirArgs),
    /// Create a workspace with a private TMPDIR and print its path
    Workspace(WorkspaceArgs),
    /// Run a command in a workspace, then remove the workspace
    Exec(ExecArgs),
    /// Buffer standard input to its end, in memory or an unnamed file
    Spool(SpoolArgs),
    /// Replace a file's content atomically, from stdin or a command
    Replace(ReplaceArgs),
    /// Run a command on chunks of records, or write chunk files
    Chunk(ChunkArgs),
    /// Keep a command's output for a while
    Cache(CacheArgs),
    /// List what tmpx created, and its state
    List(ListArgs),
    /// Remove what has ended, or what you select
    Cleanup(CleanupArgs),
    /// Print the directory for temporary files
    Gettempdir(GettempdirArgs),
    /// Create a file or directory; a drop-in for GNU mktemp
    Mktemp(MktempArgs),
}

/// Parses a command line.
pub(crate) fn parse(args: &[OsString]) -> clap::error::Result<CliArgs> {
    match parse_alone(args) {
        Some(command) => Ok(CliArgs { command }),
        None => parse_whole(args),
    }
}

/// Parses the arguments of a subcommand without building the others, which would take nearly a third
/// of the instructions of a hit in the cache. Returns `None` if that fails: only the whole command
/// line has the right message.
fn parse_alone(args: &[OsString]) -> Option<CommandArgs> {
    let exec = ExecArgs::without_options(args).map(CommandArgs::Exec);
    exec.or_else(|| {
        let [_, args @ ..] = args else { return None };
        let (name, rest) = args.split_first()?;
        match name.to_str()? {
            "file" => alone(args).map(CommandArgs::File),
            "dir" => alone(args).map(CommandArgs::Dir),
            "workspace" => alone(args).map(CommandArgs::Workspace),
            "exec" => alone(args).map(CommandArgs::Exec),
            "spool" => alone(args).map(CommandArgs::Spool),
            "replace" => alone(args).map(CommandArgs::Replace),
            "chunk" => alone(args).map(CommandArgs::Chunk),
            "list" => alone(args).map(CommandArgs::List),
            "cleanup" => alone(args).map(CommandArgs::Cleanup),
            "gettempdir" => alone(args).map(CommandArgs::Gettempdir),
            "cache" => {
                let command = match rest.first()?.to_str()? {
                    "run" => alone(rest).map(CacheCommandArgs::Run),
                    "get" => alone(rest).map(CacheCommandArgs::Get),
                    "set" => alone(rest).map(CacheCommandArgs::Set),
                    _ => None,
                };
                command.map(|command| CommandArgs::Cache(CacheArgs { command }))
            }
            _ => None,
        }
    })
}

/// Parses the arguments of one subcommand, of which the first is its name.
fn alone<T: Args>(args: &[OsString]) -> Option<T> {
    let mut command = T::augment_args(Command::new(""));
    let mut matches = command.try_get_matches_from_mut(args).ok()?;
    if dashes_as_value(&command, &matches, args).is_some() {
        return None;
    }
    let parsed = T::from_arg_matches_mut(&mut matches).ok();
    // Dropping what clap has built would cost a tenth of the instructions of `tmpx file`.
    std::mem::forget((command, matches));
    parsed
}

fn parse_whole(args: &[OsString]) -> clap::error::Result<CliArgs> {
    let mut command = CliArgs::command();
    let mut matches = match args {
        // `tmpx help file` means `tmpx file --help`.
        [program, help, rest @ ..] if help == "help" => {
            if rest.first().is_some_and(|word| word == "completions") {
                parse_completions(&["--help".into()])?;
            }
            let words = rest.iter().take(1).cloned().chain(["--help".into()]);
            command.try_get_matches_from_mut(std::iter::once(program.clone()).chain(words))?
        }
        args => command.try_get_matches_from_mut(args)?,
    };
    if let Some(err) = dashes_as_value(&command, &matches, args) {
        return Err(err);
    }
    CliArgs::from_arg_matches_mut(&mut matches)
}

/// Returns an error if an option took for its value the `--` that was meant to end the options. Values
/// may begin with a dash, so clap accepts it, and the command after it would lose its first word.
fn dashes_as_value(
    command: &Command,
    matches: &ArgMatches,
    args: &[OsString],
) -> Option<clap::Error> {
    if !args.iter().any(|word| word == "--") {
        return None;
    }
    let (mut command, mut matches) = (command, matches);
    while let Some((name, below)) = matches.subcommand() {
        (command, matches) = (command.find_subcommand(name)?, below);
    }
    let is_attached = |arg: &Arg| {
        let long = arg.get_long().map(|name| format!("--{name}=--"));
        let short = arg.get_short().map(|name| format!("-{name}--"));
        args.iter()
            .any(|word| [&long, &short].into_iter().flatten().any(|one| word == one.as_str()))
    };
    let takes_dashes = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        let raw = matches.try_get_raw(id).ok().flatten();
        raw.is_some_and(|mut values| values.any(|value| value == "--")) && !is_attached(arg)
    };
    let option = command.get_opts().find(takes_dashes)?.get_long()?;
    let mut err = clap::Error::new(ErrorKind::InvalidValue).with_cmd(command);
    err.insert(ContextKind::InvalidArg, ContextValue::String(format!("--{option}")));
    err.insert(ContextKind::InvalidValue, ContextValue::String("--".to_owned()));
    Some(err)
}

/// Returns the command line with all subcommands, also those that are not parsed with the others.
pub fn full_command() -> Command {
    let completions = CompletionsArgs::augment_args(Command::new("completions"));
    CliArgs::command().subcommand(completions)
}

/// Parses the arguments of `tmpx completions`.
pub(crate) fn parse_completions(args: &[OsString]) -> clap::error::Result<CompletionsArgs> {
    let program = [OsString::from("tmpx completions")];
    CompletionsCliArgs::try_parse_from(program.iter().chain(args)).map(|cli| cli.args)
}

/// Returns the help of `tmpx mktemp`, whose command line clap does not parse.
pub(crate) fn mktemp_help() -> String {
    let mut command = CliArgs::command();
    command.build();
    match command.find_subcommand_mut("mktemp") {
        Some(mktemp) => mktemp.render_long_help().to_string(),
        None => String::new(),
    }
}

impl CommandArgs {
    /// Whether tmpx exits with the status of a command, so that its own failures need another one.
    pub fn runs_a_command(&self) -> bool {
        match self {
            Self::Exec(_) => true,
            Self::Spool(spool) => !spool.command.is_empty(),
            Self::Replace(replace) => !replace.command.is_empty(),
            Self::Chunk(chunk) => !chunk.command.is_empty(),
            Self::Cache(cache) => matches!(cache.command, CacheCommandArgs::Run(_)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[test]
    fn a_subcommand_alone_is_parsed_as_in_the_whole_command_line() {
        for line in [
            "exec true",
            "exec sh -c x --help",
            "exec a -x --keep=always --timeout",
            "exec -- true",
            "exec -- -x --here",
            "exec help",
            "exec -",
            "exec --",
            "exec --here true",
            "exec -x",
            "exec a -- b",
            "exec -- a -- b",
            "exec -- --",
            "exec",
            "exec --in a:b --mkdir c --out=d --keep --timeout 3s -m 755 -- -x --out e",
            "exec --keep=sometimes x",
            "exec --out",
            "file true",
            "file -s .csv -p /tmp --ttl 1h --session s --json",
            "file --until-exit",
            "file --until-exit=0",
            "file --name a --prefix b",
            "file --ttl 1h --keep",
            "file --help",
            "file -V",
            "file -x",
            "file --suff",
            "dir -n 3 --print0 a.XXXXXX.b",
            "workspace --in a --mkdir b",
            "spool -o out --max-memory 1M sort",
            "spool -- sort -- x",
            "replace f -- cat {}",
            "replace",
            "replace f g",
            "chunk -n 3 in.csv --format csv -- wc -l",
            "chunk --rows 0 in",
            "list --json /tmp/a",
            "cleanup --all --older-than 1h -n",
            "cleanup --forget --session",
            "gettempdir --all",
            "cache",
            "cache help",
            "cache run",
            "cache run --ttl 1m --key a --key b -- date -u",
            "cache run --ttl 0 date",
            "cache get a b",
            "cache get -k",
            "cache set --ttl 1m -- -k",
            "cache clear k",
            "cache list --json",
            "cache data",
            "help file",
            "help",
            "--help",
            "--version",
            "",
            "fil",
            "completions bash",
        ] {
            let args = args(&format!("tmpx {line}"));
            let text = |parsed: clap::error::Result<CliArgs>| {
                parsed.map_or_else(|err| err.to_string(), |cli| format!("{cli:?}"))
            };
            assert_eq!(text(parse(&args)), text(parse_whole(&args)), "{line}");
        }
    }

    #[test]
    fn every_subcommand_can_be_parsed_alone() {
        for listed in CliArgs::command().get_subcommands() {
            let name = listed.get_name();
            // clap does not parse the command line of mktemp.
            let line = match name {
                "mktemp" => continue,
                "cache" => "tmpx cache get key",
                "replace" => "tmpx replace file",
                "chunk" => "tmpx chunk file -- cat",
                _ => &format!("tmpx {name}"),
            };
            assert!(parse_alone(&args(line)).is_some(), "{line}");
        }
    }

    #[test]
    fn the_most_frequent_form_of_exec_needs_no_clap() {
        let is_shortcut = |line: &str| ExecArgs::without_options(&args(line)).is_some();
        for line in ["tmpx exec true", "tmpx exec -- -x", "tmpx exec sh -c x"] {
            assert!(is_shortcut(line), "{line}");
        }
        for line in ["tmpx exec --here true", "tmpx file true", "tmpx exec --"] {
            assert!(!is_shortcut(line), "{line}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        CliArgs::command().debug_assert();
    }

    #[test]
    fn every_value_may_begin_with_a_dash() {
        fn check(command: &Command) {
            let options = command.get_arguments().filter(|arg| !arg.is_positional());
            for option in options.filter(|arg| arg.get_action().takes_values()) {
                let is_fine = option.is_require_equals_set() || option.is_allow_hyphen_values_set();
                assert!(is_fine, "{} --{}", command.get_name(), option.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        let mut tmpx = full_command();
        tmpx.build();
        // clap does not parse the command line of mktemp.
        tmpx.get_subcommands().filter(|command| command.get_name() != "mktemp").for_each(check);
    }

    #[test]
    fn the_overview_and_the_help_of_a_subcommand_describe_it_in_the_same_words() {
        for listed in full_command().get_subcommands() {
            let name = listed.get_name();
            let line = format!("\n  {name:<11}  {}\n", listed.get_about().unwrap());
            assert!(OVERVIEW.contains(&line), "{line}");
            let mut built = full_command();
            built.build();
            let own = built.find_subcommand(name).unwrap();
            assert_eq!(own.get_about(), listed.get_about());
            assert!(own.get_long_about().is_some(), "{name} has a long description");
            assert!(own.get_after_long_help().is_some(), "{name} has examples");
        }
    }

    #[test]
    fn no_other_run_pays_for_the_subcommand_completions() {
        assert!(CliArgs::command().find_subcommand("completions").is_none());
        assert!(full_command().find_subcommand("completions").is_some());
    }

    /// Collects the lines that are too wide in the help of a command and of all below it.
    fn check_width(command: &mut Command, wide: &mut Vec<String>, seen: &mut Vec<String>) {
        let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
        for help in [command.render_help(), command.render_long_help()] {
            let text = help.to_string();
            let lines = text.lines().filter(|line| line.chars().count() > 80);
            wide.extend(lines.map(|line| format!("{name}: {line}")));
        }
        seen.push(name);
        for subcommand in command.get_subcommands_mut() {
            check_width(subcommand, wide, seen);
        }
    }

    #[test]
    fn help_fits_a_terminal_of_80_columns() {
        let mut tmpx = full_command();
        tmpx.build();
        let (mut wide, mut seen) = (Vec::new(), Vec::new());
        check_width(&mut tmpx, &mut wide, &mut seen);
        assert_eq!(wide, Vec::<String>::new());
        assert!(seen.contains(&"tmpx cache run".to_owned()), "{seen:?}");
    }
}
