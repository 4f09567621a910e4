//! The binary: it passes the arguments to the library, and exits with the status that it returns.

#![no_main]

tmpx::entry_point!(tmpx::run);
