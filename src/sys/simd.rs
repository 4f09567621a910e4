//! Sets of byte positions in blocks of 64 bytes, by the widest instructions that the processor has.
//!
//! A scanner is written once, as a [`Kernel`] that is generic over [`Block`]. [`run`] compiles it
//! twice and picks AVX2 at run time; everywhere else the portable form serves.

#![allow(clippy::inline_always, reason = "a kernel is compiled once for each kind of block")]

/// The number of bytes that a block has, and of bits that a set has.
pub(crate) const WIDTH: usize = 64;

/// Loads blocks and compares their bytes. Bit `i` of a set stands for byte `i`.
pub(crate) trait Block: Copy {
    /// Loads a block.
    fn load(bytes: &[u8; WIDTH]) -> Self;

    /// Returns the positions of a byte.
    fn eq(self, byte: u8) -> u64;

    /// Returns the positions of a byte that has the bit 0x20, or of the one without that bit.
    fn eq_ignoring_0x20(self, byte: u8) -> u64;

    /// Returns the positions of bytes above the space: all but whitespace and control characters.
    fn above_space(self) -> u64;

    /// Returns, for each position, the parity of the bits up to and including it.
    fn prefix_xor(bits: u64) -> u64;
}

/// What is to be computed with blocks.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;

    /// Computes it. Implementations are `#[inline(always)]`, so that they are compiled for the
    /// instructions of `B`.
    fn run<B: Block>(self) -> Self::Output;
}

/// Computes with the best blocks that this processor has.
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if x86::is_available() {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { x86::run(kernel) };
    }
    kernel.run::<Portable>()
}

/// Computes with portable blocks.
#[cfg(test)]
pub(crate) fn run_portable<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Portable>()
}

/// Blocks of eight ordinary words.
#[derive(Clone, Copy)]
struct Portable([u64; 8]);

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

impl Portable {
    /// Gathers the high bit of each byte into a set.
    #[inline(always)]
    fn gather(self, high_bits: impl Fn(u64) -> u64) -> u64 {
        let mut set = 0;
        for (index, word) in self.0.into_iter().enumerate() {
            // The product moves bit 8·i + 7 to bit 56 + i; no two of them meet.
            let byte = (high_bits(word) & HIGH).wrapping_shr(7).wrapping_mul(0x0102_0408_1020_4080);
            set |= (byte >> 56) << (8 * index);
        }
        set
    }
}

impl Block for Portable {
    #[inline(always)]
    fn load(bytes: &[u8; WIDTH]) -> Self {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }

    #[inline(always)]
    fn eq(self, byte: u8) -> u64 {
        let pattern = ONES * u64::from(byte);
        // A byte is zero if neither its own high bit nor that of its low seven bits plus 0x7f is set.
        self.gather(|word| {
            let differs = word ^ pattern;
            !(((differs & !HIGH) + !HIGH) | differs)
        })
    }

    #[inline(always)]
    fn eq_ignoring_0x20(self, byte: u8) -> u64 {
        Self(self.0.map(|word| word | (ONES * 0x20))).eq(byte)
    }

    #[inline(always)]
    fn above_space(self) -> u64 {
        self.gather(|word| ((word & !HIGH) + ONES * 0x5f) | word)
    }

    #[inline(always)]
    fn prefix_xor(mut bits: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            bits ^= bits << shift;
        }
        bits
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_max_epu8, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::{Block, Kernel, WIDTH};

    /// Whether the processor has AVX2 and the instructions that come with it.
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
    }

    /// Compiles a kernel for these instructions.
    ///
    /// # Safety
    ///
    /// [`is_available`] has returned true.
    #[target_feature(enable = "avx2,pclmulqdq,popcnt,bmi1,bmi2,lzcnt")]
    pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Avx2>()
    }

    /// Blocks of two vectors. Only [`run`] names this type, so its functions run only where the
    /// processor has been asked.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(__m256i, __m256i);

    impl Avx2 {
        #[inline(always)]
        fn bits(low: __m256i, high: __m256i) -> u64 {
            // SAFETY: see `Avx2`.
            let (low, high) = unsafe { (_mm256_movemask_epi8(low), _mm256_movemask_epi8(high)) };
            u64::from(low.cast_unsigned()) | u64::from(high.cast_unsigned()) << 32
        }
    }

    impl Block for Avx2 {
        #[inline(always)]
        fn load(bytes: &[u8; WIDTH]) -> Self {
            #[allow(clippy::cast_ptr_alignment, reason = "the loads need no alignment")]
            let pointer = bytes.as_ptr().cast::<__m256i>();
            // SAFETY: see `Avx2`; the block has 64 bytes, and the loads need no alignment.
            unsafe { Self(_mm256_loadu_si256(pointer), _mm256_loadu_si256(pointer.add(1))) }
        }

        #[inline(always)]
        fn eq(self, byte: u8) -> u64 {
            // SAFETY: see `Avx2`.
            let (low, high) = unsafe {
                let pattern = _mm256_set1_epi8(byte.cast_signed());
                (_mm256_cmpeq_epi8(self.0, pattern), _mm256_cmpeq_epi8(self.1, pattern))
            };
            Self::bits(low, high)
        }

        #[inline(always)]
        fn eq_ignoring_0x20(self, byte: u8) -> u64 {
            // SAFETY: see `Avx2`.
            let folded = unsafe {
                let bit = _mm256_set1_epi8(0x20);
                Self(_mm256_or_si256(self.0, bit), _mm256_or_si256(self.1, bit))
            };
            folded.eq(byte)
        }

        #[inline(always)]
        fn above_space(self) -> u64 {
            // SAFETY: see `Avx2`. A byte is at most 0x20 if the maximum of both is 0x20.
            let (low, high) = unsafe {
                let space = _mm256_set1_epi8(0x20);
                (
                    _mm256_cmpeq_epi8(_mm256_max_epu8(self.0, space), space),
                    _mm256_cmpeq_epi8(_mm256_max_epu8(self.1, space), space),
                )
            };
            !Self::bits(low, high)
        }

        #[inline(always)]
        fn prefix_xor(bits: u64) -> u64 {
            // SAFETY: see `Avx2`. A carryless product with all ones is the parity of each prefix.
            unsafe {
                let product = _mm_clmulepi64_si128(
                    _mm_set_epi64x(0, bits.cast_signed()),
                    _mm_set1_epi8(-1),
                    0,
                );
                _mm_cvtsi128_si64(product).cast_unsigned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Sets<'a>(&'a [u8; WIDTH], u8);

    impl Kernel for Sets<'_> {
        type Output = [u64; 4];

        #[inline(always)]
        fn run<B: Block>(self) -> [u64; 4] {
            let block = B::load(self.0);
            let equal = block.eq(self.1);
            [
                equal,
                block.eq_ignoring_0x20(self.1 | 0x20),
                block.above_space(),
                B::prefix_xor(equal),
            ]
        }
    }

    fn set(bytes: &[u8; WIDTH], test: impl Fn(u8) -> bool) -> u64 {
        (0..WIDTH).filter(|&at| test(bytes[at])).map(|at| 1 << at).sum()
    }

    proptest! {
        #[test]
        fn both_kinds_of_blocks_find_the_bytes_that_a_loop_finds(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b' ')], WIDTH),
            byte in prop_oneof![any::<u8>(), Just(b'"')],
        ) {
            let bytes: &[u8; WIDTH] = bytes.as_slice().try_into().unwrap();
            let equal = set(bytes, |other| other == byte);
            let parity = (0..WIDTH)
                .filter(|&at| (equal << (63 - at)).count_ones() % 2 == 1)
                .map(|at| 1 << at)
                .sum();
            let expected = [
                equal,
                set(bytes, |other| other | 0x20 == byte | 0x20),
                set(bytes, |other| other > 0x20),
                parity,
            ];
            prop_assert_eq!(run(Sets(bytes, byte)), expected);
            prop_assert_eq!(run_portable(Sets(bytes, byte)), expected);
        }
    }
}
