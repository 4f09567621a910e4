//! Sets of signals, as the kernel sees them.
//!
//! A C library keeps two or three real-time signals for itself: it hides them in the masks that it
//! returns, and adds none of them to a set. tmpx leaves them to its command, which may be linked
//! with another C library.

use std::ffi::{c_int, c_long, c_ulong};
use std::mem::MaybeUninit;

/// The kernel's real-time signals: SIGRTMIN and SIGRTMAX in signal(7).
pub(super) const REAL_TIME: std::ops::RangeInclusive<c_int> = 32..=64;

/// The size of the kernel's set in bytes: a bit for each of 64 signals.
const SIZE: usize = 8;

/// A set of signals.
#[derive(Clone, Copy)]
pub(super) struct SignalSet(libc::sigset_t);

impl std::fmt::Debug for SignalSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignalSet").finish_non_exhaustive()
    }
}

impl SignalSet {
    /// Returns the set of these signals.
    pub(super) fn of(signals: impl IntoIterator<Item = c_int>) -> Self {
        let mut words = [0; SIZE / size_of::<c_ulong>()];
        for signal in signals {
            let bit = signal.cast_unsigned() as usize - 1;
            let bits = c_ulong::BITS as usize;
            words[bit / bits] |= 1 << (bit % bits);
        }
        let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: all zeroes is a valid sigset_t. It begins with the kernel's set, an array of long,
        // and is at least as large.
        unsafe {
            set.as_mut_ptr()
                .cast::<[c_ulong; SIZE / size_of::<c_ulong>()]>()
                .write_unaligned(words);
            Self(set.assume_init())
        }
    }

    /// Makes this set the mask of this thread.
    pub(super) fn set_as_mask(&self) {
        Self::change_mask(libc::SIG_SETMASK, self.as_ptr());
    }

    /// Adds these signals to the mask of this thread. Returns the mask before.
    pub(super) fn block(&self) -> Self {
        Self::change_mask(libc::SIG_BLOCK, self.as_ptr())
    }

    /// Removes these signals from the mask of this thread.
    pub(super) fn unblock(&self) {
        Self::change_mask(libc::SIG_UNBLOCK, self.as_ptr());
    }

    pub(super) fn as_ptr(&self) -> *const libc::sigset_t {
        &raw const self.0
    }

    fn change_mask(how: c_int, set: *const libc::sigset_t) -> Self {
        let mut old = Self::of([]);
        // SAFETY: `set` is null or points to a set, `old` is one, and the kernel reads and writes
        // only the `SIZE` bytes that they begin with.
        unsafe {
            libc::syscall(libc::SYS_rt_sigprocmask, c_long::from(how), set, &raw mut old.0, SIZE);
        }
        old
    }
}
