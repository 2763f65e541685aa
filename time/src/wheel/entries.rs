//! The timers of a wheel: one vector of entries that know where in the wheel they stand.
//!
//! Indices instead of pointers make it safe code, and an entry that belongs to the wheel instead of to the future that waits makes
//! that future movable. A future names its entry by a [`Key`]: the index, and an id that is never given twice. So a key that
//! outlived its timer finds nothing, whoever uses the entry now.

use super::place::Place;

/// No entry.
const NONE: u32 = u32::MAX;

/// The id of an entry that is not in use.
const VACANT: u64 = 0;

/// How many entries an empty wheel keeps for later.
const KEPT: usize = 256;

/// Names one timer, for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    id: u64,
    index: u32,
}

impl Key {
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

/// All timers of a wheel, and the entries that wait to be used again.
pub(super) struct Entries<T> {
    entries: Vec<Entry<T>>,
    /// The first vacant entry; each has the next one as its position.
    vacant: u32,
    len: usize,
    /// The id of the next timer. At one per nanosecond it lasts for 584 years.
    next_id: u64,
}

struct Entry<T> {
    id: u64,
    spot: Spot,
    value: Option<T>,
}

/// Where a timer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spot {
    /// The slot.
    pub(super) place: Place,
    /// Where in the slot.
    pub(super) position: u32,
}

impl<T> Entries<T> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            vacant: NONE,
            len: 0,
            next_id: VACANT + 1,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes an entry into use, for a timer that stands at `spot`.
    pub(super) fn add(&mut self, value: T, spot: Spot) -> Key {
        let id = self.next_id;
        self.next_id += 1;
        self.len += 1;
        let fresh = Entry {
            id,
            spot,
            value: Some(value),
        };
        let index = self.vacant;
        if let Some(entry) = self.entries.get_mut(index as usize) {
            self.vacant = entry.spot.position;
            *entry = fresh;
            return Key { id, index };
        }
        let index = self.entries.len() as u32;
        assert!(index < NONE, "fewer than 2^32 timers fit into one wheel");
        self.entries.push(fresh);
        Key { id, index }
    }

    /// Takes a timer out that is still there, and tells where it stood.
    pub(super) fn remove(&mut self, key: Key) -> Option<(T, Spot)> {
        let entry = self.entries.get(key.index as usize)?;
        let spot = entry.spot;
        (entry.id == key.id).then(|| (self.free(key.index), spot))
    }

    /// Gives the value of an entry in use back; the entry may be used again.
    #[inline]
    pub(super) fn free(&mut self, index: u32) -> T {
        let entry = &mut self.entries[index as usize];
        entry.id = VACANT;
        entry.spot.position = std::mem::replace(&mut self.vacant, index);
        let value = entry.value.take().expect("an entry in use has a value");
        self.len -= 1;
        if self.len == 0 && self.entries.len() > KEPT {
            self.entries = Vec::new();
            self.vacant = NONE;
        }
        value
    }

    /// The value of a timer that is still there.
    pub(super) fn value_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        entry.value.as_mut().filter(|_| entry.id == key.id)
    }

    pub(super) fn id(&self, index: u32) -> u64 {
        self.entries[index as usize].id
    }

    /// Where a timer stands, to be changed when it moves.
    pub(super) fn spot_mut(&mut self, index: u32) -> &mut Spot {
        &mut self.entries[index as usize].spot
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use std::task::Waker;

    const SOMEWHERE: Spot = Spot {
        place: Place::new(0, 0),
        position: 0,
    };

    #[test]
    fn an_entry_takes_32_bytes() {
        assert_eq!(size_of::<Entry<Waker>>(), 32);
    }

    #[test]
    fn a_key_that_outlived_its_timer_finds_nothing() {
        let mut entries = Entries::new();
        let old = entries.add('a', SOMEWHERE);
        assert_eq!(entries.free(old.index()), 'a');
        assert_eq!(entries.value_mut(old), None);
        let new = entries.add('b', SOMEWHERE);
        assert_eq!(new.index(), old.index(), "the entry is used again");
        assert_eq!(entries.remove(old), None);
        assert_eq!(entries.value_mut(old), None);
        assert_eq!(entries.value_mut(new), Some(&mut 'b'));
    }

    #[test]
    fn an_empty_wheel_gives_the_memory_of_a_crowd_back() {
        let mut entries = Entries::new();
        let keys: Vec<Key> = (0..1000).map(|_| entries.add((), SOMEWHERE)).collect();
        for key in &keys {
            entries.free(key.index());
        }
        assert_eq!(entries.entries.capacity(), 0);
        assert_eq!(entries.remove(keys[0]), None);
        let key = entries.add((), SOMEWHERE);
        assert!(!keys.contains(&key), "no id is given twice");
    }
}
