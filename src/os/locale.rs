//! The character set of the user's locale, by the rules of glibc's setlocale(3).
//!
//! C libraries disagree: musl calls every locale UTF-8. A message must not depend on the library
//! that tmpx is linked with, so tmpx reads the variables itself.

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::os::env::Env;

/// The directory with the installed locales of glibc.
const LOCALES: &str = "/usr/lib/locale";

/// The categories of a locale. A single one that is not installed makes setlocale(3) fail, and the
/// program then stays in the locale C.
const CATEGORIES: [&str; 12] = [
    "LC_CTYPE",
    "LC_NUMERIC",
    "LC_TIME",
    "LC_COLLATE",
    "LC_MONETARY",
    "LC_MESSAGES",
    "LC_PAPER",
    "LC_NAME",
    "LC_ADDRESS",
    "LC_TELEPHONE",
    "LC_MEASUREMENT",
    "LC_IDENTIFICATION",
];

/// The character set of a locale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Single bytes, of which only ASCII is sure to be printed.
    Ascii,
    /// UTF-8.
    Utf8,
}

impl Charset {
    /// Returns the character set of the locale that the environment names.
    pub(crate) fn of(env: &Env) -> Self {
        let value =
            |category| env.get("LC_ALL").or_else(|| env.get(category)).or_else(|| env.get("LANG"));
        let named = CATEGORIES.map(|category| value(category).unwrap_or_else(|| "C".into()));
        if !named.iter().all(|name| is_installed(name.as_bytes(), Path::new(LOCALES))) {
            return Self::Ascii;
        }
        match normalized(named[0].as_bytes()).split(|&byte| byte == b'.').nth(1) {
            Some(codeset) if codeset.starts_with(b"utf8") => Self::Utf8,
            _ => Self::Ascii,
        }
    }
}

/// Returns a locale's name as glibc stores it: the codeset has only letters and digits, in lower
/// case. `en_US.UTF-8@x` becomes `en_US.utf8@x`.
fn normalized(name: &[u8]) -> Vec<u8> {
    let Some(dot) = name.iter().position(|&byte| byte == b'.') else { return name.to_vec() };
    let (language, codeset) = name.split_at(dot + 1);
    let end = codeset.iter().position(|&byte| byte == b'@').unwrap_or(codeset.len());
    let (codeset, modifier) = codeset.split_at(end);
    let letters = codeset.iter().filter(|byte| byte.is_ascii_alphanumeric());
    let mut text = language.to_vec();
    text.extend(letters.map(u8::to_ascii_lowercase));
    text.extend_from_slice(modifier);
    text
}

/// Whether glibc finds a locale: it knows some itself; others are a directory or a name in the
/// archive.
fn is_installed(name: &[u8], locales: &Path) -> bool {
    let name = normalized(name);
    if matches!(name.as_slice(), b"C" | b"POSIX" | b"C.utf8") {
        return true;
    }
    if name.is_empty() || name.contains(&b'/') || name.starts_with(b".") {
        return false;
    }
    locales.join(std::ffi::OsStr::from_bytes(&name)).is_dir()
        || archive_names(&locales.join("locale-archive"))
            .is_some_and(|names| names.split(|&byte| byte == 0).any(|known| known == name))
}

/// Reads the names in glibc's locale archive: NUL-terminated, at the offset and of the length that
/// its header states (locale/locarchive.h in glibc).
fn archive_names(archive: &Path) -> Option<Vec<u8>> {
    const MAGIC: u32 = 0xde02_0109;
    const MAX_NAMES: u32 = 1 << 20;
    let file = File::open(archive).ok()?;
    let mut header = [0; 28];
    file.read_exact_at(&mut header, 0).ok()?;
    let word = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let (offset, length) = (word(20)?, word(24)?);
    if word(0)? != MAGIC || length > MAX_NAMES {
        return None;
    }
    let mut names = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut names, offset.into()).ok()?;
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(pairs: &[(&str, &str)]) -> Charset {
        Charset::of(&Env::fixed(pairs))
    }

    #[test]
    fn the_first_variable_that_is_set_names_the_locale() {
        assert_eq!(charset(&[]), Charset::Ascii);
        assert_eq!(charset(&[("LANG", "C.UTF-8")]), Charset::Utf8);
        assert_eq!(charset(&[("LANG", "C.UTF-8"), ("LC_CTYPE", "C")]), Charset::Ascii);
        assert_eq!(charset(&[("LC_ALL", "C.utf8"), ("LC_CTYPE", "C")]), Charset::Utf8);
        assert_eq!(charset(&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF8")]), Charset::Utf8);
        assert_eq!(charset(&[("LC_ALL", "POSIX"), ("LANG", "C.UTF-8")]), Charset::Ascii);
    }

    #[test]
    fn a_locale_that_is_not_installed_leaves_the_locale_c() {
        assert_eq!(charset(&[("LC_ALL", "xx_XX.UTF-8")]), Charset::Ascii);
        assert_eq!(charset(&[("LANG", "C.UTF-8"), ("LC_TIME", "bogus")]), Charset::Ascii);
        assert_eq!(charset(&[("LC_ALL", "../locale.utf8")]), Charset::Ascii);
    }

    #[test]
    fn a_codeset_is_compared_without_case_and_punctuation() {
        assert_eq!(normalized(b"en_US.UTF-8@x-Y"), b"en_US.utf8@x-Y");
        assert_eq!(normalized(b"C"), b"C");
        assert_eq!(normalized(b"de_DE.ISO-8859-15"), b"de_DE.iso885915");
    }

    #[test]
    fn installed_locales_are_directories_or_names_in_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("de_DE.utf8")).unwrap();
        let mut archive = vec![0; 64];
        archive[..4].copy_from_slice(&0xde02_0109_u32.to_ne_bytes());
        archive[20..24].copy_from_slice(&64_u32.to_ne_bytes());
        archive[24..28].copy_from_slice(&22_u32.to_ne_bytes());
        archive.extend_from_slice(b"fr_FR.utf8\0en_US.utf8\0");
        std::fs::write(dir.path().join("locale-archive"), archive).unwrap();
        let installed = |name: &[u8]| is_installed(name, dir.path());
        assert!(installed(b"de_DE.UTF-8") && installed(b"en_US.utf8") && installed(b"fr_FR.UTF-8"));
        assert!(!installed(b"es_ES.UTF-8") && !installed(b"en_US") && !installed(b""));
    }
}
