//! How the workers and the monitor reach each other.
//!
//! Both sides store, put a `fence(SeqCst)`, and load: the monitor says that it sleeps and then looks at the workers; a worker has left
//! the sleepers (or entered its place) and then looks at the monitor. Of two fences one is first, so at least one sees the other.

use lenio_sync::park::Parker;
use lenio_sync::primitive::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

/// How the others reach the monitor.
#[derive(Debug)]
pub(crate) struct Watch {
    parker: Parker,
    asleep: AtomicBool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            parker: Parker::new(None),
            asleep: AtomicBool::new(false),
        }
    }

    /// A worker has left the sleepers, or a thread has occupied a place.
    #[inline]
    pub(crate) fn note_activity(&self) {
        // ORDERING: SeqCst pairs with the fence in `sleep_deeply`: see the module.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: ordered by the fence.
        if self.asleep.load(Ordering::Relaxed) {
            self.interrupt();
        }
    }

    pub(crate) fn interrupt(&self) {
        // ORDERING: Relaxed: spares the others the unpark; the token is what wakes.
        self.asleep.store(false, Ordering::Relaxed);
        self.parker.unpark();
    }

    /// Makes the calling thread the monitor.
    pub(super) fn adopt(&self) {
        self.parker.adopt();
    }

    /// The monitor sleeps between two looks.
    pub(super) fn nap(&self, time: Duration) {
        self.parker.park(Some(time));
    }

    /// Sleeps until there is activity, unless there is some already. Returns whether it slept.
    pub(super) fn sleep_deeply(&self, is_all_quiet: impl FnOnce() -> bool) -> bool {
        // ORDERING: Relaxed: ordered by the fence.
        self.asleep.store(true, Ordering::Relaxed);
        // ORDERING: SeqCst pairs with the fence in `note_activity`.
        fence(Ordering::SeqCst);
        if !is_all_quiet() {
            // ORDERING: Relaxed: takes back what nobody needs to see.
            self.asleep.store(false, Ordering::Relaxed);
            return false;
        }
        self.parker.park(None);
        // ORDERING: Relaxed: `interrupt` did the same.
        self.asleep.store(false, Ordering::Relaxed);
        true
    }
}
