//! The command line, as types. Parsing validates and does nothing else.
//!
//! The doc comments of arguments are the help texts, the man pages and the completions.

#![allow(clippy::doc_markdown, reason = "help texts are plain text")]

mod arguments;
mod cleanup;
mod dir;
mod exec;
mod file;
mod gettempdir;
mod list;
mod mktemp;
mod replace;
mod spool;
mod workspace;

pub use arguments::{Layout, Lifetime, Make, OutputFormat, Place};
pub use cleanup::Cleanup;
pub use dir::Dir;
pub use exec::{Exec, Keep};
pub use file::File;
pub use gettempdir::Gettempdir;
pub use list::List;
pub use mktemp::Mktemp;
pub use replace::Replace;
pub use spool::Spool;
pub use workspace::Workspace;

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

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

Run 'tmpx COMMAND -h' for the usual options of a command, 'tmpx COMMAND --help' for all.
";

/// Temporary files, directories and workspaces that cannot leak
#[derive(Debug, Parser)]
#[command(name = "tmpx", version, help_template = OVERVIEW, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Make a file and print its path
    File(File),
    /// Make a directory and print its path
    Dir(Dir),
    /// Make a directory with a layout and a private TMPDIR, and print its path
    Workspace(Workspace),
    /// Run a command in a workspace that is gone when it ends
    Exec(Exec),
    /// Hold standard input until its end, in memory or a file that nobody sees
    Spool(Spool),
    /// Put standard input in the place of a file, whole or not at all
    Replace(Replace),
    /// List what is there and in what state it is
    List(List),
    /// Remove what is no longer wanted
    Cleanup(Cleanup),
    /// Print the directory that temporary files go to
    Gettempdir(Gettempdir),
    /// Make a file or directory, option for option as GNU mktemp
    Mktemp(Mktemp),
}

/// Reads a command line.
///
/// # Errors
/// clap's: bad input, and requests for help.
pub fn parse(args: &[OsString]) -> clap::error::Result<Cli> {
    let mut command = Cli::command();
    let mut matches = command.try_get_matches_from_mut(args)?;
    let parsed = Cli::from_arg_matches_mut(&mut matches);
    // Taking apart what clap has built costs a tenth of all that `tmpx file` does.
    std::mem::forget((command, matches));
    parsed
}

/// The help of `tmpx mktemp`, whose command line is not read by clap.
#[must_use]
pub fn mktemp_help() -> String {
    let mut command = Cli::command();
    command.build();
    match command.find_subcommand_mut("mktemp") {
        Some(mktemp) => mktemp.render_help().to_string(),
        None => String::new(),
    }
}

impl Command {
    /// Whether it passes on the status of a command, so that its own failures have another one.
    #[must_use]
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
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_overview_names_every_subcommand() {
        for command in Cli::command().get_subcommands() {
            let line = format!("\n  {} ", command.get_name());
            assert!(OVERVIEW.contains(&line), "{}", command.get_name());
        }
    }
}
