//! The whole program while calls fail and processes are killed.

mod every_call;
mod stress;
