//! The checksum of an entry: finds what a disk, a power cut or an editor has done to it.
//!
//! It is no signature: who can write to the store can also write a checksum. Four lanes of folded
//! multiplication, the step of wyhash and rapidhash, need no instructions that a processor may lack.
//! Asking a processor what it has costs more here than a small entry takes.

/// The size of a step, in bytes.
const STRIPE: usize = 64;

/// Odd numbers without a pattern: digits of pi.
const SALT: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345, 0xa409_3822_299f_31d1, 0x082e_fa98_ec4e_6c89];

/// A checksum of bytes that arrive in parts. How they are parted makes no difference.
#[derive(Clone, Debug)]
pub(super) struct Checksum {
    lanes: [u64; 4],
    /// The bytes of a step that is not complete yet.
    rest: [u8; STRIPE],
    length: u64,
}

impl Checksum {
    pub(super) fn new() -> Self {
        Self { lanes: SALT, rest: [0; STRIPE], length: 0 }
    }

    /// Returns the checksum of these bytes.
    pub(super) fn of(bytes: &[u8]) -> u64 {
        let mut checksum = Self::new();
        checksum.add(bytes);
        checksum.finish()
    }

    /// Adds bytes.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        let filled = self.filled();
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if filled > 0 {
            let taken = bytes.len().min(STRIPE - filled);
            self.rest[filled..filled + taken].copy_from_slice(&bytes[..taken]);
            if filled + taken < STRIPE {
                return;
            }
            bytes = &bytes[taken..];
            step(&mut self.lanes, &self.rest);
        }
        let mut lanes = self.lanes;
        let (stripes, rest) = bytes.as_chunks::<STRIPE>();
        for stripe in stripes {
            step(&mut lanes, stripe);
        }
        self.lanes = lanes;
        self.rest[..rest.len()].copy_from_slice(rest);
    }

    /// Returns the checksum of all bytes so far.
    pub(super) fn finish(&self) -> u64 {
        let mut lanes = self.lanes;
        let mut last = [0; STRIPE];
        let filled = self.filled();
        last[..filled].copy_from_slice(&self.rest[..filled]);
        step(&mut lanes, &last);
        let [a, b, c, d] = lanes;
        let length = self.length ^ SALT[0];
        fold(fold(a ^ SALT[1], b ^ length) ^ c, fold(c ^ SALT[2], d ^ length) ^ a)
    }

    fn filled(&self) -> usize {
        // The remainder is less than a stripe.
        #[expect(clippy::cast_possible_truncation, reason = "it is below 64")]
        {
            (self.length % STRIPE as u64) as usize
        }
    }
}

fn step(lanes: &mut [u64; 4], stripe: &[u8; STRIPE]) {
    let (words, _) = stripe.as_chunks::<8>();
    for (n, lane) in lanes.iter_mut().enumerate() {
        let (a, b) = (u64::from_le_bytes(words[2 * n]), u64::from_le_bytes(words[2 * n + 1]));
        // A factor of zero hides the other one, so the lane is added again.
        *lane = fold(a ^ SALT[n], b ^ *lane) ^ lane.rotate_left(23);
    }
}

/// Multiplies, and folds the 128 bits of the product into 64.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    {
        product as u64 ^ (product >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        (0..1000_u32).map(|n| u8::try_from(n.wrapping_mul(97) % 251).unwrap()).collect()
    }

    #[test]
    fn the_parts_make_no_difference() {
        let bytes = sample();
        let whole = Checksum::of(&bytes);
        for size in [1, 7, 63, 64, 65, 200, 999] {
            let mut checksum = Checksum::new();
            bytes.chunks(size).for_each(|part| checksum.add(part));
            assert_eq!(checksum.finish(), whole, "{size}");
        }
    }

    #[test]
    fn every_flipped_bit_cut_and_zeroed_block_is_noticed() {
        let bytes = sample();
        let whole = Checksum::of(&bytes);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Checksum::of(&flipped), whole, "{bit}");
        }
        for end in 0..bytes.len() {
            assert_ne!(Checksum::of(&bytes[..end]), whole, "{end}");
            let mut zeroed = bytes.clone();
            zeroed[end..].fill(0);
            assert_ne!(Checksum::of(&zeroed), whole, "{end}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert_ne!(Checksum::of(&longer), whole);
        let zeros: Vec<u64> = (0..200).map(|n| Checksum::of(&vec![0; n])).collect();
        let mut distinct = zeros.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(zeros.len(), distinct.len());
    }
}
