//! create

pub mod scratch;
pub mod tempdir;
pub mod transaction;
