#![expect(unsafe_code, reason = "an intrusive stack through the task headers")]
//! The entry queue for tasks that come from outside the workers.
//!
//! A stack of tasks linked through their headers: a push is one exchange and allocates nothing. A worker takes the whole stack with
//! one swap and reverses it, so tasks come out in the order in which they went in. There is no single pop, hence no ABA problem, and
//! no reclamation: a queued task is alive.

use crate::task::{Header, Runnable};
use lenio_sync::primitive::atomic::{AtomicPtr, Ordering};
use std::ptr::{self, NonNull};

/// The entry queue. Unbounded: it holds what the program has spawned.
#[derive(Debug)]
pub(crate) struct Injector {
    head: AtomicPtr<Header>,
}

/// A chain of tasks taken from the injector, oldest first. Dropping it cancels what is left.
#[derive(Debug)]
pub(crate) struct Batch {
    next: *mut Header,
}

impl Injector {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Adds a task. True: the queue was empty, so the caller has to decide whether to wake somebody. Whoever finds it not empty
    /// relies on that decision, which is taken after the push (see `idle`).
    #[must_use]
    pub(crate) fn push(&self, runnable: Runnable) -> bool {
        let task = runnable.into_raw();
        // ORDERING: Relaxed: a guess for the exchange below.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: a task whose runnable we hold is alive, and `next` belongs to the holder.
            let next = unsafe { &task.as_ref().next };
            // ORDERING: Relaxed: published by the exchange.
            next.store(head, Ordering::Relaxed);
            // ORDERING: Release publishes the task and its link to `take_all`.
            match self.head.compare_exchange_weak(
                head,
                task.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return head.is_null(),
                Err(now) => head = now,
            }
        }
    }

    /// Whether nothing waits here.
    pub(crate) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: callers that depend on it put a fence before (see `idle`), others come again.
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes everything, oldest first.
    pub(crate) fn take_all(&self) -> Batch {
        if self.is_empty() {
            return Batch {
                next: ptr::null_mut(),
            };
        }
        // ORDERING: Acquire pairs with the Release in `push`: every link and header of the chain is visible, because each later push
        // is an exchange on the same word and so continues the release sequence of the earlier ones.
        let mut newest = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        let mut reversed = ptr::null_mut();
        while let Some(task) = NonNull::new(newest) {
            // SAFETY: a queued task is alive, and the swap made its link ours.
            let next = unsafe { &task.as_ref().next };
            // ORDERING: Relaxed: ordered by the Acquire above.
            newest = next.load(Ordering::Relaxed);
            // ORDERING: Relaxed: the chain is ours alone.
            next.store(reversed, Ordering::Relaxed);
            reversed = task.as_ptr();
        }
        Batch { next: reversed }
    }
}

impl Iterator for Batch {
    type Item = Runnable;

    fn next(&mut self) -> Option<Runnable> {
        let task = NonNull::new(self.next)?;
        // SAFETY: a queued task is alive, and the chain is ours.
        let next = unsafe { &task.as_ref().next };
        // ORDERING: Relaxed: the chain is ours alone.
        self.next = next.load(Ordering::Relaxed);
        // SAFETY: the chain holds the right to poll of each task in it, and hands it out once.
        Some(unsafe { Runnable::from_raw(task) })
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        drop(self.take_all());
    }
}
