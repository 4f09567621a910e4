//! The binary: it passes the arguments to the library, and exits with the status that it returns.

#![no_main]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::exit,
        clippy::dbg_macro,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

tmpx::entry_point!(tmpx::run);
