//! Cuts inputs into chunks of whole records, and runs commands on them or writes them into files.

#[cfg(test)]
mod input_tests;
mod plan;
mod run;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use plan::input::{ReadOptions, RecordInput};
pub(crate) use plan::supply::{ChunkTally, Supply};
pub(crate) use run::convert::JsonForm;
pub(crate) use run::files::create_files;
pub(crate) use run::job::{CommandSpec, PLACEHOLDER, Place};
pub(crate) use run::merge::Merger;
pub(crate) use run::runner::{Cause, RunOutcome, Runner};
pub(crate) use run::sink::{Sink, SinkTarget};
pub(crate) use scan::cutter::Limit;
pub(crate) use scan::error::{Encoding, Fault, InputError, Malformed};
pub(crate) use scan::format::RecordFormat;
