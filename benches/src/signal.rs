//! The signals that workloads use to tell each other something: runtime-neutral, and the same for every runtime.
//!
//! They are plain on purpose (one mutex around an optional waker: two read-modify-writes to register, two to wake,
//! as in the usual lock-free waker cell), because no runtime's own primitive may serve as the yardstick of another.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A place for the waker of one waiting task.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Waker>>);

impl Slot {
    /// Stores the waker, replacing an older one.
    pub(crate) fn register(&self, waker: &Waker) {
        let new = waker.clone();
        let old = lock(&self.0).replace(new);
        drop(old);
    }

    /// Takes the stored waker out.
    pub(crate) fn take(&self) -> Option<Waker> {
        lock(&self.0).take()
    }
}

/// A flag that one task sets and another waits for; waiting clears it.
#[derive(Default)]
pub(crate) struct Flag {
    is_set: AtomicBool,
    waiter: Slot,
}

impl Flag {
    /// Sets the flag and returns the waiter to be woken, so that a caller can time the wake alone.
    #[must_use]
    pub(crate) fn raise(&self) -> Option<Waker> {
        // ORDERING: Release pairs with the Acquire swap in `wait`; the waiter's mutex orders register against take.
        self.is_set.store(true, Ordering::Release);
        self.waiter.take()
    }

    /// Sets the flag and wakes the waiter.
    pub(crate) fn set(&self) {
        if let Some(waker) = self.raise() {
            waker.wake();
        }
    }

    /// Waits until the flag is set and clears it.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + '_ {
        poll_fn(|cx| {
            // ORDERING: Acquire pairs with the Release store in `raise`.
            if self.is_set.swap(false, Ordering::Acquire) {
                return Poll::Ready(());
            }
            self.waiter.register(cx.waker());
            // ORDERING: as above. The mutex of the slot was taken in between: either `raise` finds the waker, or its
            // store happened before and is seen here.
            if self.is_set.swap(false, Ordering::Acquire) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }
}

enum State<T> {
    Empty,
    Waiting(Waker),
    Sent(T),
    Taken,
}

/// Makes a channel for exactly one value.
pub(crate) fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(State::Empty));
    (Sender(shared.clone()), Receiver(shared))
}

/// The sending half of [`oneshot`].
pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

impl<T> Sender<T> {
    /// Hands the value over and wakes the receiver.
    pub(crate) fn send(self, value: T) {
        let before = mem::replace(&mut *lock(&self.0), State::Sent(value));
        if let State::Waiting(waker) = before {
            waker.wake();
        }
    }
}

/// The receiving half of [`oneshot`]: a future of the value.
pub(crate) struct Receiver<T>(Arc<Mutex<State<T>>>);

impl<T> Future for Receiver<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let waker = cx.waker().clone();
        let mut state = lock(&self.0);
        let before = mem::replace(&mut *state, State::Taken);
        match before {
            State::Sent(value) => Poll::Ready(value),
            State::Empty | State::Waiting(_) => {
                *state = State::Waiting(waker);
                drop(state);
                drop(before);
                Poll::Pending
            }
            State::Taken => panic!("a oneshot receiver was polled after it was ready"),
        }
    }
}

/// A future that wakes its own task and returns `Pending` once: the yield that every runtime understands.
pub(crate) fn wake_yield() -> impl Future<Output = ()> + Send {
    let mut has_yielded = false;
    poll_fn(move |cx| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Locks although a panicking task may have poisoned the mutex: every state above is whole between two operations.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
