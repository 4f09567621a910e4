//! Keeps the output of commands: the store, its entries, one run for many callers, and refreshes.

mod checksum;
mod clock;
mod entry;
mod error;
mod filler;
mod format;
mod forward;
mod inputs;
mod key;
mod lock_file;
mod named;
mod outlet;
mod permit;
mod pump;
mod refresh;
mod replay;
mod request;
mod resolve;
mod store;
#[cfg(test)]
mod tests;
mod upkeep;

pub(crate) use clock::milliseconds;
pub(crate) use entry::CacheEntry;
pub(crate) use error::{CacheError, Unkept};
pub(crate) use inputs::{KeyInputs, hash_to_end};
pub(crate) use key::CacheKey;
pub(crate) use outlet::Outlets;
pub(crate) use permit::Permit;
pub(crate) use pump::{Capture, Execution, RunResult};
pub(crate) use refresh::{RefreshSpec, is_refresh};
pub(crate) use replay::ReplayError;
pub(crate) use request::{Asker, CacheRequest};
pub(crate) use resolve::{Answer, StoredOutput, resolve};
pub(crate) use store::CacheStore;
pub(crate) use upkeep::{Listed, RemovedEntries};
