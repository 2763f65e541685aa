//! Waiting for a change of what a lock protects.

use crate::lock::{self, Lock, LockGuard};
use crate::wait::{Stage, WaitQueue, Waiter, WakeBatch, note, wake};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A place where tasks that hold a [`Lock`] wait until somebody has changed what it protects.
///
/// Use it where the condition is more than a number or a flag. For a flag there is [`Event`](crate::Event), for a number
/// [`Semaphore`](crate::Semaphore), for items a `channel`; they cannot be used wrongly.
///
/// The condition is changed under the lock, and looked at under the lock before each wait, as [`wait_while`](Self::wait_while) does it.
/// All who wait at one condvar use the same lock.
///
/// # Examples
///
/// ```
/// use lenio_sync::{Condvar, Lock, wait::block_on};
/// use std::sync::Arc;
///
/// let shared = Arc::new((Lock::new(0), Condvar::new()));
/// let other = shared.clone();
/// let thread = std::thread::spawn(move || {
///     *other.0.lock_blocking() = 5;
///     other.1.notify_all();
/// });
/// block_on(async {
///     let number = shared.0.lock().await;
///     let number = shared.1.wait_while(number, |number| *number == 0).await;
///     assert_eq!(*number, 5);
/// });
/// # thread.join().ok();
/// ```
#[derive(Default)]
pub struct Condvar {
    waiters: WaitQueue<()>,
}

impl Condvar {
    /// Makes a condvar that nobody waits at.
    ///
    /// # Examples
    ///
    /// ```
    /// let condvar = lenio_sync::Condvar::new();
    /// condvar.notify_one();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Unlocks, waits until it is notified, and locks again.
    ///
    /// The wait begins when the future is polled for the first time; the lock is held until then. It may end although nobody has
    /// notified: look at the condition again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the lock is not held any more. A notification that it had received goes to the next one that waits.
    ///
    /// # Fairness
    ///
    /// Notified first in, first out; then it waits for the lock as anybody else.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Condvar, Lock, wait::block_on};
    ///
    /// let (lock, condvar) = (Lock::new(false), Condvar::new());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         *lock.lock_blocking() = true;
    ///         condvar.notify_one();
    ///     });
    ///     block_on(async {
    ///         let mut is_done = lock.lock().await;
    ///         while !*is_done {
    ///             is_done = condvar.wait(is_done).await;
    ///         }
    ///     });
    /// });
    /// ```
    #[track_caller]
    pub fn wait<'c, 'l, T: ?Sized>(&'c self, guard: LockGuard<'l, T>) -> Wait<'c, 'l, T> {
        Wait {
            lock: LockGuard::source(&guard),
            guard: Some(guard),
            waiter: Waiter::new(&self.waiters),
            relock: None,
            at: Location::caller(),
        }
    }

    /// Waits as long as `condition` holds. It is called under the lock: at once, and after each notification.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Fairness
    ///
    /// As for [`wait`](Self::wait). Whoever was notified and finds that the condition still holds goes to the end of the list.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Condvar, Lock, wait::block_on};
    ///
    /// let (lock, condvar) = (Lock::new(1), Condvar::new());
    /// let guard = lock.lock_blocking();
    /// assert_eq!(*block_on(condvar.wait_while(guard, |number| *number == 0)), 1);
    /// ```
    #[track_caller]
    pub fn wait_while<'l, T: ?Sized>(
        &self,
        mut guard: LockGuard<'l, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> impl Future<Output = LockGuard<'l, T>> {
        let at = Location::caller();
        async move {
            while condition(&mut guard) {
                let mut wait = self.wait(guard);
                wait.at = at;
                guard = wait.await;
            }
            guard
        }
    }

    /// As [`wait`](Self::wait), but blocks the calling thread. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Condvar, Lock};
    ///
    /// let (lock, condvar) = (Lock::new(false), Condvar::new());
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         *lock.lock_blocking() = true;
    ///         condvar.notify_one();
    ///     });
    ///     let mut is_done = lock.lock_blocking();
    ///     while !*is_done {
    ///         is_done = condvar.wait_blocking(is_done);
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn wait_blocking<'l, T: ?Sized>(&self, guard: LockGuard<'l, T>) -> LockGuard<'l, T> {
        crate::wait::block_on(self.wait(guard))
    }

    /// Wakes the one that has waited the longest. Returns whether anybody waited.
    ///
    /// The caller need not hold the lock any more, but has to have held it when it changed the condition.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!lenio_sync::Condvar::new().notify_one());
    /// ```
    pub fn notify_one(&self) -> bool {
        let waker = self.waiters.lock().take_one(0);
        let was_waiting = waker.is_some();
        if let Some(waker) = waker {
            wake(waker);
        }
        was_waiting
    }

    /// Wakes all who wait. They get the lock one after the other. Returns how many they are.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::Condvar::new().notify_all(), 0);
    /// ```
    pub fn notify_all(&self) -> usize {
        let mut batch = WakeBatch::new();
        self.waiters.lock().wake_all(0, &mut batch);
        let count = batch.len();
        batch.wake_all();
        count
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Condvar::wait`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Wait<'c, 'l, T: ?Sized> {
        lock: &'l Lock<T>,
        // Held until the wait begins.
        guard: Option<LockGuard<'l, T>>,
        #[pin]
        waiter: Waiter<'c, ()>,
        // What follows the notification.
        #[pin]
        relock: Option<lock::Acquire<'l, T>>,
        at: &'static Location<'static>,
    }

    impl<T: ?Sized> PinnedDrop for Wait<'_, '_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let was_notified = this.relock.is_some();
            let queue = this.waiter.queue();
            this.waiter.abandon(|waiters, stage, batch| {
                if stage == Stage::Woken {
                    waiters.wake_one(0, batch);
                }
            });
            if was_notified {
                // Somebody else has to act on the notification.
                let next = queue.lock().take_one(0);
                if let Some(next) = next {
                    wake(next);
                }
            }
        }
    }
}

impl<'l, T: ?Sized> Future for Wait<'_, 'l, T> {
    type Output = LockGuard<'l, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'l, T>> {
        let mut this = self.project();
        if this.relock.is_none() {
            let wait = this
                .waiter
                .as_mut()
                .poll(0, cx, |_, stage| (stage == Stage::Woken).then_some(()));
            // Enlisted first, unlocked then: who changes the condition after this finds the waiter.
            drop(this.guard.take());
            if wait.is_pending() {
                note("condvar", this.at);
                return Poll::Pending;
            }
            this.relock.set(Some(this.lock.lock_at(this.at)));
        }
        let Some(relock) = this.relock.as_mut().as_pin_mut() else {
            unreachable!("it has just been set")
        };
        let guard = ready!(relock.poll(cx));
        this.relock.set(None);
        Poll::Ready(guard)
    }
}

impl<T: ?Sized> fmt::Debug for Wait<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Waker;

    fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_lock_is_free_while_it_waits_and_held_again_after() {
        let (lock, condvar) = (Lock::new(()), Condvar::new());
        let mut wait = pin!(condvar.wait(lock.lock_blocking()));
        assert!(lock.is_locked(), "the wait begins with the first poll");
        assert!(poll_once(wait.as_mut()).is_pending());
        let other = lock.try_lock().expect("given up");
        assert!(condvar.notify_one());
        assert!(poll_once(wait.as_mut()).is_pending(), "it needs the lock");
        drop(other);
        let Poll::Ready(guard) = poll_once(wait.as_mut()) else {
            panic!("the lock is free");
        };
        assert!(lock.is_locked());
        drop(guard);
    }

    #[test]
    fn a_notification_of_a_dropped_waiter_goes_to_the_next() {
        let (lock, condvar) = (Lock::new(()), Condvar::new());
        for polls_again in [false, true] {
            let mut first = Box::pin(condvar.wait(lock.lock_blocking()));
            assert!(poll_once(first.as_mut()).is_pending());
            let mut second = Box::pin(condvar.wait(lock.lock_blocking()));
            assert!(poll_once(second.as_mut()).is_pending());
            assert!(condvar.notify_one());
            let other = lock.try_lock().ok();
            if polls_again {
                assert!(
                    poll_once(first.as_mut()).is_pending(),
                    "notified, not locked"
                );
            }
            drop(first);
            drop(other);
            assert!(poll_once(second.as_mut()).is_ready());
        }
    }

    #[test]
    fn a_wait_that_is_dropped_before_it_began_unlocks() {
        let (lock, condvar) = (Lock::new(()), Condvar::new());
        drop(condvar.wait(lock.lock_blocking()));
        assert!(!lock.is_locked());
        assert!(!condvar.notify_one(), "nobody waits");
    }

    #[test]
    fn all_who_wait_are_woken_and_counted() {
        let (lock, condvar) = (Lock::new(()), Condvar::new());
        let mut waits: Vec<_> = (0..3)
            .map(|_| {
                let mut wait = Box::pin(condvar.wait(lock.lock_blocking()));
                assert!(poll_once(wait.as_mut()).is_pending());
                wait
            })
            .collect();
        assert_eq!(condvar.notify_all(), 3);
        for wait in &mut waits {
            assert!(poll_once(wait.as_mut()).is_ready());
        }
    }
}

#[cfg(all(test, lenio_loom))]
mod models {
    use super::*;
    use crate::primitive::thread;
    use crate::wait::block_on;
    use std::sync::Arc;

    #[test]
    fn loom_ci_a_change_under_the_lock_is_seen_or_notified() {
        loom::model(|| {
            let shared = Arc::new((Lock::new(false), Condvar::new()));
            let other = shared.clone();
            let t = thread::spawn(move || {
                *block_on(other.0.lock()) = true;
                other.1.notify_one();
            });
            block_on(async {
                let guard = shared.0.lock().await;
                drop(shared.1.wait_while(guard, |is_done| !*is_done).await);
            });
            t.join().unwrap();
        });
    }
}
