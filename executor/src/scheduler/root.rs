//! The future of a `block_on`, as its worker sees it: woken or not.

use lenio_sync::park::Parker;
use lenio_sync::primitive::Mutex;
use lenio_sync::primitive::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Wake, Waker};

/// The waker of a root future: a flag, and a way to wake the thread that polls it.
#[derive(Debug)]
pub(crate) struct Root {
    woken: AtomicBool,
    sleeper: Mutex<Sleeper>,
}

/// Where the thread of a root future sleeps.
#[derive(Debug, Clone)]
pub(crate) enum Sleeper {
    /// At a place of a runtime: its scheduler and the number of the place.
    Place(std::sync::Weak<super::Shared>, usize),
    /// On a parker of its own.
    Parker(Arc<Parker>),
}

impl Sleeper {
    pub(crate) fn place(shared: &Arc<super::Shared>, place: usize) -> Self {
        Self::Place(Arc::downgrade(shared), place)
    }
}

impl Root {
    pub(crate) fn new(sleeper: Sleeper) -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            sleeper: Mutex::new(sleeper),
        })
    }

    /// Moves to another sleeping place. What was woken before stays woken.
    pub(crate) fn move_to(&self, sleeper: Sleeper) {
        *self.sleeper.lock() = sleeper;
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// Takes the wake, if there was one.
    pub(crate) fn take(&self) -> bool {
        // ORDERING: Relaxed first: a plain look on the way of every poll.
        if !self.woken.load(Ordering::Relaxed) {
            return false;
        }
        // ORDERING: Acquire pairs with the Release in `wake_by_ref`: what the waker wrote is visible to the poll.
        self.woken.swap(false, Ordering::Acquire)
    }

    /// Whether there is a wake to take. A sleeper puts a fence before.
    pub(crate) fn is_woken(&self) -> bool {
        // ORDERING: Relaxed: `take` acquires. The parker's token makes a wake that comes later than this look end the sleep.
        self.woken.load(Ordering::Relaxed)
    }
}

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release pairs with the Acquire in `take`. An RMW, so that every waker's writes are carried.
        if self.woken.swap(true, Ordering::Release) {
            return;
        }
        let sleeper = self.sleeper.lock().clone();
        match sleeper {
            Sleeper::Parker(parker) => parker.unpark(),
            Sleeper::Place(shared, place) => {
                // The worker that polls the root is often the one that wakes it: it will look before it sleeps.
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                if !super::current::is_worker_at(&shared, place) {
                    shared.places[place].parker.unpark();
                }
            }
        }
    }
}
