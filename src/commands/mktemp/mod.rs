//! commands::mktemp

pub(crate) mod diagnostic;
pub(crate) mod handler;
pub(crate) mod options;
pub(crate) mod target;
