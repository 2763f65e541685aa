//! The timer wheel: plain data that keeps values by deadline. No clock, no lock, no thread.
//!
//! # How it keeps time
//!
//! ```text
//! deadline, 64 bits:  | level 7 | level 6 | .. | level 1 | level 0 |  17 bits: within one slot  |
//! reached, 64 bits:   |        the same        |   x    |    ..   |                            |
//!                                                  ^ the highest six bits in which they differ: the level; the deadline's bits: the slot
//! ```
//!
//! A *tick* is 2^17 ns, about 131 us. Level 0 has a slot per tick, each further level has slots 64 times as long, and eight levels
//! cover all 64 bits: there is no list of timers beyond the horizon. A timer stands on the level of the highest six bits in which
//! its tick differs from the tick that the wheel has *reached*, in the slot that those bits of its deadline name. From that follows
//! what makes the wheel simple:
//!
//! 1. Every timer on a level is earlier than every timer on the levels above, and slots of one level are in the order of their
//!    numbers: they never wrap round. The first occupied slot of the lowest occupied level holds the earliest timer.
//! 2. When time goes on, the place of a timer changes only when the wheel reaches the start of the timer's own slot. Then the slot's
//!    timers move to lower levels; each timer moves at most seven times in its life, and one that is cancelled before pays nothing.
//! 3. Timers of equal deadline stand in the same slot.
//!
//! # Exact, not rounded
//!
//! Slots only bucket. A timer fires by its exact deadline, [`Wheel::next_deadline`] is the exact minimum, and what fires in one turn
//! comes in the order of deadlines, then of insertion. For the minimum each slot remembers its earliest deadline; if that timer
//! is removed the memory becomes a lower bound (`stale`), and the slot is searched when next asked.
//!
//! # Cost
//!
//! Insertion and removal: constant, no allocation except when the entries grow. A turn: the timers that fire, sorted by slot, and the
//! timers that move down. Memory: 8.3 KB for the slots and 48 bytes for each timer of the largest number that was alive since the wheel
//! was last empty.

mod entries;
mod place;
#[cfg(all(test, not(lenio_loom)))]
mod tests;

pub(crate) use entries::Key;

use crate::instant::Instant;
use entries::{Entries, List};
use place::{LEVELS, Place, SLOTS};

/// How many places for due timers a turn may leave behind for the next.
const DUE_KEPT: usize = 1024;

/// Values by deadline; see the module's documentation.
pub(crate) struct Wheel<T> {
    entries: Entries<T>,
    levels: [Level; LEVELS],
    /// The latest moment that the wheel was turned to. Every place is relative to it.
    reached: u64,
    /// Scratch space of [`turn`](Self::turn), empty between turns.
    due: Vec<Due>,
}

#[derive(Clone, Copy)]
struct Level {
    /// One bit per slot that holds a timer.
    occupied: u64,
    /// One bit per slot whose `earliest` is only a lower bound.
    stale: u64,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy)]
struct Slot {
    list: List,
    /// The earliest deadline in the list, or a lower bound. Meaningless while the list is empty.
    earliest: u64,
}

/// A timer that fires in this turn. The order of the fields is the order of firing.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    deadline: u64,
    id: u64,
    index: u32,
}

impl<T> Wheel<T> {
    /// Makes an empty wheel that has reached `now`.
    pub(crate) fn new(now: Instant) -> Self {
        let slot = Slot {
            list: List::EMPTY,
            earliest: 0,
        };
        let level = Level {
            occupied: 0,
            stale: 0,
            slots: [slot; SLOTS],
        };
        Self {
            entries: Entries::new(),
            levels: [level; LEVELS],
            reached: now.as_nanos(),
            due: Vec::new(),
        }
    }

    /// How many timers there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a timer. A deadline that has passed is no special case: it fires in the next turn.
    pub(crate) fn insert(&mut self, deadline: Instant, value: T) -> Key {
        let key = self.entries.add(deadline.as_nanos(), value);
        self.link(key.index());
        key
    }

    /// Takes a timer out, if it has not fired yet.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let (deadline, place) = self.entries.find(key)?;
        let level = &mut self.levels[place.level()];
        let slot = &mut level.slots[place.slot()];
        self.entries.unlink(&mut slot.list, key.index());
        if slot.list.is_empty() {
            level.occupied &= !place.bit();
        } else if deadline == slot.earliest {
            level.stale |= place.bit();
        }
        Some(self.entries.free(key.index()))
    }

    /// The value of a timer that has not fired yet.
    pub(crate) fn value_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries.value_mut(key)
    }

    /// The exact deadline of the earliest timer.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let place = self.first()?;
        let level = &mut self.levels[place.level()];
        let slot = &mut level.slots[place.slot()];
        if level.stale & place.bit() != 0 {
            level.stale &= !place.bit();
            slot.earliest = self.entries.earliest(&slot.list);
        }
        Some(Instant::from_nanos(slot.earliest))
    }

    /// Fires every timer whose deadline is `now` or earlier, in the order of deadlines, equal ones in the order of insertion.
    ///
    /// A `now` before the moment that the wheel has reached counts as that moment.
    pub(crate) fn turn(&mut self, now: Instant, mut fire: impl FnMut(T)) {
        let now = now.as_nanos().max(self.reached);
        while let Some(place) = self.first() {
            let (start, last) = place.span(self.reached);
            if start > now {
                break;
            }
            if last > now && place.level() > 0 {
                self.reached = start;
                self.move_down(place);
                continue;
            }
            self.fire_slot(place, now, &mut fire);
            if last > now {
                break;
            }
        }
        self.reached = now;
    }

    /// Fires every timer, whatever its deadline, without moving on in time.
    pub(crate) fn drain(&mut self, fire: impl FnMut(T)) {
        let reached = self.reached;
        self.turn(Instant::NEVER, fire);
        self.reached = reached;
    }

    /// The slot of the earliest timer: by rule 1, the first occupied one of the lowest occupied level.
    fn first(&self) -> Option<Place> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let slot = self.levels[level].occupied.trailing_zeros() as usize;
        Some(Place::new(level, slot))
    }

    /// Puts an entry into the slot where it belongs now.
    fn link(&mut self, index: u32) {
        let deadline = self.entries.deadline(index);
        let place = Place::of(deadline, self.reached);
        let level = &mut self.levels[place.level()];
        let slot = &mut level.slots[place.slot()];
        if slot.list.is_empty() || deadline <= slot.earliest {
            slot.earliest = deadline;
            level.stale &= !place.bit();
        }
        level.occupied |= place.bit();
        self.entries.push_back(&mut slot.list, index, place);
    }

    /// Empties a slot, leaving its entries to the caller.
    fn take_slot(&mut self, place: Place) -> List {
        let level = &mut self.levels[place.level()];
        level.occupied &= !place.bit();
        std::mem::replace(&mut level.slots[place.slot()].list, List::EMPTY)
    }

    /// Spreads the timers of a slot that the wheel has just reached over the levels below.
    fn move_down(&mut self, place: Place) {
        let mut list = self.take_slot(place);
        while let Some(index) = self.entries.pop_front(&mut list) {
            self.link(index);
        }
    }

    /// Fires the timers of one slot that are due, and keeps the others.
    fn fire_slot(&mut self, place: Place, now: u64, fire: &mut impl FnMut(T)) {
        let mut list = self.take_slot(place);
        while let Some(index) = self.entries.pop_front(&mut list) {
            let deadline = self.entries.deadline(index);
            if deadline > now {
                self.link(index);
                continue;
            }
            let id = self.entries.id(index);
            self.due.push(Due {
                deadline,
                id,
                index,
            });
        }
        self.due.sort_unstable();
        for due in self.due.drain(..) {
            fire(self.entries.free(due.index));
        }
        self.due.shrink_to(DUE_KEPT);
    }
}
