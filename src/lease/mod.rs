//! lease

pub mod entry;
pub mod reader;
pub mod record;
pub mod spec;
pub mod store;
pub mod tmpfile;
pub mod unleased;
pub mod writer;
