//! Arbitrary picks: the one source of them in the scheduler, so that a seed can decide them all.

use std::cell::Cell;

/// A small generator of arbitrary numbers (xorshift64*; Vigna, "An experimental exploration of Marsaglia's xorshift generators,
/// scrambled", 2016). Not for secrets.
#[derive(Debug)]
pub(crate) struct Choice(Cell<u64>);

impl Choice {
    /// Two different `(seed, stream)` pairs give unrelated sequences.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        // SplitMix64's finalizer: neighbouring seeds must not start in neighbouring states; zero is not a state.
        let mut z = seed ^ stream.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self(Cell::new((z ^ (z >> 31)) | 1))
    }

    /// A number below `n`, which is not zero.
    pub(crate) fn below(&self, n: usize) -> usize {
        let mut x = self.0.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.set(x);
        let x = x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        // Lemire's reduction: the high part of a product instead of a division.
        ((x * n as u64) >> 32) as usize
    }
}
