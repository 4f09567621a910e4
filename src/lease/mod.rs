//! lease

pub(crate) mod entry;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod spec;
pub(crate) mod store;
pub(crate) mod tmpfile;
pub(crate) mod unleased;
pub(crate) mod writer;
