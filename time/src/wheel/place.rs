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
    pub(super) fn new(level: usize, slot: usize) -> Self {
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

    /// The slot's bit in the words of its level.
    pub(super) fn bit(self) -> u64 {
        1 << self.slot()
    }

    /// The first and the last nanosecond of this slot in a wheel that has reached `reached`.
    pub(super) fn span(self, reached: u64) -> (u64, u64) {
        let slot_bits = TICK_BITS + self.level() as u32 * SLOT_BITS;
        let level_bits = slot_bits + SLOT_BITS;
        // The top level has fewer slots than 64: its upper bits would stand above bit 63.
        let above = u64::MAX.checked_shl(level_bits).unwrap_or(0);
        let start = (reached & above) | ((self.slot() as u64) << slot_bits);
        (start, start | ((1 << slot_bits) - 1))
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_spans_the_deadline_that_belongs_there(a: u64, b: u64, near in 0..64u32) {
            let reached = a;
            let deadline = a.saturating_add(b >> near);
            let place = Place::of(deadline, reached);
            let (start, last) = place.span(reached);
            prop_assert!(start <= deadline && deadline <= last);
            prop_assert!(place.level() == 0 || start > reached);
        }
    }

    #[test]
    fn the_whole_range_has_a_place() {
        let last = Place::of(u64::MAX, 0);
        assert_eq!((last.level(), last.slot()), (LEVELS - 1, 31));
        assert_eq!(last.span(0).1, u64::MAX);
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
