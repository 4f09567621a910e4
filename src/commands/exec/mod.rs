//! `tmpx exec`: plans a run, carries it out, and exits as its command did.

mod handler;
mod job;
mod run;

pub(crate) use handler::run;
