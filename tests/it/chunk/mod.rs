//! Tests of `tmpx chunk`.

mod bad_input;
mod failures;
mod files;
mod oracle;
mod outputs;
mod records;
mod streams;
