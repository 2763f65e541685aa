//! The one word in which a semaphore keeps its permits and what a release has to know about waiters.
//!
//! | bits | name | meaning | changed |
//! |---|---|---|---|
//! | 0 | `WAITERS` | somebody may be in the list: whoever gives permits back has to look | under the queue's lock |
//! | 1 | `CLOSED` | nobody gets permits any more | set once, under the queue's lock |
//! | 2 | `WOKEN` | somebody was woken and has not looked yet | set under the queue's lock, cleared by a waiter that takes or looks |
//! | 3-7 | `LOSSES` | how often waiters were passed over since one was last served, 0 to 16 | counted up under the queue's lock, cleared by a waiter that takes |
//! | 7 | `HELD_BACK` | the 16 of `LOSSES`: newcomers let the waiters go first | |
//! | 8- | permits | how many are available | by anybody |
//!
//! Nobody else touches the bits. What they mean together, and why nobody sleeps beside a free permit, is told in `permits`.

use crate::primitive::MODEL;
use crate::primitive::atomic::{AtomicUsize, Ordering};

/// How many losses the waiters take before newcomers are held back. In models one, so that they see it happen.
pub(crate) const PATIENCE: usize = if MODEL { 1 } else { 16 };

/// The most permits there can be.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> (SHIFT + 1);

const WAITERS: usize = 1;
const CLOSED: usize = 1 << 1;
const WOKEN: usize = 1 << 2;
const LOSS: usize = 1 << 3;
const LOSSES: usize = 0b1_1111 << 3;
const HELD_BACK: usize = LOSS * PATIENCE;
const SHIFT: u32 = 8;

/// The word. See the table in the module's documentation.
#[derive(Debug)]
pub(super) struct Word(AtomicUsize);

/// What came out of an attempt to take permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The permits are the caller's.
    Taken,
    /// There are not enough, or they are reserved.
    Refused,
    /// There will be none any more.
    Closed,
}

/// What came out of a waiter's look under the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Seen {
    /// The permits are the waiter's.
    Taken,
    /// It has to wait, and `WAITERS` is set. So many permits are there.
    Refused {
        /// The available permits.
        left: usize,
    },
    /// There will be none any more.
    Closed,
}

/// Who asks for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// Somebody who waits for nobody: it takes what is there.
    Barger,
    /// Somebody who has not waited yet, or not been woken: it lets others go first if they have lost too often.
    Newcomer,
    /// A waiter that has been woken, and whose success ends the count of losses.
    Woken,
}

impl Word {
    pub(super) fn new(permits: usize) -> Self {
        Self(AtomicUsize::new(permits << SHIFT))
    }

    /// How many permits are available.
    pub(super) fn available(&self) -> usize {
        // ORDERING: Relaxed: a number to look at; taking permits is what acquires.
        self.0.load(Ordering::Relaxed) >> SHIFT
    }

    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `close`: whoever learns of it sees what was written before.
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes `need` permits, if the asker may have them.
    #[inline]
    pub(super) fn take(&self, need: usize, asker: Asker) -> Attempt {
        // ORDERING: Acquire pairs with the Release in `close`: whoever is refused because of it sees what was written before.
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if let Some(refusal) = refusal(word, need, asker) {
                return refusal;
            }
            // ORDERING: Acquire pairs with the Release in `give_back`, and on failure with that in `close`, as above.
            match self.0.compare_exchange_weak(
                word,
                taken(word, need, asker),
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Attempt::Taken,
                Err(current) => word = current,
            }
        }
    }

    /// Gives permits back, and tells whether somebody may wait for some.
    #[inline]
    pub(super) fn give_back(&self, permits: usize) -> bool {
        // ORDERING: Release pairs with the Acquire of whoever takes these permits: it sees what was done under them.
        let before = self.0.fetch_add(permits << SHIFT, Ordering::Release);
        debug_assert!(
            permits <= (usize::MAX >> SHIFT) - (before >> SHIFT),
            "more permits than can be counted"
        );
        before & WAITERS != 0
    }

    /// Takes up to `permits` permits out of circulation and returns how many they were.
    pub(super) fn forget(&self, permits: usize) -> usize {
        // ORDERING: Relaxed: the permits are nobody's afterwards, so nothing has to be visible to anybody.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let forgotten = permits.min(word >> SHIFT);
            // ORDERING: as above.
            match self.0.compare_exchange_weak(
                word,
                word - (forgotten << SHIFT),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return forgotten,
                Err(current) => word = current,
            }
        }
    }

    /// Closes, and tells whether it was open. Under the queue's lock.
    pub(super) fn close(&self) -> bool {
        // ORDERING: Release pairs with the Acquire in `is_closed`, `take` and `look`.
        self.0.fetch_or(CLOSED, Ordering::Release) & CLOSED == 0
    }

    /// Whether somebody who was woken has not looked yet.
    pub(super) fn is_anybody_woken(&self) -> bool {
        // ORDERING: Relaxed: whoever clears the flag looks in the same operation, and that comes after the caller's release in the
        // order of the word if the flag is seen set here.
        self.0.load(Ordering::Relaxed) & WOKEN != 0
    }

    /// Whether there are permits left, and somebody who may wait for them.
    #[inline]
    pub(super) fn has_more_for_waiters(&self) -> bool {
        // ORDERING: Relaxed: what was released before the caller looked is seen; later releases look after themselves.
        let word = self.0.load(Ordering::Relaxed);
        word & WAITERS != 0 && word >> SHIFT > 0
    }

    /// Whether waiters were taken out of the list to be woken, and whether it is empty now. Under the queue's lock.
    pub(super) fn note_woken(&self, woke: bool, is_empty: bool) {
        // ORDERING: Relaxed: both flags are for releases whose place in the order of the word comes later. Those that come before have
        // been looked at by the caller, or wait for the lock.
        match (woke, is_empty) {
            (false, false) => {}
            (true, false) => drop(self.0.fetch_or(WOKEN, Ordering::Relaxed)),
            (false, true) => drop(self.0.fetch_and(!WAITERS, Ordering::Relaxed)),
            (true, true) => self.change(|word| (word | WOKEN) & !WAITERS),
        }
    }

    /// A waiter that was woken gives up without having looked.
    pub(super) fn lower_woken(&self) {
        // ORDERING: Relaxed: a release that comes later in the order of the word wakes again; the caller sees to the others.
        self.0.fetch_and(!WOKEN, Ordering::Relaxed);
    }

    /// Waiters were passed over. Under the queue's lock.
    pub(super) fn count_loss(&self) {
        self.change(lost);
    }

    /// The look of a waiter, under the queue's lock: takes `need` permits or prepares the wait, all in one step of the word's order, so
    /// that a release comes either before it and is seen, or after it and sees `WAITERS` and no `WOKEN`.
    ///
    /// `is_woken`: the waiter was woken; `is_last`: nobody else is in the list.
    pub(super) fn look(&self, need: usize, asker: Asker, is_woken: bool, is_last: bool) -> Seen {
        // ORDERING: Relaxed: a first guess; the exchange below decides.
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let (next, seen) = match refusal(word, need, asker) {
                Some(Attempt::Closed) => return Seen::Closed,
                Some(_) => {
                    let left = word >> SHIFT;
                    let waits = word | WAITERS;
                    let next = if is_woken {
                        lost(waits & !WOKEN)
                    } else {
                        waits
                    };
                    (next, Seen::Refused { left })
                }
                None => {
                    let taken = taken(word, need, asker);
                    let next = if is_last { taken & !WAITERS } else { taken };
                    (next, Seen::Taken)
                }
            };
            // ORDERING: Acquire pairs with the Release in `give_back`, if permits were taken. A failure only brings a newer guess.
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return seen,
                Err(current) => word = current,
            }
        }
    }

    fn change(&self, next: impl Fn(usize) -> usize) {
        // ORDERING: Relaxed: the callers say why.
        let mut word = self.0.load(Ordering::Relaxed);
        while let Err(current) = self.0.compare_exchange_weak(
            word,
            next(word),
            // ORDERING: as above.
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            word = current;
        }
    }
}

/// Why `need` permits cannot be had, if they cannot.
#[inline]
fn refusal(word: usize, need: usize, asker: Asker) -> Option<Attempt> {
    if word & CLOSED != 0 {
        return Some(Attempt::Closed);
    }
    let is_reserved = word & HELD_BACK != 0 && asker == Asker::Newcomer && need > 0;
    let is_refused = word >> SHIFT < need || is_reserved;
    is_refused.then_some(Attempt::Refused)
}

/// The word after `need` permits were taken.
#[inline]
fn taken(word: usize, need: usize, asker: Asker) -> usize {
    let left = word - (need << SHIFT);
    match asker {
        Asker::Woken => left & !(LOSSES | WOKEN),
        Asker::Barger | Asker::Newcomer => left,
    }
}

/// The word after one loss more.
fn lost(word: usize) -> usize {
    match word & HELD_BACK {
        0 => word + LOSS,
        _ => word,
    }
}
