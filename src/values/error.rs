//! What can go wrong, as the user is told of it: a message, a hint, an exit status.
//!
//! `anyhow` carries the cause and what was being done; this module adds the two things that a
//! command line needs on top, the remedy and the exit code, and turns the whole into text. The
//! message of a failed system call names the act and the path once and ends with the system's own
//! words: `could not create file in /nodir: No such file or directory`.

use std::fmt;

use crate::values::message::render;
use crate::values::status::Status;

/// An error together with its remedy and the status it ends with.
#[derive(Debug)]
struct UserError {
    cause: anyhow::Error,
    hint: Option<String>,
    status: Option<Status>,
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(&self.cause))
    }
}

impl std::error::Error for UserError {}

/// Adds a remedy or a status to the error of a result.
pub(crate) trait ErrorExt<T> {
    /// Adds the line that is printed as `hint: …`.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> ErrorExt<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|err| {
            anyhow::Error::new(UserError {
                cause: err.into(),
                hint: Some(hint.into()),
                status: None,
            })
        })
    }
}

/// The status that an error ends with, where it has one of its own.
pub(crate) fn status_of(err: &anyhow::Error) -> Option<Status> {
    user_errors(err).find_map(|told| told.status)
}

/// The remedy that was added to an error.
pub(crate) fn hint_of(err: &anyhow::Error) -> Option<&str> {
    user_errors(err).find_map(|told| told.hint.as_deref())
}

fn user_errors(err: &anyhow::Error) -> impl Iterator<Item = &UserError> {
    std::iter::successors(find_user_error(err), |told| find_user_error(&told.cause))
}

fn find_user_error(err: &anyhow::Error) -> Option<&UserError> {
    err.chain().find_map(|link| link.downcast_ref::<UserError>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    fn enoent() -> std::io::Error {
        std::io::Error::from_raw_os_error(libc::ENOENT)
    }

    #[test]
    fn a_hint_survives_context_added_later() {
        let err =
            Err::<(), _>(enoent()).hint("make it first").context("could not run true").unwrap_err();
        assert_eq!(render(&err), "could not run true: No such file or directory");
        assert_eq!(hint_of(&err), Some("make it first"));
    }
}
