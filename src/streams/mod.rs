//! streams

pub(crate) mod input;
pub(crate) mod replace;
pub(crate) mod spool;
pub(crate) mod target;
