//! What the two sides of a channel share: two locks, two buffers, and the lists of those who wait.

use super::offers::{Claims, Offers};
use crate::contain::contain;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::thread;
use crate::wait::{Guard, WaitQueue, Waiter, WakeBatch};
use std::collections::VecDeque;

/// The list of [`Front`]: senders that wait for room, or for somebody to take their offer.
pub(super) const SENDERS: usize = 0;

/// The first list of [`Back`]: receivers that wait for a message.
pub(super) const RECEIVERS: usize = 0;

/// The second list of [`Back`]: who waits for the end of the channel.
pub(super) const CLOSERS: usize = 1;

/// The third list of [`Back`]: who waits for a receiver of a rendezvous channel, to reserve it.
pub(super) const RESERVERS: usize = 2;

/// Wakers that are taken per lock when everybody is woken, so that nobody waits long for the lock.
const AT_ONCE: usize = 32;

/// A buffer of at most this many bytes is kept even if it is hardly used.
const KEPT_BYTES: usize = 64 * 1024;

/// A bigger one is kept if it has room for at most so many times the messages that it is to hold.
const KEPT_TIMES: usize = 8;

/// Alone on its cache lines: two of 64 bytes, because common processors fetch them in pairs. The two sides meet once per batch of
/// messages, and would otherwise take the line from each other with every one.
#[repr(align(128))]
struct Apart<T>(T);

/// The receivers' side. Its lock is taken before the one of [`Back`] where both are needed.
pub(super) struct Front<T> {
    /// The oldest messages. Empty in a rendezvous channel.
    pub(super) buffer: VecDeque<T>,
    /// Senders that wait: those in the list, and those that were woken and have not looked since.
    pub(super) waiting: usize,
    /// How often a woken sender found the room taken, since one of those that wait was last served.
    pub(super) losses: u8,
    /// The table of a rendezvous channel.
    pub(super) offers: Offers<T>,
}

/// The senders' side.
pub(super) struct Back<T> {
    /// Messages that came after all those in front.
    pub(super) buffer: VecDeque<T>,
    /// So many places are certainly free. Zero once the channel is closed, and while [`is_due`](Self::is_due): then one has to look.
    pub(super) room: usize,
    /// Places that belong to permits.
    pub(super) reserved: usize,
    /// Set once, under both locks.
    pub(super) is_closed: bool,
    /// Whether newcomers are to let the waiting senders go first. Set and cleared under both locks.
    pub(super) is_due: bool,
    /// The claims of a rendezvous channel's permits.
    pub(super) claims: Claims,
}

pub(super) type FrontGuard<'p, T> = Guard<'p, Front<T>, 1>;
pub(super) type BackGuard<'p, T> = Guard<'p, Back<T>, 3>;
pub(super) type SenderWaiter<'p, T> = Waiter<'p, Front<T>, 1>;
pub(super) type ReceiverWaiter<'p, T> = Waiter<'p, Back<T>, 3>;

/// One channel. See the module's documentation for how it works.
pub(super) struct Pipe<T> {
    front: Apart<(WaitQueue<Front<T>, 1>, AtomicUsize)>,
    back: Apart<WaitQueue<Back<T>, 3>>,
    /// How many messages may lie in the channel; `usize::MAX` if there is no limit.
    limit: usize,
    is_bounded: bool,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

impl<T> Pipe<T> {
    /// Makes a channel with one sender and one receiver.
    pub(super) fn new(capacity: Option<usize>) -> Self {
        let front = WaitQueue::new(Front {
            buffer: VecDeque::new(),
            waiting: 0,
            losses: 0,
            offers: Offers::new(),
        });
        let back = WaitQueue::new(Back {
            buffer: VecDeque::new(),
            room: 0,
            reserved: 0,
            is_closed: false,
            is_due: false,
            claims: Claims::new(),
        });
        Self {
            front: Apart((front, AtomicUsize::new(0))),
            back: Apart(back),
            limit: capacity.unwrap_or(usize::MAX),
            is_bounded: capacity.is_some(),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        }
    }

    #[inline]
    pub(super) fn front(&self) -> &WaitQueue<Front<T>, 1> {
        &self.front.0.0
    }

    #[inline]
    pub(super) fn back(&self) -> &WaitQueue<Back<T>, 3> {
        &self.back.0
    }

    /// Publishes how many messages lie in front. To be called after each change, with the lock of the front held.
    #[inline]
    pub(super) fn set_front_len(&self, len: usize) {
        // ORDERING: Relaxed: it publishes no messages, they change hands under locks. See `front_len` for what its readers rely on.
        self.front.0.1.store(len, Ordering::Relaxed);
    }

    /// How many messages lie in front. Whoever holds the lock of the back reads this many or more than there are: it grows only while
    /// both locks are held. In particular a zero is true, and stays true until the lock of the back is given up.
    #[inline]
    pub(super) fn front_len(&self) -> usize {
        // ORDERING: Relaxed: the last growth happened before, by the lock of the back; all later values are smaller.
        self.front.0.1.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn is_rendezvous(&self) -> bool {
        self.limit == 0
    }

    /// How many places are free, if `front_len` messages lie in front.
    pub(super) fn free(&self, front_len: usize, back: &Back<T>) -> usize {
        let used = front_len
            .saturating_add(back.buffer.len())
            .saturating_add(back.reserved);
        self.limit.saturating_sub(used)
    }

    /// Brings the back's messages, if the front has run out of them. The buffers that it hands out are dropped after unlocking.
    ///
    /// `None` if there is none, with the back's word on whether there will be.
    pub(super) fn refill(&self, front: &mut FrontGuard<'_, T>) -> (Refill, [VecDeque<T>; 2]) {
        let mut back = self.back().lock();
        let coming = back.buffer.len();
        let mut spare = [VecDeque::new(), VecDeque::new()];
        give_back_oversized(&mut front.buffer, coming, &mut spare[0]);
        if coming == 0 {
            give_back_oversized(&mut back.buffer, 0, &mut spare[1]);
            let is_closed = back.is_closed;
            return (Refill::Nothing { is_closed }, spare);
        }
        std::mem::swap(&mut front.buffer, &mut back.buffer);
        self.set_front_len(coming);
        (Refill::Filled, spare)
    }

    /// Closes the channel and wakes everybody. Returns whether it was open.
    pub(super) fn close(&self) -> bool {
        let mut front = self.front().lock();
        let mut back = self.back().lock();
        if back.is_closed {
            return false;
        }
        back.is_closed = true;
        back.room = 0;
        if self.is_rendezvous() {
            front.offers.end();
            self.set_front_len(front.offers.len());
        }
        drop(back);
        drop(front);
        let rest = Rest(self);
        while self.wake_some() {}
        drop(rest);
        true
    }

    /// Wakes a bounded number of those who wait. Returns whether there was anybody.
    ///
    /// Nobody starts to wait in a closed channel, so this comes to an end.
    fn wake_some(&self) -> bool {
        let mut batch = WakeBatch::new();
        let mut front = self.front().lock();
        while batch.len() < AT_ONCE && front.wake_one(SENDERS, &mut batch) {}
        drop(front);
        let mut back = self.back().lock();
        for list in [RECEIVERS, CLOSERS, RESERVERS] {
            while batch.len() < AT_ONCE && back.wake_one(list, &mut batch) {}
        }
        while batch.len() < AT_ONCE {
            let Some(waker) = back.claims.pop() else {
                break;
            };
            batch.push(waker);
        }
        drop(back);
        let found = !batch.is_empty();
        batch.wake_all();
        found
    }

    /// Drops the messages that nobody will receive.
    fn discard(&self) {
        let mut front = self.front().lock();
        let mut back = self.back().lock();
        let messages = [
            Discarded(std::mem::take(&mut front.buffer)),
            Discarded(std::mem::take(&mut back.buffer)),
            Discarded(front.offers.clear()),
        ];
        self.set_front_len(0);
        drop(back);
        drop(front);
        for mut messages in messages {
            messages.drop_all();
        }
    }

    /// How many messages lie in the channel.
    pub(super) fn len(&self) -> usize {
        let front = self.front().lock();
        let back = self.back().lock();
        front.buffer.len() + front.offers.accepted() + back.buffer.len()
    }

    /// Whether no place is free: all hold messages, or belong to permits.
    pub(super) fn is_full(&self) -> bool {
        let front = self.front().lock();
        let back = self.back().lock();
        self.free(front.buffer.len(), &back) == 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.back().lock().is_closed
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        self.is_bounded.then_some(self.limit)
    }

    pub(super) fn sender_count(&self) -> usize {
        // ORDERING: Relaxed: a number for people.
        self.senders.load(Ordering::Relaxed)
    }

    pub(super) fn receiver_count(&self) -> usize {
        // ORDERING: Relaxed: a number for people.
        self.receivers.load(Ordering::Relaxed)
    }

    pub(super) fn add_sender(&self) {
        // ORDERING: Relaxed, as when an `Arc` is cloned: the caller has a sender, so it cannot come from zero.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a sender unless there is none left. For weak ones.
    pub(super) fn try_add_sender(&self) -> bool {
        // ORDERING: Relaxed: the count alone decides; messages and the end of the channel are ordered by the locks.
        let mut count = self.senders.load(Ordering::Relaxed);
        while count > 0 {
            // ORDERING: Relaxed: as above.
            match self.senders.compare_exchange_weak(
                count,
                count + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    /// Takes a sender away; the last one closes the channel.
    pub(super) fn remove_sender(&self) {
        // ORDERING: Release pairs with the Acquire of the last one's: its `close` comes after everything that the others have sent.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    pub(super) fn add_receiver(&self) {
        // ORDERING: Relaxed: as in `add_sender`.
        self.receivers.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a receiver away; the last one closes the channel and drops what is in it.
    pub(super) fn remove_receiver(&self) {
        // ORDERING: Release pairs with the Acquire of the last one's: it closes and discards after everything that the others did.
        if self.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            // A waker that panics does not save the messages.
            let discarded = Discard(self);
            self.close();
            drop(discarded);
        }
    }
}

/// What a look into the back brought.
pub(super) enum Refill {
    /// Messages.
    Filled,
    /// None.
    Nothing { is_closed: bool },
}

/// Moves `buffer`, which is empty, to `spare` if it is much bigger than the `coming` messages need.
fn give_back_oversized<T>(buffer: &mut VecDeque<T>, coming: usize, spare: &mut VecDeque<T>) {
    let room = buffer.capacity();
    let is_big = room.saturating_mul(size_of::<T>()) > KEPT_BYTES;
    if is_big && room / KEPT_TIMES > coming {
        std::mem::swap(buffer, spare);
    }
}

/// Wakes whoever still waits for the end of the channel when a waker has panicked.
struct Rest<'p, T>(&'p Pipe<T>);

impl<T> Drop for Rest<'_, T> {
    fn drop(&mut self) {
        let mut goes_on = true;
        while goes_on {
            // If this one panics too, there may be more.
            contain(|| goes_on = self.0.wake_some());
        }
    }
}

/// Drops the messages of a channel without receivers, also when a waker has panicked.
struct Discard<'p, T>(&'p Pipe<T>);

impl<T> Drop for Discard<'_, T> {
    fn drop(&mut self) {
        self.0.discard();
    }
}

/// Messages that nobody will receive. If dropping one of them panics, the others are dropped all the same.
struct Discarded<T>(VecDeque<T>);

impl<T> Discarded<T> {
    fn drop_all(&mut self) {
        // A second panic while one is under way would abort the process.
        while !thread::panicking() {
            let Some(message) = self.0.pop_front() else {
                return;
            };
            drop(message);
        }
    }
}

impl<T> Drop for Discarded<T> {
    fn drop(&mut self) {
        while let Some(message) = self.0.pop_front() {
            contain(|| drop(message));
        }
    }
}
