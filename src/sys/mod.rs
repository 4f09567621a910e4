//! sys

#![allow(unsafe_code, reason = "the one folder that may; every block says why it is sound")]

pub(crate) mod mount_ns;
pub(crate) mod signals;
pub(crate) mod spawn;
pub(crate) mod start;
