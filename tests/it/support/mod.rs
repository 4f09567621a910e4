//! What the tests stand on: a sandbox for each test, and a terminal.

pub(crate) mod pty;
pub(crate) mod sandbox;
