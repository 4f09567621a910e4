//! The hint and the exit status of an error.

use crate::values::Status;

/// What tmpx adds to the message of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) hint: Option<String>,
    pub(super) status: Option<Status>,
}

impl Advice {
    pub(super) fn status(status: Status) -> Self {
        Self { hint: None, status: Some(status) }
    }
}
