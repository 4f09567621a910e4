//! The command line: help, and input that it refuses.

mod bad_input;
mod dashes;
mod help;
mod terminal;
