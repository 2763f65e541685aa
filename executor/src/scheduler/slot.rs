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

    /// Puts a task in and takes out the one that was there. Only the owner of the place may call it.
    #[inline]
    pub(crate) fn replace(&self, runnable: Runnable) -> Option<Runnable> {
        let task = runnable.into_raw().as_ptr();
        if self.is_empty() {
            // Nobody else puts tasks in, so an empty slot stays empty until this store.
            // ORDERING: Release publishes the task to a thief's `take`.
            self.0.store(task, Ordering::Release);
            return None;
        }
        // ORDERING: Release as above; Acquire for the task that comes out, which the place's previous owner may have put there.
        let before = self.0.swap(task, Ordering::AcqRel);
        // SAFETY: the slot holds the right to poll of the task in it, and the swap took it.
        NonNull::new(before).map(|task| unsafe { Runnable::from_raw(task) })
    }

    /// Takes the task out. The owner and thieves race for it; one of them gets it.
    #[inline]
    pub(crate) fn take(&self) -> Option<Runnable> {
        if self.is_empty() {
            return None;
        }
        // ORDERING: Acquire pairs with the Release in `replace`.
        let before = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: as in `replace`.
        NonNull::new(before).map(|task| unsafe { Runnable::from_raw(task) })
    }

    #[inline(always)]
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
