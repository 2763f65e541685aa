//! What taking and giving back must cost: one atomic word and two read-modify-writes.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

const TAKEN: u64 = 1;

/// Takes and gives back a word `n` times, never contended: compare-and-swap, then subtract.
pub(crate) fn take_and_give_back(n: u64) {
    let word = AtomicU64::new(0);
    let word = black_box(&word);
    let mut value = 0;
    for _ in 0..n {
        // ORDERING: Acquire and Release as for any lock, so that the compiler keeps what a lock must keep.
        word.compare_exchange(0, TAKEN, Ordering::Acquire, Ordering::Relaxed)
            .expect("nobody else takes it");
        value += black_box(1);
        word.fetch_sub(TAKEN, Ordering::Release);
    }
    assert_eq!(value, n);
}

/// Hands over a value in a heap cell of its own, `n` times: allocate, send, receive, free.
pub(crate) fn hand_over(n: u64) {
    for value in 0..n {
        let cell = black_box(Box::new((AtomicU64::new(0), value)));
        // ORDERING: AcqRel as between a sender and a receiver that may be on two threads.
        let before = cell.0.swap(TAKEN, Ordering::AcqRel);
        assert_eq!((before, cell.1), (0, value));
    }
}
