//! commands::mktemp

pub mod diagnostic;
pub mod handler;
pub mod options;
pub mod target;
