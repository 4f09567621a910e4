//! Records what tmpx creates, and until when it is wanted. Every function that creates an entry is in
//! this folder, because only here a lease can be written.

mod candidate;
pub(crate) mod create_error;
pub(crate) mod entry;
pub(crate) mod format;
mod format_v1;
mod id;
#[cfg(test)]
pub(crate) mod mutations;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod spec;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod tmpfile;
pub(crate) mod unleased;
pub(crate) mod writer;
pub(crate) use create_error::{CreateError, FillError};
pub(crate) use entry::{CANNOT_PUBLISH, CreateOptions, Created, Fill, NameRule};
pub(crate) use id::is_id;
pub(crate) use reader::{Content, LeaseSnapshot, LockedLease};
pub(crate) use record::{Event, Header, Kind, Lifetime, PrivateTmp, Record, Resource, Unreadable};
pub(crate) use spec::{LeaseSpec, LifetimeOptions, SpecError, UntilExit};
pub(crate) use store::{Store, StoreError, Stores};
pub(crate) use tmpfile::{TmpFile, lacks_exchange};
pub(crate) use unleased::Unleased;
pub(crate) use writer::Lease;
