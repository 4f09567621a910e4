//! The tests of the whole program: what is printed, the status, and what is left on disk.

mod attacks;
mod bad_input;
mod cleanup;
mod deleting;
mod exec;
mod faults;
mod generated;
mod gettempdir;
mod help;
mod jobs;
mod layers;
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
mod swaps;
mod workspace;
