//! Defines the command line: one clap type per subcommand, the option groups that they share, and
//! what clap's errors mean to a user.

#![expect(clippy::doc_markdown, reason = "help texts are plain text")]

mod cache;
mod chunk;
mod clap_error;
mod cleanup;
mod command;
mod completions;
mod dir;
mod exec;
mod file;
mod getopt;
mod gettempdir;
mod help;
mod hints;
mod list;
mod mktemp;
mod replace;
mod shared;
mod spool;
mod workspace;

pub(crate) use cache::{
    CacheArgs, CacheClearArgs, CacheCommandArgs, CacheGetArgs, CacheListArgs, CacheRunArgs,
    CacheSetArgs,
};
pub(crate) use chunk::ChunkArgs;
pub(crate) use clap_error::UsageError;
pub(crate) use cleanup::CleanupArgs;
pub use command::{CliArgs, full_command};
pub(crate) use command::{CommandArgs, mktemp_help, parse, parse_completions};
pub(crate) use completions::{CompletionShell, CompletionsArgs};
pub(crate) use dir::DirArgs;
pub(crate) use exec::{ExecArgs, KeepPolicy, RunArgs};
pub(crate) use file::FileArgs;
pub(crate) use getopt::{Arg, HasArg, OptSpec, Reader};
pub(crate) use gettempdir::GettempdirArgs;
pub(crate) use help::with_example;
pub(crate) use list::ListArgs;
pub(crate) use replace::ReplaceArgs;
pub(crate) use shared::{AbsoluteTemplate, CreateArgs, LayoutArgs};
pub(crate) use spool::SpoolArgs;
pub(crate) use workspace::WorkspaceArgs;
