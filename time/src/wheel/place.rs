//! Where in the wheel a deadline belongs: pure arithmetic.

/// Levels of the wheel: enough for the 47 bits that a tick has.
pub(super) const LEVELS: usize = 8;

/// Slots per level: as many as a word has bits.
pub(super) const SLOTS: usize = 1 << SLOT_BITS;

/// Six bits of the tick choose the slot on each level.
const SLOT_BITS: u32 = 6;

/// A tick is 2^17 ns.
const TICK_BITS: u32 = 17;

const SLOT_MASK: u64 = SLOTS as u64 - 1;

/// One slot of the wheel: level times 64, plus the number of the slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u16);

impl Place {
    pub(super) const fn new(level: usize, slot: usize) -> Self {
        Self((level * SLOTS + slot) as u16)
    }

    /// Where `deadline` belongs in a wheel that has reached `reached`. What has passed belongs into the current slot.
    pub(super) fn of(deadline: u64, reached: u64) -> Self {
        let tick = deadline.max(reached) >> TICK_BITS;
        let differing = (tick ^ (reached >> TICK_BITS)) | SLOT_MASK;
        let level = (u64::BITS - 1 - differing.leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) & SLOT_MASK;
        Self::new(level as usize, slot as usize)
    }

    pub(super) fn level(self) -> usize {
        usize::from(self.0) / SLOTS
    }

    pub(super) fn slot(self) -> usize {
        usize::from(self.0) % SLOTS
    }

    /// Which of all slots it is.
    pub(super) fn number(self) -> usize {
        usize::from(self.0) % (LEVELS * SLOTS)
    }

    /// The slot's bit in the words of its level.
    pub(super) fn bit(self) -> u64 {
        1 << self.slot()
    }

    /// Up to which deadline timers have to leave this slot when the wheel has reached `reached`, a moment in it or after it: on level 0
    /// those that are due, above it those that share a slot of the level below with that moment.
    pub(super) fn until(self, reached: u64) -> u64 {
        match self.level() as u32 {
            0 => reached,
            level => reached | ((1 << (TICK_BITS + (level - 1) * SLOT_BITS)) - 1),
        }
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_are_in_the_order_of_deadlines(reached: u64, a: u64, b: u64, near in (0..64u32, 0..64u32)) {
            let mut deadlines = [a >> near.0, b >> near.1].map(|distance| reached.saturating_add(distance));
            deadlines.sort_unstable();
            let [first, second] = deadlines.map(|deadline| Place::of(deadline, reached).number());
            prop_assert!(first <= second);
        }

        #[test]
        fn who_has_to_leave_a_slot_belongs_to_a_lower_level(reached: u64, distance: u64, near in 0..64u32, between: u64, ahead: u64) {
            let deadline = reached.saturating_add(distance >> near);
            let place = Place::of(deadline, reached);
            let now = deadline - between % (deadline - reached + 1);
            let until = place.until(now);
            prop_assert!(until >= now);
            // Once `now` is in the slot.
            if Place::of(deadline, now).level() < place.level() {
                let leaves = now + ahead % (until - now + 1);
                prop_assert!(Place::of(leaves, now).level() < place.level());
            }
        }
    }

    #[test]
    fn the_whole_range_has_a_place() {
        let last = Place::of(u64::MAX, 0);
        assert_eq!((last.level(), last.slot()), (LEVELS - 1, 31));
        assert_eq!(Place::of(u64::MAX, u64::MAX).level(), 0);
        assert_eq!(Place::of(0, u64::MAX), Place::of(u64::MAX, u64::MAX));
    }

    #[test]
    fn level_zero_has_a_slot_per_131_microseconds() {
        let tick = 1 << TICK_BITS;
        assert_eq!(Place::of(tick - 1, 0), Place::new(0, 0));
        assert_eq!(Place::of(tick, 0), Place::new(0, 1));
        assert_eq!(Place::of(63 * tick, 0), Place::new(0, 63));
        assert_eq!(Place::of(64 * tick, 0), Place::new(1, 1));
    }
}
