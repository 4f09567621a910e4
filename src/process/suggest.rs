//! Guesses what was meant by a program that could not be run.

use std::ffi::OsStr;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{CWD, StatVfsMountFlags, statvfs};

use crate::os::CurrentDir;
use crate::process::search::is_file;

/// What the name of a program that could not be run suggests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// The file exists; the interpreter of its `#!` line or its loader does not.
    MissingInterpreter,
    /// The path exists in the directory that the command would run in.
    InRunDir,
    /// The name has characters that a shell would interpret.
    ShellSyntax,
    /// The file exists and is not executable.
    NotExecutable,
    /// The file exists and is executable, but its filesystem runs no programs.
    NoExecMount,
    /// The name is not in PATH; a file in the caller's directory has it.
    InSearchDir,
    /// The name is a command of the shell.
    ShellBuiltin,
    /// The word sets a variable, as a shell would understand it.
    Assignment,
}

/// Commands that exist in a shell only.
const SHELL_BUILTINS: [&str; 20] = [
    ".", "alias", "break", "case", "cd", "eval", "exec", "export", "for", "function", "if", "read",
    "set", "shift", "source", "trap", "ulimit", "unset", "until", "while",
];

/// Guesses what `program` means, if running it failed with `err`. `run_dir` is the directory that
/// it would have run in, where that differs from `search_dir`.
pub(super) fn guess(
    program: &OsStr,
    err: &io::Error,
    search_dir: &CurrentDir,
    run_dir: Option<BorrowedFd<'_>>,
) -> Option<Guess> {
    let bytes = program.as_bytes();
    let is_path = bytes.contains(&b'/');
    let is_shell_syntax = |byte: &u8| byte.is_ascii_whitespace() || b"|&;<>()$`".contains(byte);
    let path = search_dir.join(Path::new(program));
    let exists = path.as_deref().is_some_and(|path| is_file(CWD, path));
    if is_path && !exists && run_dir.is_some_and(|dir| is_file(dir, Path::new(program))) {
        return Some(Guess::InRunDir);
    }
    if bytes.iter().any(is_shell_syntax) {
        return Some(Guess::ShellSyntax);
    }
    if err.kind() == io::ErrorKind::PermissionDenied && exists {
        let forbids = path.is_some_and(|path| {
            statvfs(&path).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::NOEXEC))
        });
        return Some(if forbids { Guess::NoExecMount } else { Guess::NotExecutable });
    }
    if is_path || err.kind() != io::ErrorKind::NotFound {
        return None;
    }
    if exists {
        return Some(Guess::InSearchDir);
    }
    if SHELL_BUILTINS.iter().any(|word| word.as_bytes() == bytes) {
        return Some(Guess::ShellBuiltin);
    }
    bytes.contains(&b'=').then_some(Guess::Assignment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, create_dir, write};
    use std::os::fd::AsFd as _;

    #[test]
    fn the_name_and_the_files_around_it_decide_the_guess() {
        let dir = tempfile::tempdir().unwrap();
        create_dir(dir.path().join("run")).unwrap();
        for file in ["here.sh", "run/there.sh", "run/here.sh"] {
            write(dir.path().join(file), "").unwrap();
        }
        let run_dir = File::open(dir.path().join("run")).unwrap();
        let guess_for = |program: &str, kind: io::ErrorKind| {
            guess(
                OsStr::new(program),
                &kind.into(),
                &CurrentDir::from(dir.path()),
                Some(run_dir.as_fd()),
            )
        };
        let missing = |program| guess_for(program, io::ErrorKind::NotFound);
        assert_eq!(missing("here.sh"), Some(Guess::InSearchDir));
        assert_eq!(missing("./there.sh"), Some(Guess::InRunDir));
        assert_eq!(missing("ls -la"), Some(Guess::ShellSyntax));
        assert_eq!(missing("cd"), Some(Guess::ShellBuiltin));
        assert_eq!(missing("A=b"), Some(Guess::Assignment));
        assert_eq!(missing("nosuch"), None);
        assert_eq!(missing("./nosuch"), None);
        let denied = |program| guess_for(program, io::ErrorKind::PermissionDenied);
        assert_eq!(denied("./here.sh"), Some(Guess::NotExecutable));
        assert_eq!(denied("cd"), None);
    }
}
