//! Cuts inputs into chunks of whole records, and runs commands on them or writes them into files.

mod convert;
mod csv;
mod cutter;
mod error;
mod feed;
mod fields;
mod files;
mod format;
mod header;
mod held;
mod index;
mod input;
mod job;
mod json;
mod lines;
mod merge;
mod origin;
mod parity;
mod part;
mod plan;
mod runner;
mod scanner;
mod sink;
mod stream;
mod supply;
#[cfg(test)]
mod tests;

pub(crate) use convert::JsonForm;
pub(crate) use cutter::Limit;
pub(crate) use error::{Encoding, Fault, InputError, Malformed};
pub(crate) use files::create_files;
pub(crate) use format::RecordFormat;
pub(crate) use input::{ReadOptions, RecordInput};
pub(crate) use job::{CommandSpec, PLACEHOLDER, Place};
pub(crate) use merge::Merger;
pub(crate) use runner::{Cause, RunOutcome, Runner};
pub(crate) use sink::{Sink, SinkTarget};
pub(crate) use supply::{ChunkTally, Supply};
