//! `tmpx cleanup`: removes what has ended, and reports what it kept and why.

mod handler;
mod hinted;
mod kept;
mod summary;
pub(crate) use handler::run;
