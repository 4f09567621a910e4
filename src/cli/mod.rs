//! cli

#![allow(clippy::doc_markdown, reason = "help texts are plain text")]

pub(crate) mod clap_error;
pub(crate) mod cleanup;
pub(crate) mod command;
pub(crate) mod dir;
pub(crate) mod exec;
pub(crate) mod file;
pub(crate) mod getopt;
pub(crate) mod gettempdir;
pub(crate) mod list;
pub(crate) mod mktemp;
pub(crate) mod replace;
pub(crate) mod shared;
pub(crate) mod spool;
pub(crate) mod workspace;
pub(crate) use clap_error::UsageError;
pub use command::CliArgs;
pub(crate) use command::{CommandArgs, mktemp_help, parse};
pub(crate) use getopt::{Arg, HasArg, OptSpec, Reader};
