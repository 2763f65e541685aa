//! The receivers' half of a channel: a message is looked for, taken, waited for.

use super::meet::wake_the_claimed;
use super::pipe::{FrontGuard, Pipe, RECEIVERS, RESERVERS, ReceiverWaiter, Refill, SENDERS};
use crate::channel::error::TryRecvError;
use crate::contain::contain;
use crate::wait::{Stage, WakeBatch};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Messages that are taken under one lock, so that nobody waits long for it, and a batch of wakers needs no allocation.
const AT_ONCE: usize = 64;

impl<T> Pipe<T> {
    /// Takes the oldest message if that takes no more than to take it: nobody is in the way, it lies in front, nobody waits for its place.
    ///
    /// Without a call in it, this needs no registers to be saved.
    #[inline]
    pub(super) fn pop_at_once(&self) -> Option<T> {
        let mut front = self.front().try_lock()?;
        if !front.is_empty(SENDERS) {
            return None;
        }
        let message = front.buffer.pop_front()?;
        self.set_front_len(front.buffer.len());
        Some(message)
    }

    /// Takes the oldest message.
    #[inline(never)]
    pub(super) fn pop(&self) -> Result<T, TryRecvError> {
        let mut front = self.front().lock();
        match front.buffer.pop_front() {
            Some(message) => Ok(self.leave_with(message, front)),
            None => self.pop_slow(front),
        }
    }

    /// Unlocks and lets a waiting sender know of the place that `message` leaves.
    #[inline]
    fn leave_with(&self, message: T, mut front: FrontGuard<'_, T>) -> T {
        self.set_front_len(front.buffer.len());
        let sender = front.take_one(SENDERS);
        drop(front);
        if let Some(sender) = sender {
            wake(sender);
        }
        message
    }

    fn pop_slow(&self, mut front: FrontGuard<'_, T>) -> Result<T, TryRecvError> {
        if self.is_rendezvous() {
            return self.take_offer(front);
        }
        let (refill, spare) = self.refill(&mut front);
        let popped = match front.buffer.pop_front() {
            Some(message) => Ok(self.leave_with(message, front)),
            None => {
                drop(front);
                Err(refill.into_error())
            }
        };
        drop(spare);
        popped
    }

    /// Takes the first message of a rendezvous channel and wakes its sender, if that waits.
    fn take_offer(&self, mut front: FrontGuard<'_, T>) -> Result<T, TryRecvError> {
        let Some((message, is_offer)) = front.offers.take() else {
            let is_closed = self.back().lock().is_closed;
            return Err(Refill::Nothing { is_closed }.into_error());
        };
        self.set_front_len(front.offers.len());
        let sender = if is_offer {
            front.take_one(SENDERS)
        } else {
            None
        };
        drop(front);
        if let Some(sender) = sender {
            wake(sender);
        }
        Ok(message)
    }

    /// Moves up to `limit` messages into `messages`.
    pub(super) fn pop_many(
        &self,
        messages: &mut Vec<T>,
        limit: usize,
    ) -> Result<usize, TryRecvError> {
        let mut taken = 0;
        while taken < limit {
            match self.pop_some(messages, limit - taken) {
                Ok(some) => taken += some,
                Err(_) if taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Moves at least one and at most [`AT_ONCE`] messages.
    fn pop_some(&self, messages: &mut Vec<T>, limit: usize) -> Result<usize, TryRecvError> {
        // Before anything is taken and before the lock: it may panic.
        if messages.len() == messages.capacity() {
            messages.reserve(1);
        }
        if self.is_rendezvous() {
            messages.push(self.pop()?);
            return Ok(1);
        }
        let mut batch = WakeBatch::new();
        let mut spare: Option<[VecDeque<T>; 2]> = None;
        let mut front = self.front().lock();
        if front.buffer.is_empty() {
            let (refill, oversized) = self.refill(&mut front);
            spare = Some(oversized);
            if !matches!(refill, Refill::Filled) {
                drop(front);
                drop(spare);
                return Err(refill.into_error());
            }
        }
        let room = messages.capacity() - messages.len();
        let count = front.buffer.len().min(limit).min(room).min(AT_ONCE);
        // No reallocation: the room is there.
        messages.extend(front.buffer.drain(..count));
        self.set_front_len(front.buffer.len());
        for _ in 0..count {
            if !front.wake_one(SENDERS, &mut batch) {
                break;
            }
        }
        drop(front);
        drop(spare);
        batch.wake_all();
        Ok(count)
    }

    /// Waits, unless there is something by now: then it is ready, and the caller looks again.
    ///
    /// Only the lock of the back is held: no waker may be cloned under the other one.
    pub(super) fn poll_wait<'p>(
        &'p self,
        mut waiter: Pin<&mut ReceiverWaiter<'p, T>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let has_waited = waiter.stage() != Stage::Fresh;
        let mut batch = WakeBatch::new();
        let poll = waiter.as_mut().poll(RECEIVERS, cx, |back, stage| {
            if self.front_len() > 0 || !back.buffer.is_empty() || back.is_closed {
                return Some(());
            }
            if stage == Stage::Woken {
                wake_the_claimed(back, &mut batch);
            }
            // Here is a receiver for whoever wants to reserve one.
            back.wake_one(RESERVERS, &mut batch);
            None
        });
        if has_waited && poll.is_ready() {
            // Should somebody be faster again, it goes to the beginning of the list.
            waiter.stay_woken();
        }
        batch.wake_all();
        poll
    }

    /// Ends the wait of a receiver that is dropped; if there are messages, it was woken for one of them.
    pub(super) fn abandon_look(&self, waiter: Pin<&mut ReceiverWaiter<'_, T>>) {
        waiter.abandon(|back, stage, batch| {
            if stage != Stage::Woken {
                return;
            }
            wake_the_claimed(back, batch);
            if self.front_len() > 0 || !back.buffer.is_empty() {
                back.wake_one(RECEIVERS, batch);
            }
        });
    }

    /// Ends the wait of a receiver that has something in hand.
    #[inline]
    pub(super) fn end_look(&self, waiter: Pin<&mut ReceiverWaiter<'_, T>>) {
        if self.is_rendezvous() {
            waiter.abandon(|back, _, batch| wake_the_claimed(back, batch));
        } else {
            waiter.finish();
        }
    }
}

impl Refill {
    fn into_error(self) -> TryRecvError {
        match self {
            Self::Nothing { is_closed: true } => TryRecvError::Closed,
            _ => TryRecvError::Empty,
        }
    }
}

/// Wakes a sender. Should its waker panic, the panic ends here: a message is in hand that would be lost with it.
fn wake(sender: Waker) {
    contain(|| sender.wake());
}
