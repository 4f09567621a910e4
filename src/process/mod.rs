//! Runs a command as transparently as env(1): starts it, supervises it until it ends, and explains why
//! it could not be started.

mod children;
mod command;
mod fd_limit;
mod interrupt;
mod no_input;
mod orphans;
mod placeholder;
mod reserve;
mod search;
mod stop;
mod suggest;
mod supervise;
mod terminal;

pub(crate) use children::Children;
pub(crate) use command::{Command, StartError, find_program};
pub(crate) use fd_limit::{free_fds, raise_fd_limit};
pub(crate) use interrupt::{Interrupted, check_interrupt};
pub(crate) use no_input::open_no_input;
pub(crate) use orphans::{Orphan, Orphans};
pub(crate) use placeholder::{has_placeholder, replace_placeholder};
pub(crate) use reserve::{ReserveError, reserve_fds};
pub(crate) use suggest::Guess;
pub(crate) use supervise::{Child, ExitOutcome, Limits, run, run_capturing};
