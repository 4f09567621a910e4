//! Advice on commands that tmpx runs.

use std::error::Error;
use std::ffi::OsStr;
use std::io;

use crate::commands::errors::advice::Advice;
use crate::process::{Guess, Interrupted, ReserveError, StartError};
use crate::ui::sh_quote::quote;
use crate::values::Status;

/// A command that could not be started, although `--in` came before it and a file of its name
/// exists: it was probably meant as another input.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct InputAsCommand(pub(crate) StartError);

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    if let Some(Interrupted { signal }) = cause.downcast_ref() {
        return Some(Advice::status(Status::Signal(*signal)));
    }
    if let Some(ReserveError::BeyondLimit(_)) = cause.downcast_ref() {
        return Some(Advice::usage().and_hint("'ulimit -n' prints the limit"));
    }
    if let Some(InputAsCommand(err)) = cause.downcast_ref() {
        let hint = "--in takes one file or directory; repeat it: --in A --in B".to_owned();
        return Some(Advice { hint: Some(hint), status: Some(status(err)) });
    }
    let err: &StartError = cause.downcast_ref()?;
    Some(Advice { hint: hint(err), status: Some(status(err)) })
}

/// Returns the status of env(1), timeout(1) and the shell: 126 and 127 for a program that cannot be
/// run, 125 if the system lacks what a new process needs.
fn status(err: &StartError) -> Status {
    match err {
        StartError::NotFound { .. } => Status::NotFound,
        StartError::PrivateMounts(_) => Status::TmpxFailed,
        StartError::NotRun { cause, .. } => match cause.raw_os_error() {
            _ if cause.kind() == io::ErrorKind::NotFound => Status::NotFound,
            Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE) => Status::TmpxFailed,
            _ => Status::NotExecutable,
        },
    }
}

fn hint(err: &StartError) -> Option<String> {
    match err {
        StartError::PrivateMounts(_) => Some(
            "--private-tmp needs root or user namespaces, which this system or container may forbid"
                .to_owned(),
        ),
        StartError::NotFound { program, guess } | StartError::NotRun { program, guess, .. } => {
            let is_keep_policy = program == "always" || program == "on-failure";
            let name = program.display();
            if is_keep_policy {
                return Some(format!("the value of --keep comes after =, as in --keep={name}"));
            }
            guess.map(|guess| hint_for(guess, program))
        }
    }
}

fn hint_for(guess: Guess, program: &OsStr) -> String {
    let quoted = quote(program);
    let (name, quoted) = (program.display(), quoted.display());
    match guess {
        Guess::MissingInterpreter => {
            "the interpreter in its first line (#!) or its loader does not exist".to_owned()
        }
        Guess::InRunDir => format!(
            "COMMAND is relative to the current directory; for the one in the workspace: sh -c {}",
            quote(&quote(program)).display()
        ),
        Guess::ShellSyntax => {
            format!("each word is an argument of its own; for a shell: sh -c {quoted}")
        }
        Guess::NotExecutable => {
            format!("it is not executable: chmod +x {quoted}, or pass it to its interpreter")
        }
        Guess::NoExecMount => {
            "its filesystem is mounted noexec; a script can be passed to its interpreter".to_owned()
        }
        Guess::InSearchDir => format!("for the one in this directory: ./{quoted}"),
        Guess::ShellBuiltin => format!("{name} is a command of the shell: sh -c '{name} …'"),
        Guess::Assignment => format!("to set a variable: env {quoted} …"),
    }
}
