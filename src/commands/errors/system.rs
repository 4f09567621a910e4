//! Advice on limits of the system, whatever reached them.

use std::error::Error;
use std::io;

use crate::commands::errors::advice::Advice;

pub(super) fn advice(cause: &(dyn Error + 'static)) -> Option<Advice> {
    match cause.downcast_ref::<io::Error>()?.raw_os_error()? {
        libc::EMFILE => Some(Advice::hint("'ulimit -n' prints the limit on open files")),
        libc::EFBIG => Some(Advice::hint("'ulimit -f' prints the limit on the size of files")),
        _ => None,
    }
}
