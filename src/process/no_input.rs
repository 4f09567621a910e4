//! The standard input of a command that is to read nothing.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};

/// Opens an input that is at its end: /dev/null, or an empty pipe in a root that lacks it.
pub(crate) fn open_no_input() -> io::Result<OwnedFd> {
    let null = || open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    // A call that fails once may succeed.
    null().or_else(|_| null()).or_else(|err| match io::pipe() {
        Ok((reader, _)) => Ok(reader.into()),
        Err(_) => Err(err.into()),
    })
}
