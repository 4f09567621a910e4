//! What every subcommand is given.

use std::ffi::OsString;

use crate::os::Env;
use crate::sys::InheritedSignals;

/// What a command is given to work with.
pub(crate) struct Context {
    /// tmpx's own arguments.
    pub(crate) args: Vec<OsString>,
    /// The environment.
    pub(crate) env: Env,
    /// What a command that is run must find unchanged.
    pub(crate) signals: InheritedSignals,
}
