//! `tmpx replace` and `tmpx spool`.

mod replace;
mod shared_dirs;
mod spool;
