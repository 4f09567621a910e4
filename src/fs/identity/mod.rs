//! What proves that a file or a directory is the recorded one.
//!
//! - [`Filesystem`]: what a filesystem offers for that, by its type.
//! - [`EntryId`]: the identity of a resource.
//! - [`DirId`]: the identity of the directory that a resource was created in.
//! - [`Proof`]: the answer of a comparison.

mod dir_id;
mod entry_id;
mod filesystem;
mod mark;
mod text;
pub(crate) use dir_id::{DirFacts, DirId};
pub use entry_id::EntryId;
pub(crate) use entry_id::{EntryAt, Witness};
pub(crate) use filesystem::Filesystem;
pub(super) use mark::MARK;
pub(crate) use text::Proof;
