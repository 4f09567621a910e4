//! Runs the subcommands: each handler reads like its man page. Errors get their hints and exit statuses here.

mod cache;
mod chunk;
mod cleanup;
mod completions;
mod context;
mod create;
mod dir;
mod dispatch;
mod errors;
mod exec;
mod file;
mod gettempdir;
mod layout;
mod list;
mod mktemp;
mod named_paths;
mod replace;
mod scratch;
mod spool;
mod workspace;

pub(crate) use dispatch::run;
