//! create

pub(crate) mod scratch;
pub(crate) mod tempdir;
pub(crate) mod transaction;
