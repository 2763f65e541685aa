//! Whether a walk through the tree is over.

use lenio_sync::primitive::atomic::{AtomicBool, Ordering};

/// How far a walk has come: under way, or over. Left at every node that it was the first to come to, so that a later walk knows whether
/// everything below has been asked.
#[derive(Debug)]
pub(super) struct Progress {
    is_over: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            is_over: AtomicBool::new(false),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `end`: whoever sees the end of a walk sees the words that it has set.
        self.is_over.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        // ORDERING: Release pairs with the Acquire in `is_over`.
        self.is_over.store(true, Ordering::Release);
    }
}
