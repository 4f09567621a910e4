//! commands::cleanup

pub mod handler;
