//! Refreshes a stale output in the background.
//!
//! The refresh is tmpx under another name, in a session of its own and without the caller's
//! descriptors, so nobody who waits for the caller's output waits for it. Its command finds the signal
//! state that the caller's would have found.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{Mode, OFlags, open};

use crate::os::Env;
use crate::process::open_no_input;
use crate::sys::{self, InheritedSignals, SignalQueue, SpawnRequest};

/// The name under which tmpx refreshes, as ps(1) shows it.
const NAME: &CStr = c"tmpx-cache-refresh";

/// What a refresh is started with.
#[derive(Debug)]
pub(crate) struct RefreshSpec<'a> {
    /// The environment and the arguments of the run that found the stale output.
    pub(crate) env: &'a Env,
    pub(crate) signals: InheritedSignals,
    /// The standard input that is part of the key.
    pub(crate) stdin: Option<OwnedFd>,
}

impl RefreshSpec<'_> {
    /// Starts the refresh. Its status is never collected, since tmpx only prints the output and exits. If it
    /// cannot be started, the next caller tries again.
    pub(crate) fn start(self) {
        let _ = self.try_start();
    }

    fn try_start(self) -> io::Result<()> {
        // In a chroot, /dev/null and /proc may be missing. The root directory takes no output.
        let stdin = self.stdin.map_or_else(open_no_input, Ok)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        let output = null.or_else(|_| open("/", flags, Mode::empty()))?;
        let programs = [Some("/proc/self/exe".into()), sys::exec_path()];
        let words = self.env.args().iter().skip(1).map(|word| CString::new(word.as_bytes()));
        let args = [Ok(CString::from(NAME))].into_iter().chain(words);
        let args = args.collect::<Result<Vec<_>, _>>()?;
        let env = self.env.with(&[])?;
        let signals = SignalQueue::open(self.signals);
        for program in programs.into_iter().flatten() {
            let request = SpawnRequest {
                path: &CString::new(program.as_bytes())?,
                args: &args,
                env: &env,
                dir: None,
                descriptors: &[(stdin.as_fd(), 0), (output.as_fd(), 1), (output.as_fd(), 2)],
                mounts: None,
                fd_limit: None,
            };
            if request.start(&signals, &mut |_| ()).is_ok() {
                break;
            }
        }
        // A signal that has arrived meanwhile ends tmpx now.
        signals.close();
        Ok(())
    }
}

/// Whether this process is a refresh. Then it gives up everything that the caller may wait for; it must
/// not have opened a descriptor yet.
pub(crate) fn is_refresh(args: &[OsString]) -> bool {
    let is_refresh = args.first().is_some_and(|name| name.as_bytes() == NAME.to_bytes());
    if is_refresh {
        sys::close_from(3);
        let _ = rustix::process::setsid();
    }
    is_refresh
}
