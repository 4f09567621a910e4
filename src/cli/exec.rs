//! `tmpx exec`

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::arguments::session;
use super::{Layout, Place};
use crate::duration::Span;

/// When a workspace outlives its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// However the command ended.
    Always,
    /// When the command failed.
    OnFailure,
}

/// Arguments of `tmpx exec`.
#[derive(Args, Debug)]
pub struct Exec {
    /// The command and its arguments; $SHELL if there is none
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub layout: Layout,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub run: Run,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the struct has them")]
    pub place: Place,
}

/// How the command is run, and what becomes of what it made.
#[derive(Args, Debug)]
#[command(next_help_heading = "Run")]
pub struct Run {
    /// If the command succeeds, save what matches GLOB, here or to DEST
    #[arg(long = "out", value_name = "GLOB[:DEST]")]
    pub outputs: Vec<OsString>,
    /// However the command ends, save what matches GLOB, if anything does
    #[arg(long = "out-always", value_name = "GLOB[:DEST]")]
    pub outputs_always: Vec<OsString>,
    /// Keep the workspace, and say where it is
    #[arg(long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "always")]
    pub keep: Option<Keep>,
    /// Ask the command to end (SIGTERM) when it takes longer than this; the status is 124 then
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<Span>,
    /// Kill it (SIGKILL) if it goes on this much longer
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub kill_after: Span,
    /// Run in the current directory, not in the workspace
    #[arg(long)]
    pub here: bool,
    /// Put the workspace into a group, for cleanup and list
    #[arg(long, value_name = "NAME", value_parser = session())]
    pub session: Option<String>,
}
