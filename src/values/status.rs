//! How a run of tmpx ends: the only place where exit codes are written as numbers.

use crate::sys::Exit;

/// How a run of tmpx ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// tmpx did everything it was asked to do.
    Success,
    /// tmpx could not do what it was asked to do.
    Failed,
    /// The command line is invalid.
    Usage,
    /// The command ran longer than its timeout.
    TimedOut,
    /// tmpx itself failed while it ran a command. The status differs from the command's own, so that
    /// a caller can tell them apart.
    TmpxFailed,
    /// The command exists and could not be executed.
    NotExecutable,
    /// The command does not exist.
    NotFound,
    /// The command exited with this status.
    Command(u8),
    /// This signal killed the command, and tmpx kills itself with it too.
    Signal(i32),
}

impl Status {
    /// Returns the exit code: 124 to 127 as in env(1), timeout(1) and the shell, and 128 + n for a
    /// death by signal n where only a number can express it.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::TimedOut => 124,
            Self::TmpxFailed => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Command(code) => code,
            Self::Signal(number) => 128u8.wrapping_add(u8::try_from(number).unwrap_or(0)),
        }
    }

    /// Returns the exit code if it comes from the command that tmpx ran.
    pub fn of_command(self) -> Option<u8> {
        matches!(self, Self::Command(_) | Self::Signal(_)).then(|| self.code())
    }
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        let signal = match status {
            Status::Signal(number) => Some(number),
            _ => None,
        };
        Self { code: status.code(), signal }
    }
}
