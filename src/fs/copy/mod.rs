//! Copies files and directory trees relative to descriptors. Below the path that the user names, no
//! symlink is followed.

mod file;
mod skipped;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use file::{Interrupt, fill};
pub(crate) use skipped::{SkipReason, Skipped};
pub(crate) use walk::{CopyOptions, contents, tree};
