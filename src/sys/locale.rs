//! The character set of the locale.

use std::ffi::{CStr, c_int};

/// The character set of the user's locale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocaleCharset {
    utf8: bool,
}

unsafe extern "C" {
    // iswprint(3), which the libc crate does not declare.
    fn iswprint(character: libc::c_uint) -> c_int;
}

impl LocaleCharset {
    /// Returns the character set of the environment's locale, and ASCII if that locale is not
    /// installed. This costs as much as the rest of a short command, so only messages call it.
    pub(crate) fn of_the_environment() -> Self {
        // SAFETY: the argument is a C string. Messages are printed by the only thread, so no other
        // thread reads the locale while it changes. nl_langinfo returns a C string that stays valid
        // until the locale changes again.
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

    /// Whether a character is printable. It is a code point in UTF-8, and a byte otherwise.
    pub(crate) fn prints(self, code: u32) -> bool {
        let printable = match u8::try_from(code) {
            // SAFETY: isprint accepts every value of a byte.
            Ok(byte) if !self.utf8 => unsafe { libc::isprint(byte.into()) },
            // SAFETY: iswprint accepts every number.
            _ => unsafe { iswprint(code) },
        };
        printable != 0
    }
}
