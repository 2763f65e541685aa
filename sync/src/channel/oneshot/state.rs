//! The state word: who is finished, who waits, who still touches the memory.
//!
//! | bit | set by | cleared by | says |
//! |---|---|---|---|
//! | `RX_WAITS` | receiver | receiver, or sender after it finished | the receiver's waker is in its cell |
//! | `TX_WAITS` | sender | sender, or receiver after it closed | the sender's waker is in its cell |
//! | `SENT` | sender | sender, for `DROPPED`, when it has its value back | the sender finished with a value |
//! | `DROPPED` | sender | nobody | the sender finished without a value |
//! | `CLOSED` | receiver | nobody | the receiver wanted no value before the sender finished |
//! | `RX_GONE` | receiver | nobody | the receiver never touches the memory again |
//!
//! Forbidden: `SENT` with `DROPPED`; `CLOSED` with `RX_WAITS`; `RX_GONE` with `TX_WAITS`, except where the sender finished before.
//!
//! ```text
//!                    1 send                 2 drop of the sender
//!   SENT <------------------- (unfinished) -------------------> DROPPED
//!    |                          |  |   ^                           |
//!    | RX_WAITS was set         |  |   | 5 a side stores its waker | RX_WAITS was set
//!    v                          |  |   | 6 or takes it back        v
//!   3 the sender takes the      |  |___|                        3 the same
//!     waker, clears RX_WAITS    |
//!                               v 7 close, or drop of the receiver
//!                             CLOSED -- TX_WAITS was set --> 8 the receiver takes the waker, clears TX_WAITS
//!                               |
//!                 1 send        v
//!   SENT+CLOSED <------------ (unfinished) ---- 2 drop ----> DROPPED+CLOSED
//!        |                                                         ^
//!        '-------- 4 the sender has taken its value back ----------'
//! ```
//!
//! Numbers: 1 [`State::send`], 2 [`State::abandon`], 3 [`State::waker_taken`], 4 [`State::value_taken_back`], 5 [`State::publish`],
//! 6 [`State::reclaim`], 7 [`State::close`], 8 [`State::closing_done`]. `RX_GONE` is added by 7 or 8, or alone by [`State::leave`].
//!
//! # Whose the cells are
//!
//! | cell | owner |
//! |---|---|
//! | value | the sender; from `SENT` without `CLOSED` on the receiver |
//! | receiver's waker | the receiver; while `RX_WAITS` is set whoever takes the bit out, and from the sender's finish on that is the sender |
//! | sender's waker | the sender; while `TX_WAITS` is set whoever takes the bit out, and from `CLOSED` on that is the receiver |
//!
//! # Whose the memory is
//!
//! A side is through with the memory by its last change of the word. The sender is through when it has finished, except where it
//! still owes 3 (`RX_WAITS` set) or 4 (`SENT` with `CLOSED`). The receiver is through with `RX_GONE`. Whoever finds, in its own last
//! change, the other one through frees. A receiver that sees the sender through need not change the word at all: it is alone.

use crate::primitive::atomic::{AtomicU8, Ordering};

const RX_WAITS: u8 = 1;
const TX_WAITS: u8 = 1 << 1;
const SENT: u8 = 1 << 2;
const DROPPED: u8 = 1 << 3;
const CLOSED: u8 = 1 << 4;
const RX_GONE: u8 = 1 << 5;

/// One of the two wakers that can be stored.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Receiver,
    Sender,
}

impl Side {
    /// The bit that says that the waker is there, and the bits that end the wait.
    fn bits(self) -> (u8, u8) {
        match self {
            Self::Receiver => (RX_WAITS, SENT | DROPPED | CLOSED),
            Self::Sender => (TX_WAITS, CLOSED),
        }
    }
}

/// What a finished sender owes.
#[derive(Debug)]
#[must_use]
pub(super) enum Finished {
    /// Nothing. The memory is the receiver's.
    Nothing,
    /// To take the receiver's waker, to call [`State::waker_taken`], and to wake then.
    Waker,
    /// To take its value back, and to call [`State::value_taken_back`] then.
    Value,
    /// To take its value back, if it sent one, and to free: the receiver is gone.
    Everything,
}

/// What one who has changed the word for the last time owes.
#[derive(Debug)]
#[must_use]
pub(super) enum Last {
    /// Nothing: the other side frees.
    Nothing,
    /// To free.
    Free,
}

/// What the receiver finds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    /// The sender has not finished.
    Unfinished,
    /// The value is the receiver's.
    Value(Sender),
    /// No value will come.
    NoValue(Sender),
}

/// Whether the sender is through with the memory.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sender {
    Through,
    /// It may still touch the memory.
    Around,
}

/// What a wait of one side has come to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Waiting {
    /// No waker is stored, and the wait is not over.
    No,
    /// A waker is stored.
    Yes,
    /// The wait is over; the cell of the waker is the other side's.
    Over,
}

/// What a receiver that closes owes.
#[derive(Debug)]
#[must_use]
pub(super) enum Closing {
    /// The sender had finished before: nothing was changed.
    TooLate,
    /// Nothing; if it was leaving it is gone.
    Nothing,
    /// To take the sender's waker, to call [`State::closing_done`], and to wake then.
    Waker,
}

pub(super) struct State(AtomicU8);

impl State {
    #[inline]
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Transition 1. The value must have been written.
    #[inline]
    pub(super) fn send(&self) -> Finished {
        // ORDERING: Release pairs with the Acquire in `look`, `close` and `reclaim`: it publishes the value. Acquire pairs with the
        // Release in `publish` (the waker is there), and with that of `close` and `leave`, behind which the memory is ours.
        // An addition, because the bit is not set yet, and an addition is one instruction.
        let before = self.0.fetch_add(SENT, Ordering::AcqRel);
        match before {
            _ if before & RX_GONE != 0 => Finished::Everything,
            _ if before & CLOSED != 0 => Finished::Value,
            _ if before & RX_WAITS != 0 => Finished::Waker,
            _ => Finished::Nothing,
        }
    }

    /// Transition 2.
    #[inline]
    pub(super) fn abandon(&self) -> Finished {
        // ORDERING: as in `send`; Release lets the receiver free after what the sender did here.
        let before = self.0.fetch_add(DROPPED, Ordering::AcqRel);
        match before {
            _ if before & RX_GONE != 0 => Finished::Everything,
            _ if before & RX_WAITS != 0 => Finished::Waker,
            _ => Finished::Nothing,
        }
    }

    /// Transition 3: the sender has taken the receiver's waker.
    pub(super) fn waker_taken(&self) -> Last {
        // ORDERING: Release pairs with the Acquire in `look` and `leave`: the receiver may free after we have read the cell. Acquire
        // pairs with the Release in `leave`: we may free after whatever the receiver did.
        free_if(self.0.fetch_sub(RX_WAITS, Ordering::AcqRel) & RX_GONE != 0)
    }

    /// Transition 4: the sender has taken its value back.
    pub(super) fn value_taken_back(&self) -> Last {
        // ORDERING: as in `waker_taken`.
        free_if(self.0.fetch_add(DROPPED - SENT, Ordering::AcqRel) & RX_GONE != 0)
    }

    /// What there is for the receiver.
    #[inline]
    pub(super) fn look(&self) -> Seen {
        // ORDERING: Acquire pairs with the Release in `send` (the value), and with that of whatever the sender did last (freeing).
        seen(self.0.load(Ordering::Acquire))
    }

    /// Adds `RX_GONE` to a word that has `SENT` or `DROPPED`, or `CLOSED`.
    pub(super) fn leave(&self) -> Last {
        // ORDERING: Release pairs with the Acquire in the sender's next change: it may free after what the receiver did. Acquire
        // pairs with the Release of the sender's last change: the receiver may free after what the sender did.
        let before = self.0.fetch_add(RX_GONE, Ordering::AcqRel);
        free_if(matches!(sender(before), Sender::Through))
    }

    /// Transition 7, for a receiver whose waker is not stored, or whose sender has finished. `leaves`: it is gone after that.
    pub(super) fn close(&self, leaves: bool) -> Closing {
        // ORDERING: Acquire pairs with the Release in `send` and `abandon`, for a receiver that then looks what there is.
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & (SENT | DROPPED) != 0 {
                return Closing::TooLate;
            }
            let has_waker = word & TX_WAITS != 0;
            let gone = if leaves && !has_waker { RX_GONE } else { 0 };
            // ORDERING: Release pairs with the Acquire in `is_closed` and in the sender's finish, which may free. Acquire pairs with
            // the Release in `publish` (the sender's waker is there), and on failure as above.
            let changed = self.0.compare_exchange_weak(
                word,
                word | CLOSED | gone,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match changed {
                Ok(_) if has_waker => return Closing::Waker,
                Ok(_) => return Closing::Nothing,
                Err(now) => word = now,
            }
        }
    }

    /// Transition 8: the receiver has taken the sender's waker. `leaves`: it is gone after that.
    pub(super) fn closing_done(&self, leaves: bool) -> Last {
        let change = if leaves { RX_GONE } else { 0 };
        // ORDERING: Release pairs with the Acquire in the sender's finish, which may free after we have read the cell. Acquire pairs
        // with the Release of the sender's last change: we may free after it.
        let before = self
            .0
            .fetch_add(change.wrapping_sub(TX_WAITS), Ordering::AcqRel);
        free_if(leaves && matches!(sender(before), Sender::Through))
    }

    /// Whether the receiver is gone or has closed the channel.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `close`: what the receiver did before is visible to whoever learns of it.
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Whether a waker of `side` is stored; asked by that side.
    #[inline]
    pub(super) fn waiting(&self, side: Side) -> Waiting {
        let (waits, over) = side.bits();
        // ORDERING: Acquire pairs with the Release of what ended the wait.
        let word = self.0.load(Ordering::Acquire);
        match word {
            _ if word & over != 0 => Waiting::Over,
            _ if word & waits != 0 => Waiting::Yes,
            _ => Waiting::No,
        }
    }

    /// Transition 5: the waker of `side` has been written. Not done if the wait is over: then the waker is still the caller's.
    #[must_use = "if it was not done the waker has to be taken back"]
    pub(super) fn publish(&self, side: Side) -> bool {
        let (waits, over) = side.bits();
        // ORDERING: Release pairs with the Acquire of whoever ends the wait and takes the waker.
        self.change_unless(over, |word| word | waits, Ordering::Release)
    }

    /// Transition 6: takes the right to the stored waker of `side` back. Not done if the wait is over, or if there is none.
    #[must_use = "if it was done the waker has to be taken"]
    pub(super) fn reclaim(&self, side: Side) -> bool {
        let (waits, over) = side.bits();
        if !matches!(self.waiting(side), Waiting::Yes) {
            return false;
        }
        // ORDERING: Relaxed: the waker was written by this very side.
        self.change_unless(over, |word| word & !waits, Ordering::Relaxed)
    }

    /// Whether a waker of the sender was left behind by a sender that finished. For the one who frees.
    pub(super) fn has_left_waker(&self) -> bool {
        // ORDERING: Relaxed: whoever frees is alone, and has acquired everything by the change that told so.
        self.0.load(Ordering::Relaxed) & TX_WAITS != 0
    }

    fn change_unless(&self, over: u8, change: impl Fn(u8) -> u8, success: Ordering) -> bool {
        // ORDERING: Acquire pairs with the Release of what ended the wait, here and on failure below.
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & over != 0 {
                return false;
            }
            // ORDERING: `success` is chosen and explained by the callers.
            let changed =
                self.0
                    .compare_exchange_weak(word, change(word), success, Ordering::Acquire);
            match changed {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }
}

fn free_if(is_last: bool) -> Last {
    if is_last { Last::Free } else { Last::Nothing }
}

#[inline]
fn seen(word: u8) -> Seen {
    match word {
        _ if word & CLOSED != 0 => Seen::NoValue(sender(word)),
        _ if word & SENT != 0 => Seen::Value(sender(word)),
        _ if word & DROPPED != 0 => Seen::NoValue(sender(word)),
        _ => Seen::Unfinished,
    }
}

#[inline]
fn sender(word: u8) -> Sender {
    let is_finished = word & (SENT | DROPPED) != 0;
    let owes_wake = word & RX_WAITS != 0;
    let owes_take_back = word & (SENT | CLOSED) == SENT | CLOSED;
    if is_finished && !owes_wake && !owes_take_back {
        Sender::Through
    } else {
        Sender::Around
    }
}
