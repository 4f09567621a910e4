//! `tmpx cache`: keeps the output of commands, and values, for a while.

mod clear;
mod get;
mod handler;
mod job;
mod list;
mod output;
mod set;
mod settings;
mod stdin_copy;
pub(crate) use handler::run;
