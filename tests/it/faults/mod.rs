//! The whole program while system calls fail and processes are killed.

mod every_call;
mod stress;
mod unknown_calls;
