//! The full key of an entry: a list of tagged fields, compared byte for byte.
//!
//! Each field has its length before it, so no two lists have the same bytes: `a b` is not `ab`. The
//! name of the entry's file is a short hash of the key. Two keys with one name replace each other,
//! which costs a run and gives no wrong answer.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

/// What a field of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum KeyField {
    /// The key of `set`. It is the only field.
    Named = b'n',
    /// A word of the command, the program first.
    Arg = b'a',
    /// The working directory.
    Cwd = b'd',
    /// The resolved program: its path, then its size, times and inode.
    ProgramPath = b'p',
    ProgramFile = b'q',
    /// A `--key`.
    Extra = b'k',
    /// The name of a variable; its value follows if it is set.
    VariableName = b'e',
    VariableValue = b'v',
    /// The path of a file; the hash of its content follows if it exists.
    FilePath = b'f',
    FileHash = b'h',
    /// The hash of standard input.
    StdinHash = b'i',
}

/// A full key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheKey {
    bytes: Vec<u8>,
}

impl CacheKey {
    /// The key of a run, without fields yet.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(512) }
    }

    /// The key of `set KEY`.
    pub(crate) fn named(name: &OsStr) -> Self {
        let mut key = Self::new();
        key.push(KeyField::Named, name.as_bytes());
        key
    }

    /// Adds a field.
    pub(crate) fn push(&mut self, field: KeyField, value: &[u8]) {
        self.bytes.push(field as u8);
        // Longer ones than the system passes to a program do not occur.
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value);
    }

    /// Wraps the key of an entry.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns a hash for the name of the entry's file, and for its locks: FNV-1a, with its bits mixed at
    /// the end (the finalizer of `MurmurHash3`).
    pub(super) fn hash(&self) -> u64 {
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let mut hash = self.bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ hash >> 33
    }

    /// Returns the values of all fields of a kind.
    fn values(&self, field: KeyField) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            loop {
                let (&tag, after) = rest.split_first()?;
                let (length, after) = after.split_first_chunk::<4>()?;
                let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
                let (value, after) = after.split_at_checked(length)?;
                rest = after;
                if tag == field as u8 {
                    return Some(value);
                }
            }
        })
    }

    /// Whether `set` stored under this name, or a run has it as a `--key`.
    pub(super) fn has_name(&self, name: &OsStr) -> bool {
        let mut names = self.values(KeyField::Named).chain(self.values(KeyField::Extra));
        names.any(|other| other == name.as_bytes())
    }

    /// Returns the key of `set`, or the `--key`s of a run separated by spaces.
    pub(crate) fn name(&self) -> Option<OsString> {
        let names: Vec<&[u8]> =
            self.values(KeyField::Named).chain(self.values(KeyField::Extra)).collect();
        (!names.is_empty()).then(|| OsString::from_vec(names.join(&b' ')))
    }

    /// Returns the words of the command.
    pub(crate) fn argv(&self) -> Vec<OsString> {
        self.values(KeyField::Arg).map(|word| OsStr::from_bytes(word).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> CacheKey {
        let mut key = CacheKey::new();
        for word in words {
            key.push(KeyField::Arg, word.as_bytes());
        }
        key
    }

    #[test]
    fn words_are_never_joined() {
        assert_ne!(run(&["a", "b"]), run(&["ab"]));
        assert_ne!(run(&["a b"]), run(&["a", "b"]));
        assert_ne!(run(&["a", ""]), run(&["a"]));
        assert_ne!(run(&["a"]), CacheKey::named(OsStr::new("a")));
        assert_ne!(run(&["a"]).hash(), run(&["b"]).hash());
    }

    #[test]
    fn the_fields_are_read_again() {
        let mut key = run(&["curl", "-s", ""]);
        key.push(KeyField::Extra, b"one");
        key.push(KeyField::Extra, b"two");
        assert_eq!(key.argv(), ["curl", "-s", ""]);
        assert_eq!(key.name(), Some("one two".into()));
        assert!(key.has_name(OsStr::new("two")) && !key.has_name(OsStr::new("curl")));
        assert_eq!(CacheKey::named(OsStr::new("x")).name(), Some("x".into()));
        assert_eq!(run(&["x"]).name(), None);
        assert_eq!(CacheKey::from_bytes(b"a\xff\xff\xff\xffx".to_vec()).argv(), [""; 0]);
    }
}
