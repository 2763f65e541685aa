//! The future of a `block_on`, as its worker sees it: woken or not.

use lenio_sync::park::Parker;
use lenio_sync::primitive::Mutex;
use lenio_sync::primitive::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Wake, Waker};

/// The waker of a root future: a flag, and the parker of the thread that polls it.
#[derive(Debug)]
pub(crate) struct Root {
    woken: AtomicBool,
    parker: Mutex<Arc<Parker>>,
}

impl Root {
    /// A root future that has to be polled, by the thread that sleeps at `parker`.
    pub(crate) fn new(parker: Arc<Parker>) -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
            parker: Mutex::new(parker),
        })
    }

    /// Moves to another sleeping place. What was woken before stays woken.
    pub(crate) fn move_to(&self, parker: Arc<Parker>) {
        *self.parker.lock() = parker;
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// Takes the wake, if there was one.
    #[inline]
    pub(crate) fn take(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `wake_by_ref`: what the waker wrote is visible to the poll. The load first is a
        // plain look on the way of every poll.
        self.is_woken() && self.woken.swap(false, Ordering::Acquire)
    }

    /// Whether there is a wake to take. A sleeper puts a fence before; a wake that comes later leaves a token at the parker.
    #[inline]
    pub(crate) fn is_woken(&self) -> bool {
        // ORDERING: Relaxed: `take` acquires.
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
        let parker = self.parker.lock().clone();
        parker.unpark();
    }
}
