//! `tmpx mktemp`: GNU mktemp, option for option.

mod diagnostic;
mod handler;
mod options;
mod target;

pub(crate) use handler::{is_name, run};
