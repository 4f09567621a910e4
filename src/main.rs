//! The binary: argv in, exit code out.

#![no_main]

tmpx::entry_point!(tmpx::run);
