//! What senders and receivers share: the ring of the newest values, and who waits for the next.
//!
//! # Two kinds of locks
//!
//! The lock of `ends` orders sends, subscriptions and leaving; receivers that wait stand in its list. Each slot has a lock of its own,
//! so that receivers at different values do not meet. A slot's lock may be taken under that of `ends`, never the other way round, and
//! each is held for a few instructions: no value is cloned or dropped, and no waker called, under either.
//!
//! # How a receiver knows where it stands
//!
//! `tail` is the position of the next value. It is advanced under the lock of `ends` and under that of the slot which has just been
//! filled. A receiver that sees `tail` beyond its own position finds in the slot either its value, or a newer one that overwrote it;
//! then `tail`, read again under the slot's lock, is at least one round ahead, and what was lost can be counted exactly.

use super::slot::{Slot, Taken};
use crate::contain::contain;
use crate::primitive::ShortLock;
use crate::primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::wait::{WaitQueue, Waiter, WakeBatch};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Tests begin shortly before the positions wrap around.
const FIRST: u64 = if cfg!(test) { u64::MAX - 2 } else { 0 };

/// A waiter of this channel.
pub(super) type Place<'q> = Waiter<'q, Ends>;

/// How many hold the two ends.
pub(super) struct Ends {
    senders: usize,
    receivers: usize,
}

/// What a receiver finds at its position.
pub(super) enum Next<T> {
    Value(Taken<T>),
    Lagged(u64),
    Empty,
    Closed,
}

pub(super) struct Shared<T> {
    /// A power of two of them.
    slots: Box<[ShortLock<Slot<T>>]>,
    /// The position of the next value. Changed under the lock of `ends` and of the slot.
    tail: AtomicU64,
    /// Set once, under the lock of `ends`. Nothing is sent after that.
    is_closed: AtomicBool,
    ends: WaitQueue<Ends>,
}

impl<T> Shared<T> {
    /// For one sender and one receiver. `capacity` is a power of two.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            slots: (0..capacity).map(|_| ShortLock::new(Slot::new())).collect(),
            tail: AtomicU64::new(FIRST),
            is_closed: AtomicBool::new(false),
            ends: WaitQueue::new(Ends {
                senders: 1,
                receivers: 1,
            }),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    fn slot(&self, position: u64) -> &ShortLock<Slot<T>> {
        // Cutting the position off is fine: only its lowest bits count.
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    #[inline]
    pub(super) fn tail(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release in `send`: the values before `tail` are in their slots.
        self.tail.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `shut`: whoever sees the channel closed sees the last `tail` when it reads that
        // after this, because the last send went before under the same lock.
        self.is_closed.load(Ordering::Acquire)
    }

    /// Returns the number of receivers that the value is for.
    pub(super) fn send(&self, value: T) -> Result<usize, T> {
        let mut batch = WakeBatch::new();
        let mut ends = self.ends.lock();
        let receivers = ends.receivers;
        if receivers == 0 || self.is_closed() {
            drop(ends);
            return Err(value);
        }
        // ORDERING: Relaxed: changed under the lock that is held.
        let position = self.tail.load(Ordering::Relaxed);
        let mut slot = self.slot(position).lock();
        let overwritten = slot.fill(position, receivers, value);
        // ORDERING: Release pairs with the Acquire in `tail`.
        self.tail.store(position.wrapping_add(1), Ordering::Release);
        drop(slot);
        ends.wake_all(0, &mut batch);
        drop(ends);
        batch.wake_all();
        drop(overwritten);
        Ok(receivers)
    }

    /// What there is at the position of a receiver, which is moved on past a value or a gap.
    #[inline]
    pub(super) fn next(&self, position: &mut u64) -> Next<T> {
        // In this order: see `is_closed`.
        let is_closed = self.is_closed();
        let tail = self.tail();
        if tail == *position {
            return if is_closed { Next::Closed } else { Next::Empty };
        }
        let mut slot = self.slot(*position).lock();
        if !slot.holds(*position) {
            let oldest = self.tail().wrapping_sub(self.capacity() as u64);
            drop(slot);
            let missed = oldest.wrapping_sub(*position);
            *position = oldest;
            return Next::Lagged(missed);
        }
        let taken = slot.see();
        drop(slot);
        *position = position.wrapping_add(1);
        Next::Value(taken.expect("a receiver that counts finds its value"))
    }

    /// Waits for a value at `position`, or for the end.
    pub(super) fn poll_next(
        &self,
        position: u64,
        place: Pin<&mut Place<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        // Both are changed under the lock: what is not there now will find this waiter in the list.
        place.poll(0, cx, |_, _| {
            (self.tail() != position || self.is_closed()).then_some(())
        })
    }

    pub(super) fn place(&self) -> Place<'_> {
        Waiter::new(&self.ends)
    }

    /// How many values somebody has still to see.
    pub(super) fn wanted(&self) -> usize {
        let ends = self.ends.lock();
        let tail = self.tail();
        // Who has not seen a value has not seen the later ones either: the wanted values are the newest so many.
        let (mut low, mut high) = (0, self.capacity());
        while low < high {
            let count = low + (high - low).div_ceil(2);
            let position = tail.wrapping_sub(count as u64);
            if self.slot(position).lock().is_wanted(position) {
                low = count;
            } else {
                high = count - 1;
            }
        }
        drop(ends);
        low
    }

    pub(super) fn receivers(&self) -> usize {
        self.ends.lock().receivers
    }

    pub(super) fn senders(&self) -> usize {
        self.ends.lock().senders
    }

    pub(super) fn add_sender(&self) {
        self.ends.lock().senders += 1;
    }

    /// Adds a sender if there is one. Returns whether there was.
    pub(super) fn revive_sender(&self) -> bool {
        let mut ends = self.ends.lock();
        let is_alive = ends.senders > 0;
        ends.senders += usize::from(is_alive);
        is_alive
    }

    pub(super) fn remove_sender(&self) {
        self.shut(|ends| {
            ends.senders -= 1;
            ends.senders == 0
        });
    }

    pub(super) fn close(&self) {
        self.shut(|_| true);
    }

    fn shut(&self, is_end: impl FnOnce(&mut Ends) -> bool) {
        let mut batch = WakeBatch::new();
        let mut ends = self.ends.lock();
        if is_end(&mut ends) {
            // ORDERING: Release pairs with the Acquire in `is_closed`.
            self.is_closed.store(true, Ordering::Release);
            ends.wake_all(0, &mut batch);
        }
        drop(ends);
        batch.wake_all();
    }

    /// Returns the position of the first value that the new receiver will see.
    pub(super) fn add_receiver(&self) -> u64 {
        let mut ends = self.ends.lock();
        ends.receivers += 1;
        self.tail()
    }

    /// Gives up all values from `position` on for a receiver that goes.
    pub(super) fn remove_receiver(&self, position: u64) {
        let mut ends = self.ends.lock();
        ends.receivers -= 1;
        let tail = self.tail();
        drop(ends);
        // Later values do not count this receiver, and earlier ones than these have been overwritten.
        let unseen = tail.wrapping_sub(position).min(self.capacity() as u64);
        for back in (1..=unseen).rev() {
            let position = tail.wrapping_sub(back);
            let mut slot = self.slot(position).lock();
            let value = if slot.holds(position) {
                slot.give_up()
            } else {
                None
            };
            drop(slot);
            // A value that panics must not keep the others from being given up.
            if value.is_some() {
                contain(|| drop(value));
            }
        }
    }
}
