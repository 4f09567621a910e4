//! Parses the command line into types. Parsing only validates; the handlers do the work.
//!
//! The doc comments of arguments become the help texts, the man pages and the completions.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::cli::cleanup::CleanupArgs;
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

Make:
  file        Make a file and print its path
  dir         Make a directory and print its path
  workspace   Make a directory with a layout and a private TMPDIR, and print its path
Run:
  exec        Run a command in a workspace that is gone when it ends
Stream:
  spool       Hold standard input until its end, in memory or a file that nobody sees
  replace     Put standard input in the place of a file, whole or not at all
Look:
  list        List what is there and in what state it is
  cleanup     Remove what is no longer wanted
  gettempdir  Print the directory that temporary files go to
Drop-in:
  mktemp      Make a file or directory, option for option as GNU mktemp

Options:
{options}

Run 'tmpx COMMAND -h' for the usual options of a command, 'tmpx COMMAND --help' for all.{after-help}
";

/// What `tmpx --help` and tmpx(1) say after that.
const DETAILS: &str = "\
Environment:
  TMPX_UNTIL_EXIT  What is made goes when the process of this number exits:
                   'export TMPX_UNTIL_EXIT=$$' at the top of a script covers
                   all that it makes and calls. Where it is no running process
                   above tmpx, it is passed over with a note.
  TMPX_TTL         What is made goes after this time, as with --ttl.
  TMPX_SESSION     What is made is part of this session, as with --session. A
                   cleanup is not narrowed by it.
  TMPX_STATE_DIR   Leases are kept in this directory, a full path, and nowhere
                   else: what is made under one is not seen under another.
  TMPX_REAPER      0 starts no background process that removes things when
                   they end: they go with the next 'tmpx cleanup'.
  TMPDIR, TEMP, TMP
                   Where things are made: the first of them that is set and
                   can be used, then /tmp, /var/tmp, /usr/tmp, and the working
                   directory.

  An option overrides its variable, and --keep overrides the first two. exec
  heeds TMPX_SESSION alone of the first three.

Files:
  Leases are kept in the first of these that can be used, unless
  TMPX_STATE_DIR is set; list and cleanup read all of them.

  $XDG_STATE_HOME/tmpx
                   ~/.local/state/tmpx where XDG_STATE_HOME is unset. Passed
                   over where it is not yours or on a network filesystem.
  /var/tmp/.tmpx-UID
                   UID is the number of the user.
  /tmp/.tmpx-UID   The last resort.

Exit status:
  0    Done.
  1    It failed. A message on stderr says why.
  2    The command line made no sense.

  exec ends as its command does; 124 to 127 are its own. mktemp ends with
  0 or 1.

Examples:
  At the top of a script, in place of every trap in it:
      export TMPX_UNTIL_EXIT=$$
      file=$(tmpx file)
      dir=$(tmpx dir)

  A command that gets a copy and leaves nothing:
      tmpx exec --in data.csv -- sort data.csv

  What there is, and off with what has ended:
      tmpx list
      tmpx cleanup";

/// Temporary files, directories and workspaces that cannot leak
///
/// What tmpx makes, it records first, in a lease: where it is, and how long it is
/// wanted. By default it stays until a cleanup asks for it, as with mktemp. With
/// a lifetime it goes by itself: when a script exits, when a time is over, or
/// when a command has ended. A crash, a kill -9 or a forgotten trap changes
/// nothing: the lease alone tells what is no longer wanted, and 'tmpx cleanup'
/// removes what nobody has removed yet.
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
    /// What to do.
    #[command(subcommand)]
    pub command: CommandArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum CommandArgs {
    /// Make a file and print its path
    File(FileArgs),
    /// Make a directory and print its path
    Dir(DirArgs),
    /// Make a directory with a layout and a private TMPDIR, and print its path
    Workspace(WorkspaceArgs),
    /// Run a command in a workspace that is gone when it ends
    Exec(ExecArgs),
    /// Hold standard input until its end, in memory or a file that nobody sees
    Spool(SpoolArgs),
    /// Put standard input in the place of a file, whole or not at all
    Replace(ReplaceArgs),
    /// List what is there and in what state it is
    List(ListArgs),
    /// Remove what is no longer wanted
    Cleanup(CleanupArgs),
    /// Print the directory that temporary files go to
    Gettempdir(GettempdirArgs),
    /// Make a file or directory, option for option as GNU mktemp
    Mktemp(MktempArgs),
}

/// Reads a command line.
pub(crate) fn parse(args: &[OsString]) -> clap::error::Result<CliArgs> {
    match ExecArgs::without_options(args) {
        Some(exec) => Ok(CliArgs { command: CommandArgs::Exec(exec) }),
        None => parse_by_clap(args),
    }
}

fn parse_by_clap(args: &[OsString]) -> clap::error::Result<CliArgs> {
    let mut command = CliArgs::command();
    let mut matches = match args {
        // `tmpx help file` as well as `tmpx file --help`.
        [program, help, rest @ ..] if help == "help" => {
            let words = rest.iter().take(1).cloned().chain(["--help".into()]);
            command.try_get_matches_from_mut(std::iter::once(program.clone()).chain(words))?
        }
        args => command.try_get_matches_from_mut(args)?,
    };
    let parsed = CliArgs::from_arg_matches_mut(&mut matches);
    // Taking apart what clap has built costs a tenth of all that `tmpx file` does.
    std::mem::forget((command, matches));
    parsed
}

/// The help of `tmpx mktemp`, whose command line is not read by clap.
pub(crate) fn mktemp_help() -> String {
    let mut command = CliArgs::command();
    command.build();
    match command.find_subcommand_mut("mktemp") {
        Some(mktemp) => mktemp.render_long_help().to_string(),
        None => String::new(),
    }
}

impl CommandArgs {
    /// Whether it passes on the status of a command, so that its own failures have another one.
    pub fn runs_a_command(&self) -> bool {
        match self {
            Self::Exec(_) => true,
            Self::Spool(spool) => !spool.command.is_empty(),
            Self::Replace(replace) => !replace.command.is_empty(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_without_clap_is_what_clap_would_have_read() {
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
            "file true",
        ] {
            let args: Vec<OsString> =
                ["tmpx"].into_iter().chain(line.split(' ')).map(Into::into).collect();
            let told = |parsed: clap::error::Result<CliArgs>| {
                parsed.map_or_else(|err| err.to_string(), |cli| format!("{cli:?}"))
            };
            assert_eq!(told(parse(&args)), told(parse_by_clap(&args)), "{line}");
        }
        let read = |line: &str| {
            let args: Vec<OsString> = line.split(' ').map(Into::into).collect();
            ExecArgs::without_options(&args).is_some()
        };
        assert!(read("tmpx exec true") && read("tmpx exec -- -x") && read("tmpx exec sh -c x"));
        assert!(!read("tmpx exec --here true") && !read("tmpx file true") && !read("tmpx exec --"));
    }

    #[test]
    fn the_command_line_is_consistent() {
        CliArgs::command().debug_assert();
    }

    #[test]
    fn the_overview_and_the_help_of_a_subcommand_describe_it_in_the_same_words() {
        for listed in CliArgs::command().get_subcommands() {
            let name = listed.get_name();
            let line = format!("\n  {name:<10}  {}\n", listed.get_about().unwrap());
            assert!(OVERVIEW.contains(&line), "{line}");
            let mut built = CliArgs::command();
            built.build();
            let own = built.find_subcommand(name).unwrap();
            assert_eq!(own.get_about(), listed.get_about());
            assert!(own.get_long_about().is_some(), "{name} has a long description");
            assert!(own.get_after_long_help().is_some(), "{name} has examples");
        }
    }

    #[test]
    fn help_texts_fit_a_terminal() {
        let mut command = CliArgs::command();
        command.build();
        let all = std::iter::once(&command).chain(command.get_subcommands());
        for command in all {
            let texts = [command.get_long_about(), command.get_after_long_help()];
            for line in texts.into_iter().flatten().flat_map(lines) {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
        }
    }

    fn lines(text: &clap::builder::StyledStr) -> Vec<String> {
        text.to_string().lines().map(str::to_owned).collect()
    }
}
