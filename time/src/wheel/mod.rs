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
//! cover all 64 bits: there is no list of timers beyond the horizon. A timer is put on the level of the highest six bits in which
//! its tick differs from the tick that the wheel has *reached*, into the slot that those bits of its deadline name. From that follows
//! what makes the wheel simple:
//!
//! 1. The slots of one level are in the order of their numbers: they never wrap round. All timers of a level agree with `reached` in
//!    the bits above the level. They did when they were put there, and `reached` does not pass a timer without firing it. So the
//!    first occupied slot of a level holds its earliest timer, and the earliest of all is found by a look at one slot per level.
//! 2. A timer may stay where it is until it is due. Moving it to a lower level is never needed for being right, only for not having
//!    to look at it again and again.
//! 3. Timers of equal deadline may stand on different levels, if one was inserted much later. They meet when they fire.
//!
//! # Coming down
//!
//! When a timer above level 0 is due, its slot is looked through. The timers that share a slot of the level below with this moment
//! (from a slot of 8.4 ms on level 1: those of the current tick) come down to where they would be put now; the rest stays. Should they
//! be more than 512, then the others come at the next look or fire from where they are. So a slot is looked through at most 64 times,
//! plus once for every 512 timers that moved. A timer moves seven times at most, and one that is cancelled before pays nothing.
//!
//! The usual way is to spread the whole slot as soon as its time comes. That is less work altogether, but all at once, and everybody
//! who is due meanwhile is late: with 100,000 timers in 100 ms, 8,400 moves at 10 to 80 ns each; here 130, and a look at the others,
//! which takes half a nanosecond for each because a slot is contiguous.
//!
//! # Exact, not rounded
//!
//! Slots only bucket. A timer fires by its exact deadline, [`Wheel::next_deadline`] is the exact minimum, and what fires in one turn
//! comes in the order of deadlines, then of insertion. For the minimum each slot remembers its earliest deadline. If that timer is
//! removed the memory becomes a lower bound, and the slot is searched when the bound is the least of all: at most once per removal.
//!
//! # Cost
//!
//! Insertion and removal: constant on average, no allocation except when the entries or a slot grow or shrink. A turn: the timers that
//! fire, sorted, and for each level that has a timer due a look at one slot. Memory: 21 KB for the slots; 16 bytes in a slot for each
//! timer that lives, and 32 for its entry, of which there are as many as timers lived at the same time since the wheel was last empty.
//! Both stand in vectors that may be twice as large as needed; slots give back what they have beyond four times their need.

mod entries;
mod place;
mod slot;
#[cfg(all(test, not(lenio_loom)))]
mod tests;

pub(crate) use entries::Key;

use crate::instant::Instant;
use entries::{Entries, Spot};
use place::{LEVELS, Place, SLOTS};
use slot::{Slot, Timer};

/// How many places for timers a turn may leave behind for the next.
const KEPT: usize = 1024;

/// Values by deadline; see the module's documentation.
pub(crate) struct Wheel<T> {
    entries: Entries<T>,
    /// One bit per slot that holds a timer, one word per level.
    occupied: [u64; LEVELS],
    /// Boxed, because they would be much for the stack that a wheel is made on.
    slots: Box<[Slot; LEVELS * SLOTS]>,
    /// The latest moment that the wheel was turned to. A timer that was ahead when it was inserted is ahead of this.
    reached: u64,
    /// Scratch space of [`turn`](Self::turn), empty between turns.
    due: Vec<Due>,
    /// Scratch space of [`come_down`](Self::come_down), empty between calls.
    taken: Vec<Timer>,
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
        let slots: Vec<Slot> = (0..LEVELS * SLOTS).map(|_| Slot::EMPTY).collect();
        Self {
            entries: Entries::new(),
            occupied: [0; LEVELS],
            slots: slots.try_into().expect("one slot per place"),
            reached: now.as_nanos(),
            due: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// How many timers there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a timer. A deadline that has passed is no special case: it fires in the next turn.
    pub(crate) fn insert(&mut self, deadline: Instant, value: T) -> Key {
        let deadline = deadline.as_nanos();
        let spot = self.spot(deadline);
        let key = self.entries.add(value, spot);
        let index = key.index();
        self.slots[spot.place.number()].push(Timer { deadline, index });
        key
    }

    /// Takes a timer out, if it has not fired yet.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let (value, Spot { place, position }) = self.entries.remove(key)?;
        let slot = &mut self.slots[place.number()];
        if let Some(shifted) = slot.remove(position) {
            self.entries.spot_mut(shifted.index).position = position;
        } else if slot.is_empty() {
            self.clear(place);
        }
        Some(value)
    }

    /// The value of a timer that has not fired yet.
    pub(crate) fn value_mut(&mut self, key: Key) -> Option<&mut T> {
        self.entries.value_mut(key)
    }

    /// The exact deadline of the earliest timer.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let (deadline, _) = self.first()?;
        Some(Instant::from_nanos(deadline))
    }

    /// Fires every timer whose deadline is `now` or earlier, in the order of deadlines, equal ones in the order of insertion.
    ///
    /// A `now` before the moment that the wheel has reached counts as that moment.
    pub(crate) fn turn(&mut self, now: Instant, mut fire: impl FnMut(T)) {
        self.reached = self.reached.max(now.as_nanos());
        while let Some((deadline, place)) = self.first() {
            if deadline > self.reached {
                break;
            }
            self.come_down(place);
        }
        self.due.sort_unstable();
        for due in self.due.drain(..) {
            fire(self.entries.free(due.index));
        }
        self.due.shrink_to(KEPT);
        self.taken.shrink_to(KEPT);
    }

    /// Fires every timer, whatever its deadline, without moving on in time.
    pub(crate) fn drain(&mut self, fire: impl FnMut(T)) {
        let reached = self.reached;
        self.turn(Instant::NEVER, fire);
        self.reached = reached;
    }

    /// The earliest deadline, and the slot of a timer that has it: by rule 1 the first occupied slot of some level.
    fn first(&mut self) -> Option<(u64, Place)> {
        loop {
            let levels = self.occupied.iter().enumerate();
            let firsts = levels
                .filter(|(_, slots)| **slots != 0)
                .map(|(level, slots)| {
                    let place = Place::new(level, slots.trailing_zeros() as usize);
                    (self.slots[place.number()].bound(), place)
                });
            let (deadline, place) = firsts.min_by_key(|(bound, _)| *bound)?;
            let slot = &mut self.slots[place.number()];
            if slot.is_exact() {
                return Some((deadline, place));
            }
            slot.search();
        }
    }

    /// Takes timers out of a slot in which one is due: those that are due for firing, others to lower levels.
    fn come_down(&mut self, place: Place) {
        let until = place.until(self.reached);
        let slot = &mut self.slots[place.number()];
        slot.take(self.reached, until, &mut self.taken, |shifted, position| {
            self.entries.spot_mut(shifted.index).position = position;
        });
        if slot.is_empty() {
            self.clear(place);
        }
        while let Some(timer) = self.taken.pop() {
            if timer.deadline > self.reached {
                self.link(timer);
                continue;
            }
            self.due.push(Due {
                deadline: timer.deadline,
                id: self.entries.id(timer.index),
                index: timer.index,
            });
        }
    }

    /// Puts a timer that has an entry into the slot where it belongs now.
    fn link(&mut self, timer: Timer) {
        let spot = self.spot(timer.deadline);
        *self.entries.spot_mut(timer.index) = spot;
        self.slots[spot.place.number()].push(timer);
    }

    /// Where a timer belongs that the caller puts there next. A deadline that has passed belongs into the current tick.
    fn spot(&mut self, deadline: u64) -> Spot {
        let place = Place::of(deadline, self.reached);
        let position = self.slots[place.number()].end();
        self.occupied[place.level()] |= place.bit();
        Spot { place, position }
    }

    /// Notes that a slot is empty.
    fn clear(&mut self, place: Place) {
        self.occupied[place.level()] &= !place.bit();
    }
}
