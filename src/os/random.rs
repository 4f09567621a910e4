//! Random names that no other user can guess.
//!
//! Randomness is a parameter of the core: [`Random::system`] asks the kernel, and tests supply their
//! own bytes. [`Random`] fetches bytes in blocks, with one system call for some twenty names.

use std::io;

use crate::sys;

/// The characters of a random name. 62 of them: log2 62 = 5.954 bits each.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The number of random characters in a name that tmpx chooses: 10 carry 59.5 bits.
pub(crate) const NAME_LENGTH: usize = 10;

/// The fewest random characters that nobody can guess: 6 carry 35.7 bits. To occupy the names of a
/// template in advance takes 57 thousand million files.
const UNGUESSABLE_LENGTH: usize = 6;

/// Whether a name with `length` random characters cannot be guessed and occupied in advance.
pub(crate) fn is_unguessable(length: usize) -> bool {
    length >= UNGUESSABLE_LENGTH
}

/// Fills a slice with random bytes.
type FillBytes = dyn FnMut(&mut [u8]) -> io::Result<()>;

/// A source of random bytes, with a block of bytes fetched in advance.
pub struct Random {
    source: Box<FillBytes>,
    block: [u8; 256],
    used: usize,
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

impl Random {
    /// Returns the kernel's generator.
    pub fn system() -> Self {
        Self::from_source(|block| Ok(sys::fill_random(block)?))
    }

    /// Returns a generator that fetches its bytes from `source`.
    pub fn from_source(source: impl FnMut(&mut [u8]) -> io::Result<()> + 'static) -> Self {
        Self { source: Box::new(source), block: [0; 256], used: 256 }
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.used == self.block.len() {
            (self.source)(&mut self.block)?;
            self.used = 0;
        }
        let byte = self.block[self.used];
        self.used += 1;
        Ok(byte)
    }

    /// Appends `length` characters of `[0-9A-Za-z]`, each equally likely.
    pub fn push_name(&mut self, name: &mut Vec<u8>, length: usize) -> io::Result<()> {
        for _ in 0..length {
            // Of the 64 values of 6 bits, two have no character. Drawing again for these two keeps
            // the others equally likely.
            let character = loop {
                if let Some(&character) = ALPHABET.get(usize::from(self.byte()? & 0x3f)) {
                    break character;
                }
            };
            name.push(character);
        }
        Ok(())
    }

    /// Returns `true` once in `n` calls on average.
    pub fn one_in(&mut self, n: u8) -> io::Result<bool> {
        Ok(self.byte()? % n.max(1) == 0)
    }

    /// Returns a number below `n`, or 0 if `n` is 0. Nearly uniform, which is enough to choose a
    /// starting point.
    pub fn index_below(&mut self, n: usize) -> io::Result<usize> {
        let mut bytes = [0; size_of::<usize>()];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(usize::from_ne_bytes(bytes).checked_rem(n).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_a_character_are_drawn_again() {
        let mut random = Random::from_source(|block| {
            for (n, byte) in block.iter_mut().enumerate() {
                *byte = [0xff, 0xfe, 0, 61, 10][n % 5];
            }
            Ok(())
        });
        let mut name = Vec::new();
        random.push_name(&mut name, 4).unwrap();
        assert_eq!(name, b"0zA0");
    }

    #[test]
    fn six_characters_are_unguessable_and_five_are_not() {
        assert!(is_unguessable(NAME_LENGTH));
        assert!(is_unguessable(6));
        assert!(!is_unguessable(5));
    }

    #[test]
    fn a_failing_source_is_an_error() {
        let mut random = Random::from_source(|_| Err(io::Error::other("dry")));
        assert!(random.push_name(&mut Vec::new(), 1).is_err());
    }
}
