//! Values that are counted: none may be lost, none may be there twice.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// What became of each [`Item`].
#[derive(Debug, Default, Clone)]
pub(crate) struct Ledger(Rc<RefCell<Vec<Fate>>>);

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// An operation said that it had taken the item over.
    pub(crate) accepted: bool,
    /// How many received it.
    pub(crate) received: usize,
    pub(crate) dropped: usize,
}

impl Ledger {
    pub(crate) fn item(&self) -> Item {
        let mut fates = self.0.borrow_mut();
        fates.push(Fate {
            accepted: false,
            received: 0,
            dropped: 0,
        });
        Item {
            number: fates.len() - 1,
            ledger: self.clone(),
        }
    }

    /// To be called when an operation has said that it took the item over.
    pub(crate) fn accept(&self, number: usize) {
        self.0.borrow_mut()[number].accepted = true;
    }

    pub(crate) fn fates(&self) -> Vec<Fate> {
        self.0.borrow().clone()
    }

    /// Every item was dropped once; the accepted ones were received once, and no other was.
    #[track_caller]
    pub(crate) fn assert_each_accepted_item_was_received_once(&self) {
        for (number, fate) in self.fates().into_iter().enumerate() {
            assert_eq!(fate.dropped, 1, "item {number}: {fate:?}");
            assert_eq!(
                fate.received,
                usize::from(fate.accepted),
                "item {number}: {fate:?}"
            );
        }
    }

    /// Every item was dropped once, and none was received twice.
    #[track_caller]
    pub(crate) fn assert_no_item_was_lost_or_doubled(&self) {
        for (number, fate) in self.fates().into_iter().enumerate() {
            assert_eq!(fate.dropped, 1, "item {number}: {fate:?}");
            assert!(fate.received <= 1, "item {number}: {fate:?}");
        }
    }
}

/// A value that enters its own end into the ledger.
pub(crate) struct Item {
    pub(crate) number: usize,
    ledger: Ledger,
}

impl Item {
    /// To be called by whoever receives it.
    pub(crate) fn receive(self) -> usize {
        self.ledger.0.borrow_mut()[self.number].received += 1;
        self.number
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.ledger.0.borrow_mut()[self.number].dropped += 1;
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({})", self.number)
    }
}
