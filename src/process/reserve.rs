//! Reserves descriptor numbers for a command.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

/// A descriptor number could not be reserved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReserveError {
    #[error("{0} is beyond the limit on open files")]
    BeyondLimit(i32),
    #[error("could not reserve descriptor {number}")]
    Failed {
        number: i32,
        #[source]
        cause: io::Error,
    },
}

/// Opens something under each of these numbers, so that no descriptor of tmpx's own gets a number
/// under which a command expects something else. Leaves a number alone that is open already.
pub(crate) fn reserve_fds(numbers: &[i32]) -> Result<Vec<OwnedFd>, ReserveError> {
    let mut reserved = Vec::new();
    for &number in numbers {
        let failed = |err: Errno| ReserveError::Failed { number, cause: err.into() };
        let placeholder =
            open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        if placeholder.as_raw_fd() == number {
            reserved.push(placeholder);
            continue;
        }
        match fcntl_dupfd_cloexec(&placeholder, number) {
            Ok(copy) if copy.as_raw_fd() == number => reserved.push(copy),
            Ok(_) | Err(Errno::MFILE) => {}
            Err(_) => return Err(ReserveError::BeyondLimit(number)),
        }
    }
    Ok(reserved)
}
