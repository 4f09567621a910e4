//! The character set of the locale.

use std::ffi::{CStr, c_int};

/// The character set of the user's locale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocaleCharset {
    utf8: bool,
}

unsafe extern "C" {
    /// iswprint(3), which the libc crate does not declare.
    fn iswprint(character: libc::c_uint) -> c_int;
}

impl LocaleCharset {
    /// That of the locale which the environment names; ASCII where the system lacks that locale.
    /// Costs as much as all else that a short command does, so only messages ask for it.
    pub(crate) fn of_the_environment() -> Self {
        // SAFETY: the empty string is a C string, and tmpx has one thread, so nobody reads the
        // locale while it changes. What nl_langinfo returns is a C string that stays as it is until
        // the locale changes again.
        let utf8 = unsafe {
            libc::setlocale(libc::LC_ALL, c"".as_ptr());
            CStr::from_ptr(libc::nl_langinfo(libc::CODESET)) == c"UTF-8"
        };
        Self { utf8 }
    }

    /// Whether it is UTF-8.
    pub(crate) fn is_utf8(self) -> bool {
        self.utf8
    }

    /// Whether a character can be shown: a code point in UTF-8, else a byte.
    pub(crate) fn prints(self, code: u32) -> bool {
        let printable = match u8::try_from(code) {
            // SAFETY: isprint takes any number that fits a byte.
            Ok(byte) if !self.utf8 => unsafe { libc::isprint(byte.into()) },
            // SAFETY: iswprint takes any number.
            _ => unsafe { iswprint(code) },
        };
        printable != 0
    }
}
