//! What senders and receivers share: the current value, its version, and who waits for the next.

use crate::channel::error::RecvError;
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::wait::{Stage, WaitQueue, Waiter, WakeBatch};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Receivers that wait for a change.
const CHANGE: usize = 0;
/// Senders that wait for the last receiver to go.
const NO_RECEIVER: usize = 1;

/// Set in the word once there is no sender.
const CLOSED: u64 = 1;
const STEP: u64 = 2;

/// Tests begin shortly before the versions wrap around.
const FIRST: u64 = if cfg!(test) {
    (u64::MAX - 2 * STEP) & !CLOSED
} else {
    0
};

/// A waiter of this channel.
pub(super) type Place<'q, T> = Waiter<'q, Current<T>, 2>;

/// Which value somebody has seen. Versions are only compared for equality, so that they may wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(u64);

impl Version {
    /// A version that is not `self`, and will not come for 2^63 changes.
    pub(super) fn before(self) -> Self {
        Self(self.0.wrapping_sub(STEP))
    }
}

pub(super) struct Shared<T> {
    /// The version times two, and [`CLOSED`]. Changed under the lock of `current` only, so that a receiver that looked under it is in
    /// the list before the next change.
    word: AtomicU64,
    current: WaitQueue<Current<T>, 2>,
}

/// What the lock protects.
pub(super) struct Current<T> {
    /// Shared with the snapshots that have been taken of it; it is never changed, only exchanged.
    value: Arc<T>,
    senders: usize,
    receivers: usize,
}

/// The current value, as it was at one moment.
pub(super) struct Look<T> {
    pub(super) value: Arc<T>,
    pub(super) version: Version,
}

impl<T> Shared<T> {
    /// For one sender and one receiver.
    pub(super) fn new(value: T) -> Self {
        let current = Current {
            value: Arc::new(value),
            senders: 1,
            receivers: 1,
        };
        Self {
            word: AtomicU64::new(FIRST),
            current: WaitQueue::new(current),
        }
    }

    #[inline]
    fn word(&self) -> (Version, bool) {
        // ORDERING: Acquire pairs with the Release in `change_word`: whoever sees a version sees what was written before it was sent.
        let word = self.word.load(Ordering::Acquire);
        (Version(word & !CLOSED), word & CLOSED != 0)
    }

    /// Called under the lock of `current`.
    fn change_word(&self, change: impl FnOnce(u64) -> u64) {
        // ORDERING: Relaxed: changes are ordered by the lock.
        let word = self.word.load(Ordering::Relaxed);
        // ORDERING: Release pairs with the Acquire in `word`.
        self.word.store(change(word), Ordering::Release);
    }

    #[inline]
    pub(super) fn version(&self) -> Version {
        self.word().0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.word().1
    }

    /// What there is for a receiver that has seen `seen`.
    #[inline]
    fn news(&self, seen: Version) -> Option<Result<Version, RecvError>> {
        match self.word() {
            (version, _) if version != seen => Some(Ok(version)),
            (_, true) => Some(Err(RecvError)),
            (_, false) => None,
        }
    }

    pub(super) fn look(&self) -> Look<T> {
        let current = self.current.lock();
        let value = current.value.clone();
        let version = self.version();
        drop(current);
        Look { value, version }
    }

    /// Makes `value` the current one and wakes all receivers that wait, if `may` allows it. Returns the old value, or the new one.
    pub(super) fn exchange(
        &self,
        value: Arc<T>,
        may: impl FnOnce(&Current<T>) -> bool,
    ) -> Result<Arc<T>, Arc<T>> {
        let mut batch = WakeBatch::new();
        let mut current = self.current.lock();
        if !may(&current) {
            drop(current);
            return Err(value);
        }
        let old = std::mem::replace(&mut current.value, value);
        self.change_word(|word| word.wrapping_add(STEP));
        current.wake_all(CHANGE, &mut batch);
        drop(current);
        batch.wake_all();
        Ok(old)
    }

    pub(super) fn receivers(&self) -> usize {
        self.current.lock().receivers
    }

    pub(super) fn senders(&self) -> usize {
        self.current.lock().senders
    }

    pub(super) fn add_sender(&self) {
        self.current.lock().senders += 1;
    }

    pub(super) fn remove_sender(&self) {
        let mut batch = WakeBatch::new();
        let mut current = self.current.lock();
        current.senders -= 1;
        if current.senders == 0 {
            self.change_word(|word| word | CLOSED);
            current.wake_all(CHANGE, &mut batch);
        }
        drop(current);
        batch.wake_all();
    }

    /// Returns the version that the new receiver counts as seen.
    pub(super) fn add_receiver(&self) -> Version {
        let mut current = self.current.lock();
        current.receivers += 1;
        self.version()
    }

    pub(super) fn remove_receiver(&self) {
        let mut batch = WakeBatch::new();
        let mut current = self.current.lock();
        current.receivers -= 1;
        if current.receivers == 0 {
            current.wake_all(NO_RECEIVER, &mut batch);
        }
        drop(current);
        batch.wake_all();
    }

    pub(super) fn place(&self) -> Place<'_, T> {
        Waiter::new(&self.current)
    }

    /// Waits for a version other than `seen`, or for the end.
    #[inline]
    pub(super) fn poll_change(
        &self,
        seen: Version,
        place: Pin<&mut Place<'_, T>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Version, RecvError>> {
        if place.stage() != Stage::Listed {
            if let Some(news) = self.news(seen) {
                return Poll::Ready(news);
            }
        }
        // Changes are made under the lock: what is not there now will find this waiter in the list.
        place.poll(CHANGE, cx, |_, _| self.news(seen))
    }

    /// Waits for a moment without receivers. Every such moment ends all waits that began before it.
    pub(super) fn poll_no_receiver(
        &self,
        place: Pin<&mut Place<'_, T>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        place.poll(NO_RECEIVER, cx, |current, stage| {
            (stage == Stage::Woken || current.receivers == 0).then_some(())
        })
    }
}

impl<T> Current<T> {
    pub(super) fn has_receivers(&self) -> bool {
        self.receivers > 0
    }

    /// Whether the value is still the one of an earlier look. It cannot be another one at the same address: the look keeps it alive.
    pub(super) fn is(&self, value: &Arc<T>) -> bool {
        Arc::ptr_eq(&self.value, value)
    }
}
