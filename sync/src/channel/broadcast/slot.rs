//! One place of the ring, and the value in it.

use crate::contain::contain;
use std::mem;
use std::sync::Arc;

/// Holds nothing exactly while no receiver has to see the value any more.
type Node<T> = Arc<Option<T>>;

/// One place of the ring. Sits behind a lock of its own, which is never held while a value is cloned or dropped.
pub(super) struct Slot<T> {
    /// Where the value stands in the sequence of all values.
    position: u64,
    /// How many receivers have not seen it yet.
    remaining: usize,
    /// Shared with the receivers that are cloning the value right now. Else the allocation is used again for the next value.
    node: Option<Node<T>>,
}

/// A value on its way out of a slot, to be used or dropped after unlocking.
#[must_use = "values are dropped after unlocking"]
pub(super) enum Taken<T> {
    /// It was the last receiver's, or nobody's.
    Value(T),
    /// Others clone it, or will.
    Shared(Node<T>),
}

impl<T> Slot<T> {
    pub(super) fn new() -> Self {
        Self {
            position: 0,
            remaining: 0,
            node: None,
        }
    }

    /// Puts a value in, and hands out the one that it overwrites.
    pub(super) fn fill(&mut self, position: u64, remaining: usize, value: T) -> Option<Taken<T>> {
        self.position = position;
        self.remaining = remaining;
        let Some(node) = &mut self.node else {
            self.node = Some(Arc::new(Some(value)));
            return None;
        };
        match Arc::get_mut(node) {
            Some(place) => place.replace(value).map(Taken::Value),
            // Somebody is cloning the old value: it goes its own way.
            None => Some(Taken::Shared(mem::replace(node, Arc::new(Some(value))))),
        }
    }

    /// Whether the slot holds the value of this position, not one that has overwritten it.
    pub(super) fn holds(&self, position: u64) -> bool {
        self.position == position
    }

    /// Whether the slot holds the value of this position, and a receiver has still to see it.
    pub(super) fn is_wanted(&self, position: u64) -> bool {
        self.position == position && self.remaining > 0
    }

    /// The value, for one of the receivers that it is for. The last one gets the value itself.
    #[inline]
    pub(super) fn see(&mut self) -> Option<Taken<T>> {
        self.remaining -= 1;
        if self.remaining == 0 {
            return self.take();
        }
        self.node.clone().map(Taken::Shared)
    }

    /// Gives up the value for one of the receivers that it is for. Hands it out if that was the last.
    pub(super) fn give_up(&mut self) -> Option<Taken<T>> {
        self.remaining -= 1;
        if self.remaining == 0 {
            self.take()
        } else {
            None
        }
    }

    fn take(&mut self) -> Option<Taken<T>> {
        match Arc::get_mut(self.node.as_mut()?) {
            Some(place) => place.take().map(Taken::Value),
            None => self.node.take().map(Taken::Shared),
        }
    }
}

impl<T: Clone> Taken<T> {
    /// The value or a clone of it.
    #[inline]
    pub(super) fn into_value(self) -> T {
        let node = match self {
            Self::Value(value) => return value,
            Self::Shared(node) => node,
        };
        let value = T::clone(
            node.as_ref()
                .as_ref()
                .expect("a shared node holds its value"),
        );
        // It may have been overwritten meanwhile. What its drop does is not this receiver's affair.
        if let Some(last) = Arc::into_inner(node) {
            contain(|| drop(last));
        }
        value
    }
}
