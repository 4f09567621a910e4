//! process

pub(crate) mod command;
pub(crate) use command::{Command, ExitOutcome, Limits, Orphans};
