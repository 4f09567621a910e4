//! The context that every handler runs in.

use crate::create::Transaction;
use crate::lease::{LeaseSpec, LifetimeOptions, SpecError};
use crate::os::Env;
use crate::sys::InheritedSignals;
use crate::ui::print_note;
use crate::values::message::strerror;

/// What the process inherited, as far as handlers use it.
pub(crate) struct Context {
    pub(crate) env: Env,
    /// The signal state that a command must inherit unchanged.
    pub(crate) signals: InheritedSignals,
}

impl Context {
    /// Resolves the lifetime options, and prints a note about a variable that must be ignored.
    pub(crate) fn lease_spec(&self, options: LifetimeOptions) -> anyhow::Result<LeaseSpec> {
        let (spec, ignored) = LeaseSpec::resolve(options, &self.env).map_err(|err| {
            let owner = match err {
                SpecError::NoSuchOwner(pid) | SpecError::ForeignOwner(pid) => Some(pid),
                _ => None,
            };
            let err = anyhow::Error::new(err);
            match owner {
                Some(pid) => err.context(format!("--until-exit={pid}")),
                None => err,
            }
        })?;
        ignored.iter().for_each(print_note);
        Ok(spec)
    }

    /// Finishes a transaction. Prints a note if nothing will act at the moment its lease ends.
    pub(crate) fn finish(&self, transaction: Transaction) {
        if let Err(err) = transaction.finish(&self.env) {
            let err = strerror(&err);
            print_note(format_args!(
                "could not start the reaper: {err}; the next 'tmpx cleanup' does its work"
            ));
        }
    }
}
