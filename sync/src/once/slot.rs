//! The place of the value, and the right to make it.

use crate::budget;
use crate::wait::{Guard, Stage, WaitQueue, Waiter, WakeBatch, note};
use std::panic::Location;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

/// The list of those who would make the value.
const MAKERS: usize = 0;
/// The list of those who only wait for it.
const READERS: usize = 1;

pub(super) struct Slot<T> {
    /// Filled under the lock of `waiters` only.
    value: OnceLock<T>,
    waiters: WaitQueue<Making, 2>,
}

/// What the lock of the slot protects, beside the lists.
pub(super) struct Making {
    /// Whether there is a [`Turn`].
    is_taken: bool,
}

type Locked<'s> = Guard<'s, Making, 2>;

/// Why a value could not be put into a slot.
pub(super) enum Refused<T> {
    Occupied(T),
    Taken(T),
}

impl<T> Slot<T> {
    pub(super) fn new(value: Option<T>) -> Self {
        Self {
            value: value.map_or_else(OnceLock::new, OnceLock::from),
            waiters: WaitQueue::new(Making { is_taken: false }),
        }
    }

    /// Costs one load with Acquire ordering.
    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        self.value.get()
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    pub(super) fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    pub(super) fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Puts a value in that nobody had the turn to make.
    pub(super) fn set(&self, value: T) -> Result<(), Refused<T>> {
        if self.get().is_some() {
            return Err(Refused::Occupied(value));
        }
        let waiters = self.waiters.lock();
        if waiters.is_taken {
            return Err(Refused::Taken(value));
        }
        self.fill(waiters, value).map_err(Refused::Occupied)
    }

    /// Fills the place, unlocks, and wakes everybody. Gives the value back if there is one already.
    fn fill(&self, mut waiters: Locked<'_>, value: T) -> Result<(), T> {
        let mut batch = WakeBatch::new();
        let result = self.value.set(value);
        if result.is_ok() {
            waiters.wake_all(MAKERS, &mut batch);
            waiters.wake_all(READERS, &mut batch);
        }
        drop(waiters);
        batch.wake_all();
        result
    }
}

/// The right to make the value. Dropping it without having made one passes it on.
pub(super) struct Turn<'s, T> {
    slot: &'s Slot<T>,
}

impl<'s, T> Turn<'s, T> {
    /// Ends the turn with a value.
    pub(super) fn finish(self, value: T) -> &'s T {
        let slot = self.slot;
        // From here on the end of the turn is not the business of `drop`.
        std::mem::forget(self);
        let mut waiters = slot.waiters.lock();
        waiters.is_taken = false;
        let refused = slot.fill(waiters, value);
        debug_assert!(refused.is_ok(), "a value was set during somebody's turn");
        slot.get().expect("the value was just set")
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut batch = WakeBatch::new();
        let mut waiters = self.slot.waiters.lock();
        waiters.is_taken = false;
        waiters.wake_one(MAKERS, &mut batch);
        drop(waiters);
        // Woken by the drop of the batch, which knows whether a panic is under way.
    }
}

/// What becomes of a future that would make the value if nobody else does.
pub(super) enum Lot<'s, T> {
    Value(&'s T),
    Turn(Turn<'s, T>),
}

pin_project_lite::pin_project! {
    /// Waits for the value, or for the turn to make it.
    pub(super) struct Claim<'s, T> {
        slot: &'s Slot<T>,
        #[pin]
        waiter: Waiter<'s, Making, 2>,
        at: &'static Location<'static>,
    }

    impl<T> PinnedDrop for Claim<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let slot = *this.slot;
            this.waiter.abandon(|waiters, stage, batch| {
                let was_meant_for_one = stage == Stage::Woken && slot.get().is_none();
                if was_meant_for_one && !waiters.is_taken {
                    waiters.wake_one(MAKERS, batch);
                }
            });
        }
    }
}

impl<'s, T> Claim<'s, T> {
    #[inline]
    pub(super) fn new(slot: &'s Slot<T>, at: &'static Location<'static>) -> Self {
        Self {
            slot,
            waiter: Waiter::new(&slot.waiters),
            at,
        }
    }

    #[inline]
    pub(super) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        what: &'static str,
    ) -> Poll<Lot<'s, T>> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        let slot = *this.slot;
        if let Some(value) = slot.get() {
            return Poll::Ready(Lot::Value(value));
        }
        let poll = this.waiter.poll(MAKERS, cx, |waiters, _| {
            if let Some(value) = slot.get() {
                return Some(Lot::Value(value));
            }
            if waiters.is_taken {
                return None;
            }
            waiters.is_taken = true;
            Some(Lot::Turn(Turn { slot }))
        });
        if poll.is_pending() {
            budget::refund();
            note(what, this.at);
        }
        poll
    }
}

pin_project_lite::pin_project! {
    /// Waits for the value, and does nothing for it.
    pub(super) struct Watch<'s, T> {
        slot: &'s Slot<T>,
        #[pin]
        waiter: Waiter<'s, Making, 2>,
        at: &'static Location<'static>,
    }
}

impl<'s, T> Watch<'s, T> {
    #[inline]
    pub(super) fn new(slot: &'s Slot<T>, at: &'static Location<'static>) -> Self {
        Self {
            slot,
            waiter: Waiter::new(&slot.waiters),
            at,
        }
    }

    #[inline]
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'s T> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        let slot = *this.slot;
        if let Some(value) = slot.get() {
            // A waiter that stands in the list leaves it when it is dropped, or has left it with everybody else.
            return Poll::Ready(value);
        }
        let poll = this.waiter.poll(READERS, cx, |_, _| slot.get());
        if poll.is_pending() {
            budget::refund();
            note("once cell", this.at);
        }
        poll
    }
}
