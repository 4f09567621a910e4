//! The subcommands: arguments, operation, output. Each handler reads like its man page.

mod cleanup;
mod context;
mod create;
mod dir;
mod dispatch;
mod errors;
mod exec;
mod file;
mod gettempdir;
mod list;
mod mktemp;
mod replace;
mod spool;
mod workspace;

pub(crate) use dispatch::run;
