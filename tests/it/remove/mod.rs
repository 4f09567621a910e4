//! Removing trees.

mod failures;
mod limits;
mod mounts;
mod old_kernels;
mod open_files;
mod parallel;
mod permissions;
mod progress;
mod races;
mod swaps;
mod tree;
