//! The senders' half of a channel: a place is looked for, taken, waited for, given back.

use super::pipe::{BackGuard, FrontGuard, Pipe, RECEIVERS, SENDERS, SenderWaiter};
use crate::wait::{Stage, wake};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// After so many losses of waiting senders newcomers let them go first.
pub(super) const LOSSES: u8 = 16;

/// So many polls long a newcomer lets them.
pub(super) const COURTESY: u8 = 16;

/// How an attempt to send ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Done,
    Full,
    Closed,
}

/// Whether an attempt to send lets waiting senders go first if they are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manners {
    Polite,
    /// For those who cannot wait.
    Bold,
}

/// How a poll for a place ended.
pub(super) enum Place<R> {
    Taken(R),
    Closed,
    /// There is one, but others have waited for too long: the caller lets them go first, and asks again.
    AfterThem,
}

impl<T> Pipe<T> {
    /// Takes `value` into the channel if that takes no more than to put it there: nobody is in the way, nobody waits, nothing grows.
    ///
    /// Without a call in it, this needs no registers to be saved.
    #[inline]
    pub(super) fn push_at_once(&self, value: &mut Option<T>) -> bool {
        let Some(mut back) = self.back().try_lock() else {
            return false;
        };
        let is_easy =
            back.room > 0 && back.buffer.len() < back.buffer.capacity() && back.is_empty(RECEIVERS);
        if !is_easy {
            return false;
        }
        if let Some(value) = value.take() {
            back.room -= 1;
            back.buffer.push_back(value);
        }
        true
    }

    /// Takes `value` into the channel if there is room.
    #[inline(never)]
    pub(super) fn push(&self, value: &mut Option<T>, manners: Manners) -> Pushed {
        let mut back = self.back().lock();
        if back.room == 0 {
            if let Err(reason) = self.find_room(&mut back, manners) {
                return reason;
            }
        }
        back.room -= 1;
        let receiver = put(&mut back, value);
        drop(back);
        wake_any(receiver);
        Pushed::Done
    }

    /// Takes a place for a permit, as [`push`](Self::push) takes one for a value.
    pub(super) fn take_place(&self, manners: Manners) -> Pushed {
        let mut back = self.back().lock();
        if back.room == 0 {
            if let Err(reason) = self.find_room(&mut back, manners) {
                return reason;
            }
        }
        reserve(&mut back);
        Pushed::Done
    }

    /// Looks how much room there is, when nothing is known of any.
    fn find_room(&self, back: &mut BackGuard<'_, T>, manners: Manners) -> Result<(), Pushed> {
        if back.is_closed {
            return Err(Pushed::Closed);
        }
        if back.is_due && manners == Manners::Polite {
            return Err(Pushed::Full);
        }
        // The front may be shorter than its length says, but not longer; with nobody else about the length is true.
        let free = self.free(self.front_len(), back);
        if free == 0 {
            return Err(Pushed::Full);
        }
        // While others are due the next one has to look again.
        back.room = if back.is_due { 1 } else { free };
        Ok(())
    }

    /// Waits for a place, and calls `take` with both locks held once there is one.
    pub(super) fn poll_place<'p, R>(
        &'p self,
        waiter: Pin<&mut SenderWaiter<'p, T>>,
        cx: &mut Context<'_>,
        courtesy: &mut u8,
        mut take: impl FnMut(&mut BackGuard<'p, T>) -> R,
    ) -> Poll<Place<R>> {
        waiter.poll(SENDERS, cx, |front, stage| {
            let mut back = self.back().lock();
            if back.is_closed {
                front.waiting -= usize::from(stage != Stage::Fresh);
                return Some(Place::Closed);
            }
            let free = self.free(front.buffer.len(), &back);
            if free == 0 {
                wait_on(front, &mut back, stage);
                return None;
            }
            if stage == Stage::Fresh {
                if back.is_due && *courtesy < COURTESY {
                    *courtesy += 1;
                    return Some(Place::AfterThem);
                }
            } else {
                front.waiting -= 1;
                forget_losses(front, &mut back);
            }
            back.room = if back.is_due { 1 } else { free };
            Some(Place::Taken(take(&mut back)))
        })
    }

    /// Ends the wait of a sender that is dropped, and passes on what it was woken for.
    pub(super) fn abandon_place(&self, waiter: Pin<&mut SenderWaiter<'_, T>>) {
        waiter.abandon(|front, stage, batch| {
            let mut back = self.back().lock();
            front.waiting -= 1;
            if front.waiting == 0 {
                forget_losses(front, &mut back);
            }
            if stage == Stage::Woken && self.free(front.buffer.len(), &back) > 0 {
                front.wake_one(SENDERS, batch);
            }
        });
    }

    /// Gives the place of a permit back and wakes the sender that waits the longest.
    pub(super) fn give_place_back(&self) {
        let mut front = self.front().lock();
        let mut back = self.back().lock();
        back.reserved -= 1;
        drop(back);
        let sender = front.take_one(SENDERS);
        drop(front);
        wake_any(sender);
    }

    /// Puts `value` into the place of a permit. `false` if the channel is closed: then the value stays where it is.
    pub(super) fn fill_place(&self, value: &mut Option<T>) -> bool {
        let mut back = self.back().lock();
        back.reserved -= 1;
        if back.is_closed {
            return false;
        }
        // Not taken off the room: that was done when it was reserved.
        let receiver = put(&mut back, value);
        drop(back);
        wake_any(receiver);
        true
    }
}

/// Puts `value` into the back, where there is a place for it, and takes out whom to wake.
#[inline]
pub(super) fn put<T>(back: &mut BackGuard<'_, T>, value: &mut Option<T>) -> Option<Waker> {
    let value = value.take()?;
    back.buffer.push_back(value);
    back.take_one(RECEIVERS)
}

/// Gives a place, which there is, to a permit.
pub(super) fn reserve<T>(back: &mut BackGuard<'_, T>) {
    back.room -= 1;
    back.reserved += 1;
}

/// Notes that a sender begins to wait, or has lost to somebody faster and waits on.
fn wait_on<T>(front: &mut FrontGuard<'_, T>, back: &mut BackGuard<'_, T>, stage: Stage) {
    match stage {
        Stage::Fresh => front.waiting += 1,
        Stage::Listed => {}
        Stage::Woken => {
            front.losses = front.losses.saturating_add(1);
            if front.losses >= LOSSES {
                back.is_due = true;
                back.room = 0;
            }
        }
    }
}

fn forget_losses<T>(front: &mut FrontGuard<'_, T>, back: &mut BackGuard<'_, T>) {
    front.losses = 0;
    back.is_due = false;
}

/// Wakes whoever was taken out, if anybody was.
#[inline]
pub(super) fn wake_any(waker: Option<Waker>) {
    if let Some(waker) = waker {
        wake(waker);
    }
}
