//! The context that every handler runs in.

use std::ffi::OsString;

use crate::os::Env;
use crate::sys::InheritedSignals;

/// What the process inherited, as far as handlers use it.
pub(crate) struct Context {
    /// tmpx's own arguments.
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Env,
    /// The signal state that a command must inherit unchanged.
    pub(crate) signals: InheritedSignals,
}
