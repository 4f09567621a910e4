//! commands::cleanup

pub(crate) mod handler;
