//! `tmpx chunk`: cuts inputs into chunks, and runs a command on each or writes each into a file.

mod files;
mod handler;
mod on_each;

pub(super) use handler::run;
