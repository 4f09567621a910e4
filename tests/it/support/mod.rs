//! What the tests stand on: a sandbox for each test, mount namespaces, and a terminal.

pub(crate) mod namespaces;
pub(crate) mod pty;
pub(crate) mod sandbox;
