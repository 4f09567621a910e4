//! Refreshes a stale output in the background.
//!
//! The refresh is tmpx under another name, in a session of its own and without the caller's
//! descriptors, so nobody who waits for the caller's output waits for it.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::sys;

/// The name under which tmpx refreshes, as ps(1) shows it.
const NAME: &str = "tmpx-cache-refresh";

/// What a refresh is started with.
#[derive(Debug)]
pub(crate) struct RefreshSpec<'a> {
    /// The arguments of the run that found the stale output.
    pub(crate) args: &'a [OsString],
    /// The standard input that is part of the key.
    pub(crate) stdin: Option<OwnedFd>,
}

impl RefreshSpec<'_> {
    /// Starts the refresh. Its status is never collected, since tmpx exits first. If it cannot be
    /// started, the next caller tries again.
    pub(crate) fn start(self) {
        let stdin = self.stdin.map_or_else(Stdio::null, Stdio::from);
        let _ = Command::new("/proc/self/exe")
            .arg0(NAME)
            .args(self.args.iter().skip(1))
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
    }
}

/// Whether this process is a refresh. Then it gives up everything that the caller may wait for; it must
/// not have opened a descriptor yet.
pub(crate) fn is_refresh(args: &[OsString]) -> bool {
    let is_refresh = args.first().is_some_and(|name| name == NAME);
    if is_refresh {
        sys::close_from(3);
        let _ = rustix::process::setsid();
    }
    is_refresh
}
