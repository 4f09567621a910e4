//! The tests of the whole program: what is printed, the status, and what is left on disk.

mod cache;
mod chunk;
mod cli;
mod create;
mod exec;
mod faults;
mod house;
mod lease;
mod mktemp;
mod reclaim;
mod remove;
mod streams;
mod support;
mod workspace;
