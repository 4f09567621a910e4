//! `tmpx exec`.

mod handler;

pub(crate) use handler::run;
