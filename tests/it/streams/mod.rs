//! `tmpx replace` and `tmpx spool`.

mod appenders;
mod concurrent;
mod exchange;
mod fixture;
mod inputs;
mod replace;
mod shared_dirs;
mod spool;
