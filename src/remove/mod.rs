//! Removes files and directory trees, and never follows a symlink, enters a mount point, or removes
//! an entry other than the one that the caller judged. No other module removes anything that a
//! lease records.

mod by_name;
mod context;
mod entries;
mod frame;
mod join;
mod open;
mod options;
mod outcome;
mod pool;
mod root;
mod stack;
mod stat;
mod tally;
mod walk;
mod work;

pub(crate) use by_name::{entry_by_name, undo_creation};
pub(crate) use open::open_readable;
pub(crate) use options::Mode;
pub use options::Removal;
pub(crate) use outcome::{RemovalOutcome, Usage};
pub use root::Root;
