//! What lies on the table of a rendezvous channel: offers of senders that wait, messages that were accepted, and claims on receivers.

use std::collections::VecDeque;
use std::task::Waker;

/// The number of an offer. Zero stands for none.
pub(super) type Id = u64;

struct Entry<T> {
    id: Id,
    /// Whether its sender stands in the list of senders. Otherwise the message was accepted: its sender has gone on.
    is_offer: bool,
    value: T,
}

/// Offers and accepted messages, in the order in which they came.
pub(super) struct Offers<T> {
    /// Sorted by id. The offers among them are in the order of the list of senders.
    entries: VecDeque<Entry<T>>,
    /// Offers that the end of the channel left behind, sorted by id: their senders fetch them.
    returned: VecDeque<Entry<T>>,
    accepted: usize,
    last_id: Id,
}

impl<T> Offers<T> {
    pub(super) const fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            returned: VecDeque::new(),
            accepted: 0,
            last_id: 0,
        }
    }

    /// How many messages a receiver could take.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them have no sender that waits.
    pub(super) fn accepted(&self) -> usize {
        self.accepted
    }

    /// Lays down what a waiting sender offers.
    pub(super) fn offer(&mut self, value: T) -> Id {
        self.push(value, true)
    }

    /// Lays down a message for which nobody waits.
    pub(super) fn accept(&mut self, value: T) {
        self.accepted += 1;
        self.push(value, false);
    }

    fn push(&mut self, value: T, is_offer: bool) -> Id {
        // 64 bits do not come to an end.
        self.last_id += 1;
        let id = self.last_id;
        self.entries.push_back(Entry {
            id,
            is_offer,
            value,
        });
        id
    }

    /// Takes the first message, and tells whether its sender waits.
    pub(super) fn take(&mut self) -> Option<(T, bool)> {
        let entry = self.entries.pop_front()?;
        self.accepted -= usize::from(!entry.is_offer);
        Some((entry.value, entry.is_offer))
    }

    /// Takes an offer back. `None` if a receiver has taken it.
    pub(super) fn take_back(&mut self, id: Id) -> Option<T> {
        let value = remove(&mut self.entries, id).or_else(|| remove(&mut self.returned, id));
        if self.returned.is_empty() {
            self.returned = VecDeque::new();
        }
        value
    }

    /// Takes the offers off the table, for their senders to fetch; what was accepted stays.
    pub(super) fn end(&mut self) {
        let all = std::mem::take(&mut self.entries);
        (self.returned, self.entries) = all.into_iter().partition(|entry| entry.is_offer);
    }

    /// Takes off the table what was accepted, once the channel has ended.
    pub(super) fn clear(&mut self) -> VecDeque<T> {
        self.accepted = 0;
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(|entry| entry.value).collect()
    }
}

fn remove<T>(entries: &mut VecDeque<Entry<T>>, id: Id) -> Option<T> {
    let at = entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
    entries.remove(at).map(|entry| entry.value)
}

/// Receivers that wait and are spoken for by a permit.
pub(super) struct Claims {
    wakers: Vec<(Id, Waker)>,
    last_id: Id,
}

impl Claims {
    pub(super) const fn new() -> Self {
        Self {
            wakers: Vec::new(),
            last_id: 0,
        }
    }

    pub(super) fn add(&mut self, receiver: Waker) -> Id {
        self.last_id += 1;
        self.wakers.push((self.last_id, receiver));
        self.last_id
    }

    /// Ends a claim. `None` if the end of the channel has done so.
    pub(super) fn remove(&mut self, id: Id) -> Option<Waker> {
        let at = self.wakers.iter().position(|(other, _)| *other == id)?;
        Some(self.wakers.remove(at).1)
    }

    pub(super) fn pop(&mut self) -> Option<Waker> {
        self.wakers.pop().map(|(_, waker)| waker)
    }
}
