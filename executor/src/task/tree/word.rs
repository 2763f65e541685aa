//! The stop word of a node: how far its end has come.
//!
//! | bit | name | meaning |
//! |---|---|---|
//! | 0 | `REQUESTED` | it was asked to stop; the reason is fixed |
//! | 1 | `GRACE_EXPIRED` | it was asked long enough: the soft grace is over |
//! | 2 | `CANCELLED` | its future is dropped at the next suspension point, once everything below is gone |
//! | 3 | `BODY_DONE` | the body has returned, unwound or been dropped; of a scope: nobody polls it any more |
//! | 4 | `DONE` | everything below and all finalizers have ended; nothing more happens to it |
//!
//! Bits are only ever set, and only under the lock of the node; they are read at any time.
//!
//! Forbidden: `GRACE_EXPIRED` or `CANCELLED` without `REQUESTED`; `DONE` without `BODY_DONE`.

use lenio_sync::primitive::atomic::{AtomicU32, Ordering};

const REQUESTED: u32 = 1 << 0;
const GRACE_EXPIRED: u32 = 1 << 1;
const CANCELLED: u32 = 1 << 2;
const BODY_DONE: u32 = 1 << 3;
const DONE: u32 = 1 << 4;

/// The stop word.
pub(super) struct Word(AtomicU32);

/// What a stop word said at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen(u32);

impl Word {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[inline]
    pub(super) fn read(&self) -> Seen {
        // ORDERING: Acquire pairs with the Release in `set`: whoever sees a stop sees what its cascade did before, the words of the
        // nodes above among it; whoever sees an end sees what ended.
        Seen(self.0.load(Ordering::Acquire))
    }

    /// Sets bits; the caller holds the lock of the node. Returns what the word said before.
    fn set(&self, bits: u32) -> Seen {
        // ORDERING: Relaxed: nobody else writes while the lock is held.
        let before = self.0.load(Ordering::Relaxed);
        let after = before | bits;
        debug_assert!(after & (GRACE_EXPIRED | CANCELLED) == 0 || after & REQUESTED != 0);
        debug_assert!(after & DONE == 0 || after & BODY_DONE != 0);
        // ORDERING: Release pairs with the Acquire in `read`.
        self.0.store(after, Ordering::Release);
        Seen(before)
    }

    pub(super) fn request(&self) -> Seen {
        self.set(REQUESTED)
    }

    pub(super) fn cancel(&self, is_expired: bool) -> Seen {
        let expired = if is_expired { GRACE_EXPIRED } else { 0 };
        self.set(REQUESTED | CANCELLED | expired)
    }

    pub(super) fn end_body(&self) -> Seen {
        self.set(BODY_DONE)
    }

    pub(super) fn end(&self) -> Seen {
        self.set(BODY_DONE | DONE)
    }
}

impl Seen {
    pub(crate) fn is_requested(self) -> bool {
        self.0 & REQUESTED != 0
    }

    pub(crate) fn is_expired(self) -> bool {
        self.0 & GRACE_EXPIRED != 0
    }

    pub(crate) fn is_cancelled(self) -> bool {
        self.0 & CANCELLED != 0
    }

    pub(crate) fn is_body_done(self) -> bool {
        self.0 & BODY_DONE != 0
    }

    pub(crate) fn is_done(self) -> bool {
        self.0 & DONE != 0
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn bits_are_only_ever_added_and_keep_their_company() {
        for order in [[0, 1, 2, 3], [2, 0, 1, 3], [1, 2, 3, 0], [3, 1, 0, 2]] {
            let word = Word::new();
            let mut last = word.read();
            for step in order {
                let before = match step {
                    0 => word.request(),
                    1 => word.cancel(true),
                    2 => word.end_body(),
                    _ => word.end(),
                };
                assert_eq!(before, last);
                let now = word.read();
                assert_eq!(now.0 & last.0, last.0, "nothing is taken back");
                assert!(!now.is_cancelled() || now.is_requested());
                assert!(!now.is_expired() || now.is_requested());
                assert!(!now.is_done() || now.is_body_done());
                last = now;
            }
        }
    }
}
