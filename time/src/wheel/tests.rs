//! The wheel against a model that is too simple to be wrong: a sorted map.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What the wheel promises to be: timers by deadline, then by insertion.
#[derive(Default)]
struct Model {
    timers: BTreeMap<(u64, u64), Key>,
    inserted: u64,
    now: u64,
}

#[derive(Debug, Clone)]
enum Step {
    /// Inserts a timer so many nanoseconds from now, or before now.
    Insert {
        distance: u64,
        is_past: bool,
    },
    /// Inserts a timer with the deadline of one that is there.
    InsertTwin {
        which: usize,
    },
    Remove {
        which: usize,
    },
    RemoveEarliest,
    Turn {
        distance: u64,
    },
    TurnToEarliest,
    TurnToJustBeforeEarliest,
    TurnBackwards,
    Drain,
}

/// Distances of every magnitude, from a nanosecond to centuries, as likely close to a power of two as not.
fn distance() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..64u32, any::<u64>()).prop_map(|(shift, bits)| bits >> shift),
        (0..64u32, 0..4u64)
            .prop_map(|(shift, off)| (1u64 << shift).saturating_add(off) - 2.min(1 << shift)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (distance(), prop::bool::weighted(0.1))
            .prop_map(|(distance, is_past)| Step::Insert { distance, is_past }),
        2 => any::<usize>().prop_map(|which| Step::InsertTwin { which }),
        3 => any::<usize>().prop_map(|which| Step::Remove { which }),
        1 => Just(Step::RemoveEarliest),
        // Long jumps are rare, or there would soon be no time left.
        3 => (0..40u32, any::<u64>()).prop_map(|(bits, x)| Step::Turn { distance: x & ((1 << bits) - 1) }),
        1 => distance().prop_map(|distance| Step::Turn { distance: distance >> 4 }),
        2 => Just(Step::TurnToEarliest),
        1 => Just(Step::TurnToJustBeforeEarliest),
        1 => Just(Step::TurnBackwards),
        1 => prop::bool::weighted(0.05)
            .prop_map(|drains| if drains { Step::Drain } else { Step::TurnBackwards }),
    ]
}

impl Model {
    fn insert(&mut self, wheel: &mut Wheel<(u64, u64)>, deadline: u64) {
        let entry = (deadline, self.inserted);
        self.inserted += 1;
        let key = wheel.insert(Instant::from_nanos(deadline), entry);
        self.timers.insert(entry, key);
    }

    fn nth(&self, which: usize) -> Option<(u64, u64)> {
        let which = which.checked_rem(self.timers.len())?;
        self.timers.keys().nth(which).copied()
    }

    fn remove(&mut self, wheel: &mut Wheel<(u64, u64)>, entry: Option<(u64, u64)>) {
        let Some(entry) = entry else { return };
        let key = self.timers.remove(&entry).expect("it was there");
        assert_eq!(wheel.value_mut(key), Some(&mut entry.clone()));
        assert_eq!(wheel.remove(key), Some(entry));
        assert_eq!(wheel.remove(key), None, "only once");
    }

    fn turn(&mut self, wheel: &mut Wheel<(u64, u64)>, to: u64) {
        self.now = self.now.max(to);
        let mut fired = Vec::new();
        wheel.turn(Instant::from_nanos(to), |entry| fired.push(entry));
        let later = self.timers.split_off(&(self.now.saturating_add(1), 0));
        let due = std::mem::replace(&mut self.timers, later);
        assert!(
            fired.iter().eq(due.keys()),
            "exactly the due ones, in order"
        );
        for key in due.into_values() {
            assert_eq!(wheel.remove(key), None, "a fired timer is gone");
        }
    }

    fn step(&mut self, wheel: &mut Wheel<(u64, u64)>, step: Step) {
        let earliest = self.nth(0);
        match step {
            Step::Insert { distance, is_past } if is_past => {
                self.insert(wheel, self.now.saturating_sub(distance));
            }
            Step::Insert { distance, .. } => {
                self.insert(wheel, self.now.saturating_add(distance));
            }
            Step::InsertTwin { which } => {
                if let Some((deadline, _)) = self.nth(which) {
                    self.insert(wheel, deadline);
                }
            }
            Step::Remove { which } => self.remove(wheel, self.nth(which)),
            Step::RemoveEarliest => self.remove(wheel, earliest),
            Step::Turn { distance } => {
                let to = self.now.saturating_add(distance).min(u64::MAX - 1);
                self.turn(wheel, to);
            }
            Step::TurnToEarliest => {
                if let Some((deadline, _)) = earliest.filter(|(deadline, _)| *deadline < u64::MAX) {
                    self.turn(wheel, deadline);
                }
            }
            Step::TurnToJustBeforeEarliest => {
                if let Some((deadline, _)) = earliest {
                    self.turn(wheel, deadline.saturating_sub(1));
                }
            }
            Step::TurnBackwards => self.turn(wheel, self.now / 2),
            Step::Drain => {
                let mut fired = Vec::new();
                wheel.drain(|entry| fired.push(entry));
                assert!(fired.iter().eq(self.timers.keys()));
                self.timers.clear();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_wheel_agrees_with_a_sorted_map(
        start in distance(),
        steps in prop::collection::vec((step(), any::<bool>()), 1..120),
    ) {
        let now = start.min(u64::MAX - 1);
        let mut wheel = Wheel::new(Instant::from_nanos(now));
        let mut model = Model { now, ..Model::default() };
        for (step, looks) in steps {
            model.step(&mut wheel, step);
            prop_assert_eq!(wheel.len(), model.timers.len());
            // Not after every step, so that stale slots live long enough to be changed further.
            if looks {
                let earliest = model.nth(0).map(|(deadline, _)| Instant::from_nanos(deadline));
                prop_assert_eq!(wheel.next_deadline(), earliest);
            }
        }
    }
}

/// A crowd with short lives, as under load: many timers per slot, most of them cancelled, the wheel turned step by step. Once over a
/// minute, once so close that a slot has more to move than it may at once.
#[test]
fn a_hundred_thousand_timers_fire_in_order_and_none_is_lost() {
    for (ahead, spread) in [(0, 60_000_000_000), (600_000_000, 100_000_000)] {
        let mut random = 1u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let mut wheel = Wheel::new(Instant::from_nanos(0));
        let mut model = Model::default();
        for _ in 0..100_000 {
            model.insert(&mut wheel, ahead + next() % spread);
        }
        let keys: Vec<_> = model.timers.keys().copied().collect();
        for entry in keys {
            if next() % 4 > 0 {
                model.remove(&mut wheel, Some(entry));
            }
        }
        while let Some(earliest) = wheel.next_deadline() {
            model.turn(&mut wheel, earliest.as_nanos() + next() % 1_000_000);
        }
        assert!(model.timers.is_empty());
        assert_eq!(wheel.len(), 0);
    }
}

#[test]
fn a_timer_fires_at_its_nanosecond_and_not_one_before() {
    for shift in 0..63 {
        let deadline = Instant::from_nanos((1 << shift) + 3);
        let mut wheel = Wheel::new(Instant::from_nanos(0));
        wheel.insert(deadline, ());
        let mut fired = 0;
        wheel.turn(Instant::from_nanos((1 << shift) + 2), |()| fired += 1);
        assert_eq!(fired, 0);
        assert_eq!(wheel.next_deadline(), Some(deadline));
        wheel.turn(deadline, |()| fired += 1);
        assert_eq!(fired, 1);
    }
}

#[test]
fn a_timer_that_is_never_due_outlives_every_clock() {
    let mut wheel = Wheel::new(Instant::from_nanos(0));
    let key = wheel.insert(Instant::NEVER, ());
    wheel.turn(Instant::LAST, |()| panic!("it is never due"));
    assert_eq!(wheel.next_deadline(), Some(Instant::NEVER));
    assert_eq!(wheel.remove(key), Some(()));
}

/// What makes the others wait must not grow with the slot.
#[test]
fn no_more_timers_come_down_than_are_soon_due() {
    const TICK: u64 = 1 << 17;
    let mut wheel = Wheel::new(Instant::from_nanos(0));
    // A hundred per tick, all in one slot of level 1.
    let deadlines = (64 * TICK..128 * TICK).step_by(TICK as usize / 100);
    for deadline in deadlines.clone() {
        wheel.insert(Instant::from_nanos(deadline), deadline);
    }
    let slot = Place::of(64 * TICK, 0).number();
    let mut fired = Vec::new();
    for tick in 64..128 {
        let stood = wheel.slots[slot].end();
        wheel.turn(Instant::from_nanos(tick * TICK + TICK / 2), |timer| {
            fired.push(timer)
        });
        let came_down = stood - wheel.slots[slot].end();
        assert!((100..=101).contains(&came_down), "{came_down} in one tick");
    }
    wheel.turn(Instant::from_nanos(128 * TICK), |timer| fired.push(timer));
    assert!(fired.into_iter().eq(deadlines));
}

#[test]
fn timers_of_equal_deadline_fire_in_the_order_of_insertion_from_whatever_level() {
    let deadline = Instant::from_nanos(1 << 40);
    let mut wheel = Wheel::new(Instant::from_nanos(0));
    for (number, shift) in (10..40).rev().enumerate() {
        wheel.turn(Instant::from_nanos((1 << 40) - (1 << shift)), |_| {
            panic!("too early")
        });
        wheel.insert(deadline, number);
    }
    let mut fired = Vec::new();
    wheel.turn(deadline, |number| fired.push(number));
    assert!(fired.into_iter().eq(0..30));
}

#[test]
fn the_slots_of_a_wheel_take_21_kilobytes() {
    assert!(size_of::<[Slot; LEVELS * SLOTS]>() <= 21_000);
}
