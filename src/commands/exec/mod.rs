//! commands::exec

pub(crate) mod handler;
