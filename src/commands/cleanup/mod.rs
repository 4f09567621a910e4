//! `tmpx cleanup`.

mod handler;

pub(crate) use handler::run;
