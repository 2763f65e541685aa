//! One slot of the wheel: timers side by side in memory, in no order.
//!
//! A vector and no linked list, because the slots of a wheel under load hold thousands of timers, and a walk along links would wait
//! for the memory at each step. Here the processor reads ahead: to look at a timer costs half a nanosecond. The price is that every
//! entry has to know its position, and that the last timer takes the position of the one that leaves.

/// So many timers a slot has room for without giving memory back when they have left.
const KEPT: usize = 16;

/// So many timers that are not due yet may leave a slot at once; one in so many, if that is more.
const AT_ONCE: usize = 512;

/// A timer in a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) deadline: u64,
    /// Names the timer's entry.
    pub(super) index: u32,
}

/// The timers of one span of time.
#[derive(Debug)]
pub(super) struct Slot {
    timers: Vec<Timer>,
    /// No timer is earlier. `u64::MAX` if there are none.
    bound: u64,
    /// Whether a timer has the deadline `bound`, for all we know: false after one that had it was removed.
    is_exact: bool,
}

impl Slot {
    pub(super) const EMPTY: Self = Self {
        timers: Vec::new(),
        bound: u64::MAX,
        is_exact: true,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// The position that the next timer gets.
    pub(super) fn end(&self) -> u32 {
        self.timers.len() as u32
    }

    /// Adds a timer at the end.
    pub(super) fn push(&mut self, timer: Timer) {
        if timer.deadline <= self.bound {
            self.bound = timer.deadline;
            self.is_exact = true;
        }
        self.timers.push(timer);
    }

    /// Removes the timer at `position`; gives the one that has come there to fill the gap, if any has.
    pub(super) fn remove(&mut self, position: u32) -> Option<Timer> {
        let last = self.timers.pop()?;
        let gap = self.timers.get_mut(position as usize);
        let filler = gap.is_some().then_some(last);
        let removed = gap.map_or(last, |gap| std::mem::replace(gap, last));
        if self.timers.is_empty() {
            self.bound = u64::MAX;
            self.is_exact = true;
        } else if removed.deadline == self.bound {
            self.is_exact = false;
        }
        self.shrink();
        filler
    }

    /// Moves all timers that are due at `now` into `taken`, and others with deadlines up to `until`, but not too many of these. Tells
    /// `shifted` of each timer that stays and gets a new position.
    pub(super) fn take(
        &mut self,
        now: u64,
        until: u64,
        taken: &mut Vec<Timer>,
        mut shifted: impl FnMut(Timer, u32),
    ) {
        self.bound = u64::MAX;
        self.is_exact = true;
        let mut ahead = AT_ONCE.max(self.timers.len() / AT_ONCE);
        // From the end, so that the last timer, which fills the gap, is always one that stays.
        for position in (0..self.timers.len()).rev() {
            let timer = self.timers[position];
            if timer.deadline > until || (timer.deadline > now && ahead == 0) {
                self.bound = self.bound.min(timer.deadline);
                continue;
            }
            ahead -= usize::from(timer.deadline > now);
            taken.push(self.timers.swap_remove(position));
            if let Some(filler) = self.timers.get(position) {
                shifted(*filler, position as u32);
            }
        }
        self.shrink();
    }

    /// A moment that no timer is earlier than; see [`search`](Self::search).
    pub(super) fn bound(&self) -> u64 {
        self.bound
    }

    /// Whether the bound is the deadline of the earliest timer.
    pub(super) fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Makes the bound exact.
    #[cold]
    pub(super) fn search(&mut self) {
        let deadlines = self.timers.iter().map(|timer| timer.deadline);
        self.bound = deadlines.min().unwrap_or(u64::MAX);
        self.is_exact = true;
    }

    /// Gives memory back when three quarters of it are unused: all slots together need no more than the timers that live.
    fn shrink(&mut self) {
        let (len, room) = (self.timers.len(), self.timers.capacity());
        if room > KEPT && len <= room / 4 {
            self.timers.shrink_to(KEPT.max(2 * len));
        }
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    fn slot_of(deadlines: impl IntoIterator<Item = u64>) -> Slot {
        let mut slot = Slot::EMPTY;
        for deadline in deadlines {
            let index = slot.end();
            slot.push(Timer { deadline, index });
        }
        slot
    }

    /// Takes the timers up to `until`, and compares the positions that it is told with those that the others have.
    fn take(slot: &mut Slot, until: u64) -> Vec<u32> {
        let mut positions: Vec<u32> = (0..slot.end()).collect();
        let mut taken = Vec::new();
        slot.take(0, until, &mut taken, |timer, position| {
            positions[timer.index as usize] = position;
        });
        for (position, timer) in slot.timers.iter().enumerate() {
            assert_eq!(positions[timer.index as usize] as usize, position);
        }
        let mut taken: Vec<u32> = taken.iter().map(|timer| timer.index).collect();
        taken.sort_unstable();
        taken
    }

    #[test]
    fn every_subset_can_be_taken() {
        for subset in 0..1u32 << 7 {
            let is_in = |index: &u32| subset >> index & 1 == 1;
            let deadlines = (0..7).map(|index| if is_in(&index) { 1 } else { 2 });
            let mut slot = slot_of(deadlines);
            assert!(take(&mut slot, 1).into_iter().eq((0..7).filter(is_in)));
            let left = if slot.is_empty() { u64::MAX } else { 2 };
            assert_eq!((slot.bound(), slot.is_exact()), (left, true));
        }
    }

    #[test]
    fn all_that_are_due_are_taken_but_only_some_of_the_others() {
        let mut slot = slot_of(0..4000);
        let mut taken = Vec::new();
        slot.take(999, 2999, &mut taken, |_, _| ());
        let due = taken.iter().filter(|timer| timer.deadline <= 999);
        assert_eq!((due.count(), taken.len()), (1000, 1000 + AT_ONCE));
        assert!(taken.iter().all(|timer| timer.deadline <= 2999));
        let earliest = slot.timers.iter().map(|timer| timer.deadline).min();
        assert_eq!((Some(slot.bound()), slot.is_exact()), (earliest, true));
    }

    #[test]
    fn the_bound_is_never_too_late_and_a_search_makes_it_exact() {
        let mut slot = slot_of([5, 3, 9]);
        assert_eq!((slot.bound(), slot.is_exact()), (3, true));
        assert_eq!(slot.remove(1).map(|timer| timer.deadline), Some(9));
        assert_eq!((slot.bound(), slot.is_exact()), (3, false));
        slot.search();
        assert_eq!((slot.bound(), slot.is_exact()), (5, true));
        assert!(slot.remove(1).is_none(), "it was the last");
        assert_eq!((slot.bound(), slot.is_exact()), (5, true));
        assert!(slot.remove(0).is_none());
        assert_eq!((slot.bound(), slot.is_exact()), (u64::MAX, true));
    }

    #[test]
    fn a_crowd_that_has_left_keeps_no_room() {
        let mut slot = slot_of(0..10_000);
        for _ in 0..9_900 {
            slot.remove(0);
        }
        assert!(slot.timers.capacity() <= 400);
        take(&mut slot, u64::MAX);
        assert!(slot.timers.capacity() <= KEPT);
    }
}
