//! What becomes of chunks: commands and their outputs, or files.

pub(super) mod convert;
pub(super) mod feed;
pub(super) mod files;
pub(super) mod held;
pub(super) mod job;
pub(super) mod merge;
pub(super) mod runner;
pub(super) mod sink;
