//! A command line, and everything its program starts with.
//!
//! The command runs as transparently as under env(1): in tmpx's own process group, with its
//! terminal, its descriptors and the signal state that tmpx inherited.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::process::{Pid, Rlimit};

use crate::os::{CurrentDir, Env};
use crate::process::search;
use crate::process::suggest::{Guess, guess};
use crate::sys::{PrivateMounts, SignalQueue, SpawnError, SpawnRequest};

/// The search path if PATH is unset, as in execvp(3).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Runs an executable file whose format the system does not know, as in execvp(3).
const SHELL: &CStr = c"/bin/sh";

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("could not run {}: command not found", .program.display())]
    NotFound { program: OsString, guess: Option<Guess> },
    #[error("could not run {}", .program.display())]
    NotRun {
        program: OsString,
        guess: Option<Guess>,
        #[source]
        cause: io::Error,
    },
    #[error("could not set up a private /tmp for the command")]
    PrivateMounts(#[source] io::Error),
}

/// A command that has not been started.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    program: OsString,
    args: Vec<OsString>,
    env: &'a Env,
    search_dir: &'a CurrentDir,
    variables: Vec<(&'static str, OsString)>,
    dir: Option<BorrowedFd<'a>>,
    descriptors: Vec<(OwnedFd, i32)>,
    mounts: Option<PrivateMounts>,
    fd_limit: Option<Rlimit>,
}

impl<'a> Command<'a> {
    /// Builds a command from its words. A program with a slash and the relative directories of PATH
    /// are relative to `search_dir`.
    pub(crate) fn new(words: Vec<OsString>, env: &'a Env, search_dir: &'a CurrentDir) -> Self {
        let mut words = words.into_iter();
        Self {
            program: words.next().unwrap_or_default(),
            args: words.collect(),
            env,
            search_dir,
            variables: Vec::new(),
            dir: None,
            descriptors: Vec::new(),
            mounts: None,
            fd_limit: None,
        }
    }

    /// Sets a variable in the command's environment.
    pub(crate) fn set_env(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.retain(|(other, _)| *other != name);
        self.variables.push((name, value.into()));
    }

    /// Sets the directory that the command runs in.
    pub(crate) fn current_dir(&mut self, dir: BorrowedFd<'a>) {
        self.dir = Some(dir);
    }

    /// Passes a descriptor under this number.
    pub(crate) fn pass_fd(&mut self, descriptor: OwnedFd, number: i32) {
        self.descriptors.push((descriptor, number));
    }

    /// Mounts directories for the command alone. They are relative to the directory it runs in.
    pub(crate) fn mount(&mut self, mounts: PrivateMounts) {
        self.mounts = Some(mounts);
    }

    /// Sets the limit on open files that the command finds.
    pub(crate) fn limit_fds(&mut self, limit: Rlimit) {
        self.fd_limit = Some(limit);
    }

    /// Starts the command, and closes tmpx's copies of the descriptors that it passes.
    pub(super) fn start(
        self,
        signals: &SignalQueue,
        mounted: &mut dyn FnMut(Pid),
    ) -> Result<Pid, StartError> {
        self.spawn(signals, mounted).map_err(|err| match err {
            SpawnError::PrivateMounts(err) => StartError::PrivateMounts(err),
            SpawnError::Exec(err) => self.explain(err),
        })
    }

    fn spawn(
        &self,
        signals: &SignalQueue,
        mounted: &mut dyn FnMut(Pid),
    ) -> Result<Pid, SpawnError> {
        let path = c_string(self.find_program()?.as_os_str())?;
        let words = [&self.program].into_iter().chain(&self.args);
        let args = words.map(|word| c_string(word)).collect::<io::Result<Vec<_>>>()?;
        let env = self.env.with(&self.variables)?;
        let descriptors: Vec<_> =
            self.descriptors.iter().map(|(fd, number)| (fd.as_fd(), *number)).collect();
        let request = SpawnRequest {
            path: &path,
            args: &args,
            env: &env,
            dir: self.dir,
            descriptors: &descriptors,
            mounts: self.mounts.as_ref(),
            fd_limit: self.fd_limit,
        };
        match request.start(signals, mounted) {
            Err(SpawnError::Exec(err)) if err.raw_os_error() == Some(libc::ENOEXEC) => {
                let args = [&[SHELL.to_owned(), path.clone()], &args[1..]].concat();
                SpawnRequest { path: SHELL, args: &args, ..request }.start(signals, mounted)
            }
            started => started,
        }
    }

    fn find_program(&self) -> io::Result<PathBuf> {
        find_program(&self.program, self.env, self.search_dir)
    }

    /// Whether the program is named by its path and not searched for in PATH.
    fn is_path(&self) -> bool {
        is_path(&self.program)
    }

    fn explain(self, cause: io::Error) -> StartError {
        let exists = self.find_program().is_ok_and(|path| search::is_file(CWD, &path));
        let not_found = cause.kind() == io::ErrorKind::NotFound;
        let guess = if not_found && exists {
            Some(Guess::MissingInterpreter)
        } else {
            guess(&self.program, &cause, self.search_dir, self.dir)
        };
        if not_found && !exists && !self.is_path() {
            StartError::NotFound { program: self.program, guess }
        } else {
            StartError::NotRun { program: self.program, guess, cause }
        }
    }
}

/// Returns the path of a program, as execvp(3) finds it.
pub(crate) fn find_program(
    program: &OsStr,
    env: &Env,
    search_dir: &CurrentDir,
) -> io::Result<PathBuf> {
    if program.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    if is_path(program) {
        let path = search_dir.join(Path::new(program));
        return path.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT));
    }
    let path = env.value("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    search::in_path(program, &path, search_dir)
}

fn is_path(program: &OsStr) -> bool {
    program.as_bytes().contains(&b'/')
}

fn c_string(word: &OsStr) -> io::Result<CString> {
    Ok(CString::new(word.as_bytes())?)
}
