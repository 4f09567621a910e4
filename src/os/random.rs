//! Names that nobody can guess.
//!
//! Randomness is a parameter of the core: [`Entropy::system`] asks the kernel, tests bring their
//! own bytes. The bytes are fetched in blocks, one system call for some twenty names.

use std::io;

/// The characters of a random name. 62 of them: log2 62 = 5.954 bits each.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The random characters of a name that tmpx chooses: 10 are 59.5 bits.
pub(crate) const NAME_LENGTH: usize = 10;

/// From how many bits on a random name counts as one that nobody guesses.
const UNGUESSABLE_BITS: f64 = 40.0;

/// Whether `length` random characters make a name that nobody can guess or take beforehand.
pub(crate) fn is_unguessable(length: usize) -> bool {
    // Lengths are bounded by NAME_MAX, far below where the conversion would round.
    #[allow(clippy::cast_precision_loss, reason = "lengths are below 256")]
    let bits = length as f64 * 62f64.log2();
    bits >= UNGUESSABLE_BITS
}

/// Fills a slice with random bytes.
type FillBytes = dyn FnMut(&mut [u8]) -> io::Result<()>;

/// A source of random bytes, with a block in hand.
pub struct Random {
    source: Box<FillBytes>,
    block: [u8; 256],
    used: usize,
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entropy").finish_non_exhaustive()
    }
}

impl Random {
    /// The kernel's generator, getrandom(2).
    pub fn system() -> Self {
        Self::from_source(|block| {
            let mut filled = 0;
            while filled < block.len() {
                let rest = &mut block[filled..];
                match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
                    Ok(count) => filled += count,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(err) => return Err(err.into()),
                }
            }
            Ok(())
        })
    }

    /// Any other source, which fills the slice it is given.
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
            // 6 bits have 64 values: two of them are drawn again, which keeps the rest even.
            let character = loop {
                if let Some(&character) = ALPHABET.get(usize::from(self.byte()? & 0x3f)) {
                    break character;
                }
            };
            name.push(character);
        }
        Ok(())
    }

    /// True once in `n` times on average, for `n` up to 256.
    pub fn one_in(&mut self, n: u8) -> io::Result<bool> {
        Ok(self.byte()? % n.max(1) == 0)
    }

    /// A number below `n` (0 where `n` is 0), near enough to even for choosing where to start.
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
    fn the_two_values_without_a_character_are_drawn_again() {
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
    fn ten_characters_are_unguessable_and_six_are_not() {
        assert!(is_unguessable(NAME_LENGTH));
        assert!(is_unguessable(7));
        assert!(!is_unguessable(6));
    }

    #[test]
    fn a_source_that_fails_is_an_error() {
        let mut random = Random::from_source(|_| Err(io::Error::other("dry")));
        assert!(random.push_name(&mut Vec::new(), 1).is_err());
    }
}
