//! streams

pub mod input;
pub mod replace;
pub mod spool;
pub mod target;
