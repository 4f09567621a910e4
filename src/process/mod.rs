//! process

pub(crate) mod command;
