//! commands::exec

pub mod handler;
