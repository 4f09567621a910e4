//! commands

pub mod cleanup;
pub mod context;
pub mod dir;
pub mod exec;
pub mod file;
pub mod gettempdir;
pub mod list;
pub mod mktemp;
pub mod replace;
pub mod spool;
pub mod workspace;
