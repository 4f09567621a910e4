//! `tmpx exec`.

mod handler;
mod job;
mod run;

pub(crate) use handler::run;
