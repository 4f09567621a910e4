//! cli

pub mod clap_error;
pub mod cleanup;
pub mod command;
pub mod dir;
pub mod exec;
pub mod file;
pub mod getopt;
pub mod gettempdir;
pub mod list;
pub mod mktemp;
pub mod replace;
pub mod shared;
pub mod spool;
pub mod workspace;
