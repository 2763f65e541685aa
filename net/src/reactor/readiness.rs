//! The readiness word: what the kernel last said about a source, and how often it spoke.
//!
//! # Layout
//!
//! | bits | name | set by | cleared by |
//! |---|---|---|---|
//! | 0 | `READABLE` | [`deliver`](Readiness::deliver) | [`blocked`](Readiness::blocked) or [`drained`](Readiness::drained) for reading |
//! | 1 | `WRITABLE` | `deliver` | `blocked` or `drained` for writing |
//! | 2 | `READ_CLOSED` | `deliver` | `blocked` for reading |
//! | 3 | `WRITE_CLOSED` | `deliver` | `blocked` for writing |
//! | 4 | `ERROR` | `deliver`, together with `READABLE` and `WRITABLE` | `blocked`, either direction |
//! | 5 | `URGENT` | `deliver` | never |
//! | 6 | `SHUT` | [`shut`](Readiness::shut): the reactor was closed | never |
//! | 8.. | tick | plus one per `deliver`, wraps | - |
//!
//! Forbidden: `ERROR` without `READABLE` and `WRITABLE` at the moment it is set. An error must make both directions look again, or a
//! task that waits for data would never learn of it.
//!
//! # Why the tick
//!
//! The kernel reports edges. A task reads the word, makes its system call, learns "not now", and clears the bit. If an event was
//! delivered between the first and the last step, that event announced data the call did not see, and no second event will come for
//! it. So a task may only clear what it saw: the word is changed only if no event was delivered since it was read.
//!
//! ```text
//!             1 deliver: READABLE, tick t+1                  3 blocked(t+1): cleared
//!  not ready ------------------------------> ready at t+1 -------------------------> not ready
//!                                                 | 2 deliver: tick t+2
//!                                                 v
//!                                            ready at t+2    blocked(t+1): refused, the caller tries again
//! ```
//!
//! # Why a closed bit can be cleared
//!
//! A call on a direction that has ended never reports "not now": reading yields the end, writing an error. If it does say "not now",
//! the bit was out of date (a named pipe found a new writer), and keeping it would turn the wait into a busy loop.
//!
//! # Why a short transfer may clear
//!
//! A stream that gave fewer bytes than asked for is empty, so the next read need not ask the kernel again. That does not hold where
//! something other than emptiness cuts a read short: the end of the stream, an error, or the mark of TCP's urgent data, at which every
//! read stops. Those three keep the bit. What comes *after* the kernel was asked is a new edge, hence a new tick.

use lenio_sync::primitive::atomic::{AtomicU64, Ordering};
use std::fmt;

const READABLE: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const READ_CLOSED: u64 = 1 << 2;
const WRITE_CLOSED: u64 = 1 << 3;
const ERROR: u64 = 1 << 4;
const URGENT: u64 = 1 << 5;
const SHUT: u64 = 1 << 6;
const BITS: u64 = (1 << TICK_SHIFT) - 1;
const TICK_SHIFT: u32 = 8;
const TICK: u64 = 1 << TICK_SHIFT;

/// In debug builds the tick starts two short of its wrap, so that every test crosses it.
const FIRST_TICK: u64 = if cfg!(debug_assertions) {
    !BITS - 2 * TICK
} else {
    0
};

/// One of the two ways in which a source can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read = 0,
    Write = 1,
}

impl Direction {
    /// What whoever waits for it waits for, in words.
    pub(super) const fn wait(self) -> &'static str {
        match self {
            Self::Read => "I/O: something to read",
            Self::Write => "I/O: room to write",
        }
    }

    const fn mask(self) -> u64 {
        match self {
            Self::Read => READABLE | READ_CLOSED | SHUT,
            Self::Write => WRITABLE | WRITE_CLOSED | SHUT,
        }
    }
}

/// What an event says, or what a fresh source is assumed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signs(u64);

impl Signs {
    /// Nothing is known: the first event will tell.
    pub(crate) const NONE: Self = Self(0);
    /// Worth a try in both directions: a fresh connection can be written to, and often holds its first request already.
    pub(crate) const BOTH: Self = Self(READABLE | WRITABLE);
    /// Worth a try at reading.
    pub(crate) const READ: Self = Self(READABLE);
    /// Worth a try at writing.
    pub(crate) const WRITE: Self = Self(WRITABLE);

    /// Reads a kernel event.
    pub(super) fn of(event: &mio::event::Event) -> Self {
        let said = |is_said: bool, bits: u64| if is_said { bits } else { 0 };
        Self(
            said(event.is_readable(), READABLE)
                | said(event.is_writable(), WRITABLE)
                | said(event.is_read_closed(), READ_CLOSED)
                | said(event.is_write_closed(), WRITE_CLOSED)
                | said(event.is_error(), ERROR | READABLE | WRITABLE)
                | said(event.is_priority(), URGENT),
        )
    }
}

/// Who may be waiting for what [`Readiness::deliver`] has just set.
#[must_use = "these waiters must be woken"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    /// Both directions were ready before: nobody can have begun to wait.
    Nobody,
    Readers,
    Writers,
    Everybody,
}

/// Whether a report of "not ready" was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleared {
    /// The bits are clear; the next event sets them.
    Yes,
    /// An event was delivered after the snapshot was taken: try the operation again.
    Newer,
}

/// A snapshot of the word in which one direction was ready.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    word: u64,
    direction: Direction,
}

impl Ready {
    /// Whether the reactor is gone, so that no event will ever come again.
    pub(crate) fn is_shut(self) -> bool {
        self.word & SHUT != 0
    }

    pub(crate) fn is_closed(self) -> bool {
        let closed = match self.direction {
            Direction::Read => READ_CLOSED,
            Direction::Write => WRITE_CLOSED,
        };
        self.word & closed != 0
    }

    pub(crate) fn is_error(self) -> bool {
        self.word & ERROR != 0
    }

    const fn tick(self) -> u64 {
        self.word & !BITS
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("direction", &self.direction)
            .field("is_closed", &self.is_closed())
            .field("is_error", &self.is_error())
            .finish_non_exhaustive()
    }
}

/// The readiness word of one source.
///
/// `deliver` and `shut` are called by whoever turns or closes the reactor, everything else by the tasks that use the source, from any
/// thread.
pub(super) struct Readiness {
    word: AtomicU64,
}

impl Readiness {
    pub(super) fn new(assumed: Signs) -> Self {
        Self {
            word: AtomicU64::new(FIRST_TICK | assumed.0),
        }
    }

    /// Records an event, and tells whose waiters have to be looked for.
    ///
    /// A direction that was ready before has no waiters: one enlists only after it saw, under the waiters' lock, that its direction
    /// is not ready; those who did so before an earlier `deliver` were taken by that one.
    pub(super) fn deliver(&self, signs: Signs) -> Owed {
        // ORDERING: Relaxed: only a first guess for the exchange below.
        let mut old = self.word.load(Ordering::Relaxed);
        loop {
            let new = (old | signs.0).wrapping_add(TICK);
            // ORDERING: AcqRel pairs with the Acquire loads in `ready` (what led to the event is visible to the task that acts on it)
            // and with the exchange in `clear` (whose clearing of a bit happens before the bit is set anew).
            match self
                .word
                .compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Owed::between(old, new),
                Err(seen) => old = seen,
            }
        }
    }

    /// Marks the end of all events. Everybody who waits has to be woken.
    pub(super) fn shut(&self) {
        // ORDERING: AcqRel: as `deliver`; pairs with the Acquire load in `ready`.
        self.word.fetch_or(SHUT, Ordering::AcqRel);
    }

    /// A snapshot, if `direction` is worth a try.
    #[inline]
    pub(super) fn ready(&self, direction: Direction) -> Option<Ready> {
        // ORDERING: Acquire pairs with the AcqRel in `deliver` and `shut`: the system call that follows happens after the event. It
        // also keeps the snapshot before that call, without which `clear` would prove nothing.
        let word = self.word.load(Ordering::Acquire);
        (word & direction.mask() != 0).then_some(Ready { word, direction })
    }

    /// Reports that the kernel said "not now".
    pub(super) fn blocked(&self, ready: Ready) -> Cleared {
        let gone = match ready.direction {
            Direction::Read => READABLE | READ_CLOSED | ERROR,
            Direction::Write => WRITABLE | WRITE_CLOSED | ERROR,
        };
        self.clear(ready, gone)
    }

    /// Reports that the kernel took or gave fewer bytes than it was offered, and more than none.
    pub(super) fn drained(&self, ready: Ready) {
        let (gone, doubt) = match ready.direction {
            Direction::Read => (READABLE, READ_CLOSED | ERROR | URGENT),
            Direction::Write => (WRITABLE, WRITE_CLOSED | ERROR),
        };
        if ready.word & doubt == 0 {
            // Refused by a newer event: then the bit belongs to that event and stays.
            let _: Cleared = self.clear(ready, gone);
        }
    }

    fn clear(&self, ready: Ready, gone: u64) -> Cleared {
        let mut old = ready.word;
        loop {
            // ORDERING: AcqRel pairs with `deliver`'s exchange: of a clearing and a delivery one comes first in the word's order, and
            // the tick tells which. Acquire on failure: what is seen then is acted upon as in `ready`.
            match self.word.compare_exchange_weak(
                old,
                old & !gone,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Cleared::Yes,
                Err(seen) if seen & !BITS != ready.tick() => return Cleared::Newer,
                Err(seen) => old = seen,
            }
        }
    }
}

impl Owed {
    fn between(old: u64, new: u64) -> Self {
        let turned = |mask: u64| old & mask == 0 && new & mask != 0;
        match (
            turned(Direction::Read.mask()),
            turned(Direction::Write.mask()),
        ) {
            (false, false) => Self::Nobody,
            (true, false) => Self::Readers,
            (false, true) => Self::Writers,
            (true, true) => Self::Everybody,
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: Relaxed: a glance for people, nothing follows from it.
        let word = self.word.load(Ordering::Relaxed);
        f.debug_struct("Readiness")
            .field("readable", &(word & Direction::Read.mask() != 0))
            .field("writable", &(word & Direction::Write.mask() != 0))
            .field("shut", &(word & SHUT != 0))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    fn ready(readiness: &Readiness, direction: Direction) -> Ready {
        readiness.ready(direction).expect("the direction is ready")
    }

    #[test]
    fn r33_a_newer_event_is_never_cleared() {
        let readiness = Readiness::new(Signs::NONE);
        for _ in 0..8 {
            assert_eq!(readiness.deliver(Signs::READ), Owed::Readers);
            let seen = ready(&readiness, Direction::Read);
            assert_eq!(readiness.deliver(Signs::READ), Owed::Nobody);
            assert_eq!(readiness.blocked(seen), Cleared::Newer);
            let seen = ready(&readiness, Direction::Read);
            assert_eq!(readiness.blocked(seen), Cleared::Yes);
            assert_eq!(readiness.ready(Direction::Read), None);
        }
    }

    #[test]
    fn clearing_one_direction_keeps_the_other() {
        let readiness = Readiness::new(Signs::BOTH);
        let read = ready(&readiness, Direction::Read);
        let write = ready(&readiness, Direction::Write);
        assert_eq!(readiness.blocked(read), Cleared::Yes);
        assert!(readiness.ready(Direction::Write).is_some());
        assert_eq!(
            readiness.blocked(write),
            Cleared::Yes,
            "the tick is the same"
        );
        assert!(readiness.ready(Direction::Write).is_none());
    }

    #[test]
    fn a_short_read_says_nothing_once_the_end_or_an_error_or_urgent_data_was_seen() {
        for doubt in [READ_CLOSED, ERROR | WRITABLE, URGENT] {
            let readiness = Readiness::new(Signs::NONE);
            let _: Owed = readiness.deliver(Signs(READABLE | doubt));
            readiness.drained(ready(&readiness, Direction::Read));
            assert!(readiness.ready(Direction::Read).is_some());
        }
        let readiness = Readiness::new(Signs::BOTH);
        readiness.drained(ready(&readiness, Direction::Read));
        assert!(readiness.ready(Direction::Read).is_none());
    }

    #[test]
    fn an_outdated_end_is_cleared_when_the_kernel_says_not_now() {
        let readiness = Readiness::new(Signs::NONE);
        let _: Owed = readiness.deliver(Signs(READ_CLOSED));
        assert_eq!(
            readiness.blocked(ready(&readiness, Direction::Read)),
            Cleared::Yes
        );
        assert!(readiness.ready(Direction::Read).is_none());
    }

    #[test]
    fn shut_is_for_ever_and_for_both_directions() {
        let readiness = Readiness::new(Signs::NONE);
        readiness.shut();
        for direction in [Direction::Read, Direction::Write] {
            let seen = ready(&readiness, direction);
            assert!(seen.is_shut());
            let _: Cleared = readiness.blocked(seen);
            assert!(readiness.ready(direction).is_some());
        }
    }
}
