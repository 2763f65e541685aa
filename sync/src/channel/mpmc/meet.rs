//! The senders' half of a rendezvous channel: offers, and claims on receivers that wait.

use super::offers::Id;
use super::pipe::{
    BackGuard, FrontGuard, Pipe, RECEIVERS, RESERVERS, ReceiverWaiter, SENDERS, SenderWaiter,
};
use super::push::{Pushed, wake_any};
use crate::wait::{Stage, WakeBatch, wake};
use std::pin::Pin;
use std::task::{Context, Poll};

impl<T> Pipe<T> {
    /// Offers `value`, once, and waits until a receiver has taken it. Not taken because the channel ended: it is in `value` again.
    pub(super) fn poll_offer<'p>(
        &'p self,
        waiter: Pin<&mut SenderWaiter<'p, T>>,
        cx: &mut Context<'_>,
        id: &mut Id,
        value: &mut Option<T>,
    ) -> Poll<()> {
        let mut batch = WakeBatch::new();
        let poll = waiter.poll(SENDERS, cx, |front, stage| match stage {
            Stage::Fresh => {
                let mut back = self.back().lock();
                if back.is_closed {
                    return Some(());
                }
                *id = front.offers.offer(value.take()?);
                self.set_front_len(front.offers.len());
                wake_a_receiver(&mut back, &mut batch);
                None
            }
            Stage::Listed => None,
            Stage::Woken => {
                *value = front.offers.take_back(*id);
                Some(())
            }
        });
        batch.wake_all();
        poll
    }

    /// Takes back what a sender that is dropped has offered, and hands it out to be dropped.
    pub(super) fn abandon_offer(&self, waiter: Pin<&mut SenderWaiter<'_, T>>, id: Id) -> Option<T> {
        let mut value = None;
        waiter.abandon(|front, _, _| {
            value = front.offers.take_back(id);
            self.set_front_len(front.offers.len());
        });
        value
    }

    /// Hands `value` to a receiver that waits, if there is one that nobody has claimed.
    pub(super) fn try_meet(&self, value: &mut Option<T>) -> Pushed {
        let mut front = self.front().lock();
        let mut back = self.back().lock();
        if back.is_closed {
            return Pushed::Closed;
        }
        let Some(receiver) = back.take_one(RECEIVERS) else {
            return Pushed::Full;
        };
        self.accept(&mut front, value);
        drop(back);
        drop(front);
        wake(receiver);
        Pushed::Done
    }

    /// Lays a message on the table for which nobody will wait.
    fn accept(&self, front: &mut FrontGuard<'_, T>, value: &mut Option<T>) {
        if let Some(value) = value.take() {
            front.offers.accept(value);
            self.set_front_len(front.offers.len());
        }
    }

    /// Claims a receiver that waits, if there is one.
    pub(super) fn try_claim(&self) -> Result<Id, Pushed> {
        let mut back = self.back().lock();
        if back.is_closed {
            return Err(Pushed::Closed);
        }
        claim(&mut back).ok_or(Pushed::Full)
    }

    /// Waits for a receiver that waits, and claims it. `None` if the channel is closed.
    pub(super) fn poll_claim<'p>(
        &'p self,
        claimer: Pin<&mut ReceiverWaiter<'p, T>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Id>> {
        claimer.poll(RESERVERS, cx, |back, _| match back.is_closed {
            true => Some(None),
            false => claim(back).map(Some),
        })
    }

    /// Ends the wait for a receiver; if one waits, another may want to claim it.
    pub(super) fn abandon_claim(&self, claimer: Pin<&mut ReceiverWaiter<'_, T>>) {
        claimer.abandon(|back, stage, batch| {
            if stage == Stage::Woken && !back.is_empty(RECEIVERS) {
                back.wake_one(RESERVERS, batch);
            }
        });
    }

    /// Ends a claim; wakes its receiver, and another one in case that is gone.
    pub(super) fn end_claim(&self, claim: Id, value: &mut Option<T>) -> bool {
        let mut batch = WakeBatch::new();
        let mut front = self.front().lock();
        let mut back = self.back().lock();
        let claimed = back.claims.remove(claim);
        if back.is_closed {
            drop(back);
            drop(front);
            // It was woken when the channel ended, or between that and now.
            wake_any(claimed);
            return false;
        }
        if value.is_some() {
            self.accept(&mut front, value);
            wake_a_receiver(&mut back, &mut batch);
        }
        drop(back);
        drop(front);
        if let Some(claimed) = claimed {
            batch.push(claimed);
        }
        batch.wake_all();
        true
    }
}

/// Takes a receiver out of its list, for a permit to wake.
fn claim<T>(back: &mut BackGuard<'_, T>) -> Option<Id> {
    let receiver = back.take_one(RECEIVERS)?;
    Some(back.claims.add(receiver))
}

/// Wakes the receiver that has waited the longest, for a message on the table. If all that wait are claimed, it wakes those: who is
/// spoken for must not sleep beside a message that is there.
fn wake_a_receiver<T>(back: &mut BackGuard<'_, T>, batch: &mut WakeBatch) {
    if !back.wake_one(RECEIVERS, batch) {
        wake_the_claimed(back, batch);
    }
}

/// Wakes all receivers that are claimed, because one of them, and nobody knows which, has gone or has looked: its waker must not be kept.
/// The claims hold all the same.
pub(super) fn wake_the_claimed<T>(back: &mut BackGuard<'_, T>, batch: &mut WakeBatch) {
    while let Some(claimed) = back.claims.pop() {
        batch.push(claimed);
    }
}
