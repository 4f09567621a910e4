//! The whole program while system calls fail and processes are killed.

mod bare_root;
mod every_call;
mod local_filesystems;
mod no_newer_calls;
mod producer_thread;
mod shared_dirs;
mod stress;
mod unknown_calls;
