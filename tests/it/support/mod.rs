//! Support for the tests: a sandbox for each test, namespaces, and a terminal.

pub(crate) mod filter;
pub(crate) mod lease;
pub(crate) mod namespaces;
pub(crate) mod pty;
pub(crate) mod sandbox;
