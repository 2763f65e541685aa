//! A worker's own queue: first in, first out, with an end that others may steal from.
//!
//! The ring is crossbeam-deque's; only this file knows. Thieves outlive the worker, so a stuck worker's queue stays reachable.

use crate::task::Runnable;
use crossbeam_deque::{Steal, Stealer, Worker};

/// The near end, for the worker that occupies the place.
#[derive(Debug)]
pub(crate) struct LocalQueue(Worker<Runnable>);

/// The far end, for thieves.
#[derive(Debug)]
pub(crate) struct FarEnd(Stealer<Runnable>);

impl LocalQueue {
    pub(crate) fn new() -> (Self, FarEnd) {
        let near = Worker::new_fifo();
        let far = near.stealer();
        (Self(near), FarEnd(far))
    }

    #[inline]
    pub(crate) fn push(&self, runnable: Runnable) {
        self.0.push(runnable);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Runnable> {
        self.0.pop()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl FarEnd {
    /// Moves up to half of the tasks, 32 at most, to `queue`, and returns one more.
    pub(crate) fn steal_into(&self, queue: &LocalQueue) -> Option<Runnable> {
        loop {
            match self.0.steal_batch_and_pop(&queue.0) {
                Steal::Success(runnable) => return Some(runnable),
                Steal::Empty => return None,
                Steal::Retry => std::hint::spin_loop(),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
