//! Support for the tests: a sandbox for each test, namespaces, filesystems, a terminal and
//! dialogues on it, the memory of a process, and waits.

pub(crate) mod dialogue;
pub(crate) mod filesystems;
pub(crate) mod filter;
pub(crate) mod lease;
pub(crate) mod memory;
pub(crate) mod namespaces;
pub(crate) mod pty;
pub(crate) mod reaper;
pub(crate) mod sandbox;
pub(crate) mod strace;
pub(crate) mod wait;
