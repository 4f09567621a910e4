//! remove

pub(crate) mod entries;
pub(crate) mod frame;
pub(crate) mod open;
pub(crate) mod pool;
pub(crate) mod root;
pub(crate) mod walk;
pub(crate) use root::{Mode, RemovalOutcome, RemovalProgress, Usage};
pub use root::{Removal, Root};
