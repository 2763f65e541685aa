//! The timers of a wheel: one vector of entries, linked into lists by their indices.
//!
//! Indices instead of pointers make the lists safe code, and an entry that belongs to the wheel instead of to the future that waits
//! makes that future movable. A future names its entry by a [`Key`]: the index, and an id that is never given twice. So a key that
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

/// A first-in-first-out list of entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    head: u32,
    tail: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.head == NONE
    }
}

/// All timers of a wheel, and the entries that wait to be used again.
pub(super) struct Entries<T> {
    entries: Vec<Entry<T>>,
    /// The first vacant entry; the others follow through `next`.
    vacant: u32,
    len: usize,
    /// The id of the next timer. At one per nanosecond it lasts for 584 years.
    next_id: u64,
}

struct Entry<T> {
    deadline: u64,
    id: u64,
    prev: u32,
    next: u32,
    /// The slot whose list the entry is in.
    place: Place,
    value: Option<T>,
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

    /// Takes an entry into use. It is in no list yet.
    pub(super) fn add(&mut self, deadline: u64, value: T) -> Key {
        let id = self.next_id;
        self.next_id += 1;
        self.len += 1;
        let entry = Entry {
            deadline,
            id,
            prev: NONE,
            next: NONE,
            place: Place::new(0, 0),
            value: Some(value),
        };
        let index = self.vacant;
        if let Some(place) = self.entries.get_mut(index as usize) {
            self.vacant = place.next;
            *place = entry;
            return Key { id, index };
        }
        let index = self.entries.len() as u32;
        assert!(index < NONE, "fewer than 2^32 timers fit into one wheel");
        self.entries.push(entry);
        Key { id, index }
    }

    /// Gives the value of an unlinked entry back; the entry may be used again.
    pub(super) fn free(&mut self, index: u32) -> T {
        let next = std::mem::replace(&mut self.vacant, index);
        let entry = self.entry(index);
        entry.id = VACANT;
        entry.next = next;
        let value = entry.value.take().expect("an entry in use has a value");
        self.len -= 1;
        if self.len == 0 && self.entries.len() > KEPT {
            self.entries = Vec::new();
            self.vacant = NONE;
        }
        value
    }

    /// The deadline and the place of a timer that is still there.
    pub(super) fn find(&self, key: Key) -> Option<(u64, Place)> {
        let entry = self.entries.get(key.index as usize)?;
        (entry.id == key.id).then_some((entry.deadline, entry.place))
    }

    /// The value of a timer that is still there.
    pub(super) fn value_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.index as usize)?;
        entry.value.as_mut().filter(|_| entry.id == key.id)
    }

    pub(super) fn deadline(&self, index: u32) -> u64 {
        self.entries[index as usize].deadline
    }

    pub(super) fn id(&self, index: u32) -> u64 {
        self.entries[index as usize].id
    }

    /// The earliest deadline in a list that is not empty.
    pub(super) fn earliest(&self, list: &List) -> u64 {
        let mut earliest = u64::MAX;
        let mut index = list.head;
        while let Some(entry) = self.entries.get(index as usize) {
            earliest = earliest.min(entry.deadline);
            index = entry.next;
        }
        earliest
    }

    /// Appends an entry that is in no list to the list of `place`.
    pub(super) fn push_back(&mut self, list: &mut List, index: u32, place: Place) {
        let last = std::mem::replace(&mut list.tail, index);
        let entry = self.entry(index);
        entry.place = place;
        entry.prev = last;
        entry.next = NONE;
        match self.entries.get_mut(last as usize) {
            Some(last) => last.next = index,
            None => list.head = index,
        }
    }

    /// Takes the first entry out of a list.
    pub(super) fn pop_front(&mut self, list: &mut List) -> Option<u32> {
        let index = list.head;
        if index == NONE {
            return None;
        }
        self.unlink(list, index);
        Some(index)
    }

    /// Takes an entry out of the list that it is in.
    pub(super) fn unlink(&mut self, list: &mut List, index: u32) {
        let entry = self.entry(index);
        let (prev, next) = (entry.prev, entry.next);
        match self.entries.get_mut(prev as usize) {
            Some(prev) => prev.next = next,
            None => list.head = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(next) => next.prev = prev,
            None => list.tail = prev,
        }
    }

    fn entry(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.entries[index as usize]
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn a_timer_takes_48_bytes() {
        assert_eq!(size_of::<Entry<Waker>>(), 48);
    }

    #[test]
    fn a_key_that_outlived_its_timer_finds_nothing() {
        let mut entries = Entries::new();
        let old = entries.add(1, 'a');
        assert_eq!(entries.free(old.index()), 'a');
        assert_eq!(entries.value_mut(old), None);
        let new = entries.add(2, 'b');
        assert_eq!(new.index(), old.index(), "the entry is used again");
        assert_eq!(entries.find(old), None);
        assert_eq!(entries.value_mut(old), None);
        assert_eq!(entries.value_mut(new), Some(&mut 'b'));
    }

    #[test]
    fn an_empty_wheel_gives_the_memory_of_a_crowd_back() {
        let mut entries = Entries::new();
        let keys: Vec<Key> = (0..1000).map(|n| entries.add(n, ())).collect();
        for key in &keys {
            entries.free(key.index());
        }
        assert_eq!(entries.entries.capacity(), 0);
        assert_eq!(entries.find(keys[0]), None);
        let key = entries.add(0, ());
        assert!(!keys.contains(&key), "no id is given twice");
    }
}
