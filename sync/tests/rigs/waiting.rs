//! Futures of a rig that wait.

use super::{Rig, Wait};
use crate::harness::waker::Hostile;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A future, and the waker of whoever polls it.
pub(crate) struct Waiting {
    future: RefCell<Option<Wait>>,
    pub(crate) hostile: Arc<Hostile>,
    /// How often it had been woken when it was polled last.
    seen: RefCell<usize>,
}

impl Waiting {
    pub(crate) fn new(future: Wait, hostile: Arc<Hostile>) -> Rc<Self> {
        Rc::new(Self {
            future: RefCell::new(Some(future)),
            hostile,
            seen: RefCell::new(0),
        })
    }

    /// Polls it, unless it is gone or being polled. Returns whether it became ready.
    pub(crate) fn poll(&self, waker: &Waker) -> bool {
        let Ok(mut future) = self.future.try_borrow_mut() else {
            return false;
        };
        let Some(wait) = future.as_mut() else {
            return false;
        };
        *self.seen.borrow_mut() = self.hostile.wakes();
        let poll = wait.as_mut().poll(&mut Context::from_waker(waker));
        // Dropped without the borrow: its drop may wake, and the wake may look here.
        let over = match poll {
            Poll::Ready(()) => future.take(),
            Poll::Pending => None,
        };
        drop(future);
        over.is_some()
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.lives() && self.hostile.wakes() > *self.seen.borrow()
    }

    pub(crate) fn lives(&self) -> bool {
        self.future.borrow().is_some()
    }

    pub(crate) fn leave(&self) {
        if let Ok(mut future) = self.future.try_borrow_mut() {
            let future_of_its_own = future.take();
            drop(future);
            drop(future_of_its_own);
        }
    }

    /// Forgets the future.
    pub(crate) fn forget(&self) {
        if let Some(future) = self.future.take() {
            future.forget();
        }
    }
}

/// Who may find something to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finds {
    /// Somebody else would have had to be woken for it.
    OnlyWhoWasWoken,
    /// Whoever was woken for it is gone without notice.
    Anybody,
}

/// Polls who was woken; then looks whether anybody else finds something; then serves until nobody waits.
pub(crate) fn settle(rig: &Rig, others: &[Rc<Waiting>], finds: Finds) {
    const ROUNDS: usize = 100;
    for _ in 0..ROUNDS {
        let mut polls = 0;
        while let Some(woken) = others.iter().find(|other| other.is_woken()) {
            woken.poll(&woken.hostile.waker());
            polls += 1;
            assert!(polls < 1_000, "they wake each other for ever");
        }
        for other in others {
            let is_ready = other.lives() && other.poll(&other.hostile.waker());
            assert!(
                !is_ready || finds == Finds::Anybody,
                "it was ready and nobody had woken it"
            );
        }
        if !others.iter().any(|other| other.lives()) {
            (rig.check)();
            return;
        }
        (rig.serve)();
    }
    panic!("somebody still waits after having been served {ROUNDS} times");
}
