//! Tests of `tmpx chunk`.

mod bad_input;
mod examples;
mod failures;
mod files;
mod limits;
mod oracle;
mod outputs;
mod progress;
mod records;
mod streams;
mod terminal;
