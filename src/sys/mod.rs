//! sys

#![allow(unsafe_code, reason = "the one folder that may; every block says why it is sound")]

pub mod mount_ns;
pub mod signals;
pub mod spawn;
pub mod start;
