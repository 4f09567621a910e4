//! commands

pub(crate) mod cleanup;
pub(crate) mod context;
pub(crate) mod dir;
pub(crate) mod exec;
pub(crate) mod file;
pub(crate) mod gettempdir;
pub(crate) mod list;
pub(crate) mod mktemp;
pub(crate) mod replace;
pub(crate) mod spool;
pub(crate) mod workspace;
pub(crate) use context::Context;
