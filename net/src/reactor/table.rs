//! Which token means which source: a slab whose keys carry a generation.
//!
//! A descriptor that was closed may leave an event behind, and its place in the slab may have a new tenant by the time that event is
//! looked at. The generation in the token tells them apart: an event of an earlier tenant finds nobody.
//!
//! ```text
//!  token (64-bit machines):  | generation 32 | index 32 |      (32-bit machines: 16 | 16)
//! ```
//!
//! Plain data: the reactor keeps it behind a lock and holds that lock while it delivers a batch of events, so an entry is only ever
//! freed between two batches. A generation comes round again after 2^32 registrations; should a stale event meet exactly that one, the
//! cost is one superfluous look at a socket.

use super::source::Source;
use mio::Token;
use slab::Slab;
use std::sync::Arc;

/// The token of the reactor's own interrupt; no source ever gets it.
pub(super) const INTERRUPT: Token = Token(usize::MAX);

const INDEX_BITS: u32 = usize::BITS / 2;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

/// In debug builds the generation starts two short of its wrap, so that every test crosses it.
const FIRST_GENERATION: usize = if cfg!(debug_assertions) {
    INDEX_MASK - 2
} else {
    0
};

/// The entries of a reactor.
#[derive(Debug)]
pub(super) struct Table {
    entries: Slab<Entry>,
    next_generation: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    generation: usize,
    /// Shared with the registration: an event may be delivered while the registration goes away.
    source: Arc<Source>,
}

/// Why a source was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Closed,
    Full,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self {
            entries: Slab::new(),
            next_generation: FIRST_GENERATION,
            is_closed: false,
        }
    }

    /// Takes a source in and names its token.
    pub(super) fn insert(&mut self, source: Arc<Source>) -> Result<Token, Refused> {
        if self.is_closed {
            return Err(Refused::Closed);
        }
        // The last index is never given away, so that the token of all ones is free for the reactor itself.
        if self.entries.len() >= INDEX_MASK {
            return Err(Refused::Full);
        }
        let generation = self.next_generation;
        self.next_generation = (generation + 1) & INDEX_MASK;
        let index = self.entries.insert(Entry { generation, source });
        Ok(Token(generation << INDEX_BITS | index))
    }

    /// The source that `token` was given for, if it is still here.
    pub(super) fn find(&self, token: Token) -> Option<&Arc<Source>> {
        self.entries
            .get(token.0 & INDEX_MASK)
            .filter(|entry| entry.generation == token.0 >> INDEX_BITS)
            .map(|entry| &entry.source)
    }

    /// Gives a source up. The caller drops it after unlocking: it may hold wakers.
    pub(super) fn remove(&mut self, token: Token) -> Option<Arc<Source>> {
        self.find(token)?;
        Some(self.entries.remove(token.0 & INDEX_MASK).source)
    }

    /// Refuses sources from now on, and shows those that are here.
    pub(super) fn close(&mut self) -> impl Iterator<Item = &Arc<Source>> {
        self.is_closed = true;
        self.entries.iter().map(|(_, entry)| &entry.source)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::super::readiness::Signs;
    use super::*;

    fn source() -> Arc<Source> {
        Arc::new(Source::new(Signs::NONE))
    }

    #[test]
    fn r35_a_token_of_an_earlier_tenant_finds_nobody() {
        let mut table = Table::new();
        let mut old = Vec::new();
        for _ in 0..8 {
            let token = table.insert(source()).expect("open");
            assert!(table.remove(token).is_some());
            old.push(token);
        }
        let tenant = table.insert(source()).expect("open");
        assert_eq!(
            tenant.0 & INDEX_MASK,
            old[0].0 & INDEX_MASK,
            "the same place"
        );
        for token in old {
            assert!(table.find(token).is_none());
            assert!(table.remove(token).is_none());
        }
        assert!(table.find(tenant).is_some());
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn no_source_gets_the_token_of_the_reactor_itself() {
        let mut table = Table::new();
        for _ in 0..8 {
            let token = table.insert(source()).expect("open");
            assert_ne!(token, INTERRUPT);
        }
    }

    #[test]
    fn a_closed_table_takes_nobody_in() {
        let mut table = Table::new();
        let token = table.insert(source()).expect("open");
        assert_eq!(table.close().count(), 1);
        assert_eq!(table.insert(source()), Err(Refused::Closed));
        assert!(table.remove(token).is_some());
    }
}
