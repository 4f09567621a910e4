//! Where records begin: one scanner for each format, and what is wrong with bytes.

pub(super) mod csv;
pub(super) mod cutter;
pub(super) mod error;
pub(super) mod fields;
pub(super) mod format;
pub(super) mod header;
pub(super) mod index;
pub(super) mod json;
pub(super) mod lines;
pub(super) mod parity;
pub(super) mod scanner;
