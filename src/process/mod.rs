//! process

pub(crate) mod command;
mod interrupt;
pub(crate) use command::{Command, ExitOutcome, Limits, Orphans};
pub(crate) use interrupt::{Interrupted, check_interrupt};
