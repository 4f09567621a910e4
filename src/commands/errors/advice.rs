//! The advice that goes with an error.

use std::error::Error;

use crate::values::Status;

/// What tmpx adds to the message of an error.
#[derive(Debug, Default)]
pub(super) struct Advice {
    /// A remedy, with the exact command where one helps.
    pub(super) hint: Option<String>,
    /// The exit status, if the error has one of its own.
    pub(super) status: Option<Status>,
}

impl Advice {
    pub(super) fn hint(hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), status: None }
    }

    pub(super) fn status(status: Status) -> Self {
        Self { hint: None, status: Some(status) }
    }

    /// The error is the command line's fault.
    pub(super) fn usage() -> Self {
        Self::status(Status::Usage)
    }

    pub(super) fn and_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Fills in what is still missing from the advice on a deeper cause.
    pub(super) fn or(self, deeper: Self) -> Self {
        Self { hint: self.hint.or(deeper.hint), status: self.status.or(deeper.status) }
    }
}

/// The hint where a dash would stand for a standard stream.
pub(super) const A_FILE_NAMED_DASH: &str = "a file named - is ./-";

/// Returns the advice on one cause, if it is of a type that the function knows.
pub(super) type Adviser = fn(&(dyn Error + 'static)) -> Option<Advice>;
