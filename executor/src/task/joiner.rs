#![expect(unsafe_code, reason = "a tagged pointer")]
//! The waker of whoever waits for a task, in one word.
//!
//! A waker of a lenio task is stored as the pointer to that task; any other is boxed, and bit 0 says so. Who may fill and empty the
//! slot is decided by `JOIN_WAKER`; the word itself is swapped as a whole, so that a mistake there could leak but never free twice.

use super::header::{Header, JoinerSlot};
use super::waker;
use lenio_sync::primitive::atomic::{AtomicPtr, Ordering};
use std::ptr::{self, NonNull};
use std::task::Waker;

/// Bit 0 of the word: the rest is the address of a boxed waker.
const FOREIGN: usize = 1;

impl JoinerSlot {
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Stores `waker`. The slot belongs to the caller, and it is empty.
    pub(super) fn put(&self, waker: Waker) {
        let word = match waker::into_task(waker) {
            Ok(task) => task.as_ptr().cast::<()>(),
            Err(foreign) => Box::into_raw(Box::new(foreign))
                .cast::<()>()
                .map_addr(|address| address | FOREIGN),
        };
        // ORDERING: Relaxed: published by the Release in `State::give_waker`, which follows.
        let before = self.0.swap(word, Ordering::Relaxed);
        debug_assert!(before.is_null());
    }

    /// Takes the waker out, if there is one. The slot belongs to the caller.
    pub(super) fn take(&self) -> Option<Waker> {
        // ORDERING: Relaxed: made visible by the Acquire in `State::finish`, `take_back_waker` or `drop_handle`, which came before.
        let word = self.0.swap(ptr::null_mut(), Ordering::Relaxed);
        if word.addr() & FOREIGN == 0 {
            let task = NonNull::new(word.cast::<Header>())?;
            // SAFETY: `put` stored the pointer together with the waker's reference, and the swap took the only copy.
            return Some(unsafe { waker::from_task(task) });
        }
        let boxed = word.map_addr(|address| address & !FOREIGN).cast::<Waker>();
        // SAFETY: `put` made this pointer from a Box, and the swap took the only copy.
        Some(*unsafe { Box::from_raw(boxed) })
    }

    /// Whether the slot holds the lenio task that `other` wakes. A foreign waker never matches: it may be gone by now.
    pub(super) fn holds_task_of(&self, other: &Waker) -> bool {
        // ORDERING: Relaxed: compared, never followed. A finisher that empties the slot meanwhile wakes that very task.
        let word = self.0.load(Ordering::Relaxed);
        waker::task_of(other).is_some_and(|task| task.as_ptr().cast::<()>() == word)
    }
}
