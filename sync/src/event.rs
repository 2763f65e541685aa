//! A flag that tasks can wait for.

use crate::budget;
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::wait::{Stage, WaitQueue, Waiter, WakeBatch, note};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A flag that can be set and cleared, and that any number of tasks can wait for.
///
/// Use it for a state that many look at: *ready*, *paused*, *the configuration is there*. To wake one of several workers per signal
/// use [`Notify`](crate::Notify), to hand a value over a `channel`.
///
/// [`set`](Self::set) and [`clear`](Self::clear) tell whether they changed anything. What a task wrote before `set` is visible to
/// whoever sees the flag set.
///
/// # Examples
///
/// ```
/// use lenio_sync::{Event, wait::block_on};
/// use std::sync::Arc;
/// use std::thread;
///
/// let ready = Arc::new(Event::new());
/// let other = ready.clone();
/// let thread = thread::spawn(move || other.set());
/// block_on(ready.wait());
/// assert!(ready.is_set());
/// # thread.join().ok();
/// ```
pub struct Event {
    /// Changed under the lock of `waiters` only, so that a waiter that looked under it is in the list before the next change.
    is_set: AtomicBool,
    waiters: WaitQueue<()>,
}

impl Event {
    /// Makes an event that is not set.
    pub fn new() -> Self {
        Self {
            is_set: AtomicBool::new(false),
            waiters: WaitQueue::new(()),
        }
    }

    /// Whether the flag is set now. Costs one load.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = lenio_sync::Event::new();
    /// assert!(!event.is_set());
    /// ```
    #[inline]
    pub fn is_set(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `set`: whoever sees the flag sees what was written before.
        self.is_set.load(Ordering::Acquire)
    }

    /// Sets the flag and wakes all who wait, in the order in which they began to. Returns whether the flag was clear before.
    ///
    /// Everybody who waits at this moment will get through, even if the flag is cleared before they are polled.
    ///
    /// Costs one load if the flag is set already; else a lock, and a wake-up for each waiter after it.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = lenio_sync::Event::new();
    /// assert!(event.set());
    /// assert!(!event.set(), "it was set already");
    /// ```
    pub fn set(&self) -> bool {
        if self.is_set() {
            return false;
        }
        let mut batch = WakeBatch::new();
        let mut waiters = self.waiters.lock();
        // ORDERING: Release pairs with the Acquire in `is_set`. Acquire is not needed: changes are made under the lock.
        let changed = !self.is_set.swap(true, Ordering::Release);
        waiters.wake_all(0, &mut batch);
        drop(waiters);
        batch.wake_all();
        changed
    }

    /// Clears the flag. Returns whether it was set before. Wakes nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = lenio_sync::Event::new();
    /// event.set();
    /// assert!(event.clear());
    /// assert!(!event.clear());
    /// ```
    pub fn clear(&self) -> bool {
        let waiters = self.waiters.lock();
        // ORDERING: Relaxed: changes are ordered by the lock, and a cleared flag publishes nothing.
        let changed = self.is_set.swap(false, Ordering::Relaxed);
        drop(waiters);
        changed
    }

    /// Waits until the flag is set. Ready at once if it is.
    ///
    /// With a time limit: `timeout(duration, event.wait())` of `lenio::time`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped: the flag stays as it is.
    ///
    /// # Fairness
    ///
    /// Every call of [`set`](Self::set) ends all waits that began before it.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Event, wait::block_on};
    ///
    /// let event = Event::new();
    /// event.set();
    /// block_on(event.wait());
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Wait<'_> {
        Wait {
            event: self,
            waiter: Waiter::new(&self.waiters),
            at: Location::caller(),
        }
    }

    /// Blocks the calling thread until the flag is set. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = lenio_sync::Event::new();
    /// event.set();
    /// event.wait_blocking();
    /// ```
    #[track_caller]
    pub fn wait_blocking(&self) {
        crate::wait::block_on(self.wait());
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("is_set", &self.is_set())
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Event::wait`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait<'e> {
        event: &'e Event,
        #[pin]
        waiter: Waiter<'e, ()>,
        at: &'static Location<'static>,
    }
}

impl Future for Wait<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.waiter.stage() == Stage::Fresh && this.event.is_set() {
            // The budget is for what is ready at once. Whoever has to wait is enlisted in any case, or a `set` could pass it by.
            return budget::poll_proceed(cx);
        }
        // Only `set` takes waiters out: to have been woken is to have been let through.
        let poll = this.waiter.poll(0, cx, |_, stage| {
            (stage == Stage::Woken || this.event.is_set()).then_some(())
        });
        if poll.is_pending() {
            note("event", this.at);
        }
        poll
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Waker;

    #[test]
    fn r21_everybody_who_waited_at_the_set_gets_through_although_it_was_cleared() {
        let event = Event::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut early = pin!(event.wait());
        assert!(early.as_mut().poll(&mut cx).is_pending());
        assert!(event.set());
        assert!(event.clear());
        let mut late = pin!(event.wait());
        assert!(late.as_mut().poll(&mut cx).is_pending());
        assert!(early.as_mut().poll(&mut cx).is_ready());
        assert!(late.as_mut().poll(&mut cx).is_pending());
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::primitive::thread;
    use crate::wait::block_on;
    use std::sync::Arc;

    #[test]
    fn loom_ci_r21_notify_all_atomic_a_set_wakes_both_waiters() {
        loom::model(|| {
            let event = Arc::new(Event::new());
            let (first, second) = (event.clone(), event.clone());
            let a = thread::spawn(move || block_on(first.wait()));
            let b = thread::spawn(move || block_on(second.wait()));
            assert!(event.set());
            a.join().unwrap();
            b.join().unwrap();
        });
    }

    #[test]
    fn loom_ci_a_set_publishes_what_was_written_before() {
        loom::model(|| {
            let event = Arc::new(Event::new());
            let data = Arc::new(AtomicBool::new(false));
            let (other, written) = (event.clone(), data.clone());
            let t = thread::spawn(move || {
                // ORDERING: Relaxed: published by the event, which is what this model shows.
                written.store(true, Ordering::Relaxed);
                other.set();
            });
            block_on(event.wait());
            // ORDERING: as above.
            assert!(data.load(Ordering::Relaxed));
            t.join().unwrap();
        });
    }
}
