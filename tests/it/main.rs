//! The tests of the whole program: what is printed, the status, and what is left on disk.

mod bad_input;
mod cleanup;
mod deleting;
mod exec;
mod faults;
mod gettempdir;
mod jobs;
mod lifetimes;
mod list;
mod make;
mod mktemp;
mod namespaces;
mod readme;
mod reaper;
mod replace;
mod sandbox;
mod spool;
mod stdout;
mod store;
mod stress;
mod workspace;
