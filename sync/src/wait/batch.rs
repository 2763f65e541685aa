//! Wakers collected under a lock, woken after it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

const INLINE: usize = 16;

/// A handful of wakers to be woken once no lock is held.
///
/// Up to 16 wakers stay inline; more spill to the heap. Dropping the batch wakes what is left in it, so that a panic
/// on the way never costs a wake-up.
///
/// # Examples
///
/// ```
/// use lenio_sync::wait::WakeBatch;
/// use std::task::Waker;
///
/// let mut batch = WakeBatch::new();
/// batch.push(Waker::noop().clone());
/// assert_eq!(batch.len(), 1);
/// batch.wake_all();
/// assert!(batch.is_empty());
/// ```
#[derive(Debug, Default)]
pub struct WakeBatch {
    inline: [Option<Waker>; INLINE],
    used: usize,
    spilled: Vec<Waker>,
}

impl WakeBatch {
    /// Makes an empty batch.
    pub const fn new() -> Self {
        Self {
            inline: [const { None }; INLINE],
            used: 0,
            spilled: Vec::new(),
        }
    }

    /// Adds a waker. Allocates from the 17th on.
    pub fn push(&mut self, waker: Waker) {
        if let Some(place) = self.inline.get_mut(self.used) {
            *place = Some(waker);
            self.used += 1;
        } else {
            self.spilled.push(waker);
        }
    }

    /// How many wakers wait to be woken.
    pub fn len(&self) -> usize {
        self.used + self.spilled.len()
    }

    /// Whether there is nobody to wake.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Wakes everybody, in the order of [`push`](Self::push). No lock may be held.
    ///
    /// # Panics
    ///
    /// If a waker panics, the others are woken all the same; then the first panic is passed on.
    pub fn wake_all(&mut self) {
        if let Some(payload) = self.drain() {
            resume_unwind(payload);
        }
    }

    fn drain(&mut self) -> Option<Box<dyn std::any::Any + Send>> {
        let mut first = None;
        let used = std::mem::take(&mut self.used);
        let inline = self.inline[..used].iter_mut().filter_map(Option::take);
        for waker in inline.chain(self.spilled.drain(..)) {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                first.get_or_insert(payload);
            }
        }
        first
    }
}

impl Drop for WakeBatch {
    fn drop(&mut self) {
        let Some(payload) = self.drain() else { return };
        // A second panic while one is under way would abort the process.
        if !crate::primitive::thread::panicking() {
            resume_unwind(payload);
        }
    }
}
