//! Removing trees.

mod rarely;
mod swaps;
mod tree;
