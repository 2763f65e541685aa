//! A list in the order of arrival from which anybody can leave.

use std::collections::VecDeque;
use std::fmt;

/// So few places are not worth giving back.
const SMALL: usize = 8;

/// Values in the order in which they came, each with a key to take it out again. For the lists of stop trees.
///
/// A value that leaves from the middle leaves a gap; when there are more gaps than values the gaps are closed. So memory is bounded by
/// twice the values there are and a few. To add costs amortised constant time, and so does to leave, once a binary search has found
/// the place.
///
/// # Examples
///
/// ```
/// use lenio_sync::registry::Registry;
///
/// let mut queue = Registry::new();
/// let first = queue.push("first");
/// queue.push("second");
/// assert_eq!(queue.remove(first), Some("first"));
/// assert_eq!(queue.pop_first().map(|(_, value)| value), Some("second"));
/// assert!(queue.is_empty());
/// ```
pub struct Registry<T> {
    /// Sorted by key. There is no gap at either end.
    places: VecDeque<Place<T>>,
    /// How many places hold a value.
    live: usize,
    next_key: u64,
}

struct Place<T> {
    key: u64,
    value: Option<T>,
}

impl<T> Registry<T> {
    /// Makes an empty registry. Allocates nothing.
    pub const fn new() -> Self {
        Self {
            places: VecDeque::new(),
            live: 0,
            next_key: 0,
        }
    }

    /// Adds a value at the end, and returns its key.
    pub fn push(&mut self, value: T) -> u64 {
        self.push_with(|_| value)
    }

    /// As [`push`](Self::push), for a value that has to know its key.
    pub fn push_with(&mut self, make: impl FnOnce(u64) -> T) -> u64 {
        let key = self.next_key;
        let value = Some(make(key));
        self.next_key += 1;
        self.live += 1;
        self.places.push_back(Place { key, value });
        key
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Takes out the first value.
    pub fn pop_first(&mut self) -> Option<(u64, T)> {
        let place = self.places.pop_front()?;
        self.live -= 1;
        self.close_gaps();
        Some((place.key, place.value?))
    }

    /// Takes out all values, first come first. Their keys are not given out again.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::registry::Registry;
    ///
    /// let mut list = Registry::new();
    /// let old = list.push("old");
    /// assert_eq!(list.take_all().collect::<Vec<_>>(), ["old"]);
    /// list.push("new");
    /// assert_eq!(list.remove(old), None);
    /// ```
    pub fn take_all(&mut self) -> impl DoubleEndedIterator<Item = T> + use<T> {
        self.live = 0;
        let places = std::mem::take(&mut self.places);
        places.into_iter().filter_map(|place| place.value)
    }

    /// Takes out what was added with this key, if it is still there.
    pub fn remove(&mut self, key: u64) -> Option<T> {
        let at = self.place_of(key)?;
        let value = self.places[at].value.take()?;
        self.live -= 1;
        self.close_gaps();
        Some(value)
    }

    /// The values, first come first.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = T> {
        self.places.into_iter().filter_map(|place| place.value)
    }

    /// What was added with this key, if it is still there.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::registry::Registry;
    ///
    /// let mut list = Registry::new();
    /// let key = list.push(1);
    /// if let Some(value) = list.find(key) {
    ///     *value += 1;
    /// }
    /// assert_eq!(list.remove(key), Some(2));
    /// ```
    pub fn find(&mut self, key: u64) -> Option<&mut T> {
        let at = self.place_of(key)?;
        self.places[at].value.as_mut()
    }

    /// The values that were added after the one with key `after`, or all, first come first, with their keys.
    pub fn after(&self, after: Option<u64>) -> impl Iterator<Item = (u64, &T)> {
        let begin = match after {
            None => 0,
            Some(after) => self.places.partition_point(|place| place.key <= after),
        };
        let places = self.places.range(begin..);
        places.filter_map(|place| Some((place.key, place.value.as_ref()?)))
    }

    fn place_of(&self, key: u64) -> Option<usize> {
        // Where no gap was closed, the place follows from the first key.
        let first = self.places.front()?.key;
        let guess = usize::try_from(key.checked_sub(first)?).ok()?;
        if self.places.get(guess).is_some_and(|place| place.key == key) {
            return Some(guess);
        }
        let at = self.places.binary_search_by_key(&key, |place| place.key);
        at.ok()
    }

    fn close_gaps(&mut self) {
        let is_gap = |place: Option<&Place<T>>| place.is_some_and(|place| place.value.is_none());
        while is_gap(self.places.front()) {
            self.places.pop_front();
        }
        while is_gap(self.places.back()) {
            self.places.pop_back();
        }
        let bound = SMALL + 2 * self.live;
        if self.places.len() > bound {
            self.places.retain(|place| place.value.is_some());
        }
        if self.places.capacity() > 2 * bound {
            self.places.shrink_to(bound);
        }
    }
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("len", &self.live)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_registry_is_a_sorted_map_that_hands_out_its_keys(
            steps in prop::collection::vec((0..4_u8, any::<prop::sample::Index>()), 0..400),
        ) {
            let mut registry = Registry::new();
            let mut model = BTreeMap::new();
            for (number, (step, index)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        let key = registry.push(number);
                        prop_assert!(model.insert(key, number).is_none(), "each key is new");
                    }
                    2 if !model.is_empty() => {
                        let key = *index.get(&Vec::from_iter(model.keys().copied()));
                        prop_assert_eq!(registry.remove(key), model.remove(&key));
                        prop_assert_eq!(registry.remove(key), None);
                    }
                    _ => prop_assert_eq!(registry.pop_first(), model.pop_first()),
                }
                prop_assert_eq!(registry.live, model.len());
                let middle = number as u64 / 2;
                let after: Vec<u64> = registry.after(Some(middle)).map(|(key, _)| key).collect();
                let expected: Vec<u64> = model.range(middle + 1..).map(|(key, _)| *key).collect();
                prop_assert_eq!(after, expected);
                prop_assert_eq!(registry.after(None).count(), model.len());
                prop_assert_eq!(registry.find(middle).copied(), model.get(&middle).copied());
                prop_assert!(registry.places.len() <= SMALL + 2 * registry.live);
            }
            prop_assert_eq!(Vec::from_iter(registry.into_values()), Vec::from_iter(model.into_values()));
        }
    }

    #[test]
    fn memory_follows_the_live_values() {
        let mut registry = Registry::new();
        let keys: Vec<u64> = (0..100_000).map(|value| registry.push(value)).collect();
        // From both sides and the middle, so that gaps stay.
        for key in keys.iter().filter(|key| *key % 1_000 != 500) {
            assert!(registry.remove(*key).is_some());
        }
        assert_eq!(registry.live, 100);
        assert!(
            registry.places.capacity() < 1_000,
            "{}",
            registry.places.capacity()
        );
        assert_eq!(registry.into_values().count(), 100);
    }
}
