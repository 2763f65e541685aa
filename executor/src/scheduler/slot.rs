//! The LIFO slot: the task that its worker runs next.
//!
//! A task that another task wakes usually finds its data in the cache, so it goes into this slot instead of to the back of the queue.
//! The slot holds one task and can be emptied by a thief, who does so only when the owner has been in one poll for too long
//! (see `monitor`): otherwise the owner takes it within microseconds.

#![expect(unsafe_code, reason = "a task pointer in an atomic word")]

use crate::task::{Header, Runnable};
use lenio_sync::primitive::atomic::{AtomicPtr, Ordering};
use std::ptr::{self, NonNull};

/// A place for one task.
#[derive(Debug)]
pub(crate) struct LifoSlot(AtomicPtr<Header>);

impl LifoSlot {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts a task in and takes out the one that was there.
    pub(crate) fn replace(&self, runnable: Runnable) -> Option<Runnable> {
        // ORDERING: Release publishes the task to a thief's `take`; Acquire is for the task that comes out, which a thief could not
        // have put there, but which a previous user of the slot has (the slot changes hands between `block_on` callers).
        let before = self.0.swap(runnable.into_raw().as_ptr(), Ordering::AcqRel);
        // SAFETY: the slot holds the right to poll of the task in it, and the swap took it.
        NonNull::new(before).map(|task| unsafe { Runnable::from_raw(task) })
    }

    /// Takes the task out. The owner and thieves race for it; one of them gets it.
    pub(crate) fn take(&self) -> Option<Runnable> {
        if self.is_empty() {
            return None;
        }
        // ORDERING: Acquire pairs with the Release in `replace`.
        let before = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: as in `replace`.
        NonNull::new(before).map(|task| unsafe { Runnable::from_raw(task) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: a hint; sleepers put a fence before (see `idle`).
        self.0.load(Ordering::Relaxed).is_null()
    }
}

impl Drop for LifoSlot {
    fn drop(&mut self) {
        drop(self.take());
    }
}
