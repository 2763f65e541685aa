#![expect(
    unsafe_code,
    reason = "a lock hands out references to what it protects"
)]
//! A lock that tasks wait for.

mod guard;
mod owned;

pub use guard::{LockGuard, MappedLockGuard};
pub use owned::{OwnedLockGuard, OwnedMappedLockGuard};

use crate::semaphore::permits::{self, Permits};
use crate::semaphore::word::Attempt;
use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A value that one task at a time may use, with a lock that may be held across an `.await`.
///
/// If it need not be held across an `.await`, a `std::sync::Mutex` is simpler and as good. To let many read at a time see
/// [`RwLock`](crate::RwLock); to let several in at a time, [`Semaphore`](crate::Semaphore).
///
/// Locking and unlocking cost one atomic operation each while nobody waits. Nothing is allocated. A panic while the lock is held unlocks
/// it: there is no poisoning.
///
/// # Fairness
///
/// The lock goes to whoever polls first while it is free, even if somebody else has been woken for it and has not run yet. To be woken
/// and find the lock taken counts as a loss. After 16 losses newcomers wait until a waiter has had the lock; waiters are woken in the
/// order in which they came. So the waiter in place *p* has the lock after at most 16 *p* losses, provided that every task that is woken
/// is polled. There is no bound in time, and [`try_lock`](Self::try_lock) never holds back.
///
/// The lock is given to a future when it is polled, not before: a future that waits and is not polled does not hold it. It can only
/// delay others. Who asks and finds the lock free but reserved yields up to 16 times. Who sleeps behind such a future, when it has been
/// woken and does not look, is woken by the fourth unlock after that at the latest; if none comes, not before it is polled or dropped.
///
/// # Examples
///
/// ```
/// use lenio_sync::{Lock, wait::block_on};
///
/// let counter = Lock::new(1);
/// block_on(async {
///     let mut guard = counter.lock().await;
///     *guard += 1;
///     assert!(counter.try_lock().is_err());
///     drop(guard);
///     assert_eq!(*counter.lock().await, 2);
/// });
/// ```
pub struct Lock<T: ?Sized> {
    permits: Permits,
    // std's cell and not the shim's: loom's takes no unsized value. A model that wants its accesses checked puts a cell of the shim into
    // the lock.
    value: UnsafeCell<T>,
}

// SAFETY: the cell forbids the auto trait. Sharing the lock lets any thread take the value out by way of `&mut T`, one at a time, hence
// `Send`; nobody gets a `&T` without the lock, hence not `Sync`.
unsafe impl<T: ?Sized + Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// Makes an unlocked lock around `value`.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::Lock::new(5);
    /// assert!(lock.try_lock().is_ok());
    /// ```
    pub fn new(value: T) -> Self {
        Self {
            permits: Permits::new(1),
            value: UnsafeCell::new(value),
        }
    }

    /// Gives the value back.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::Lock::new(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits until the lock is free, and takes it.
    ///
    /// A task that locks again what it holds already waits for ever.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the lock is not taken, its place among the waiters is given up, and what it was woken for goes to the
    /// next one.
    ///
    /// # Fairness
    ///
    /// See [`Lock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lock, wait::block_on};
    ///
    /// let names = Lock::new(vec!["a"]);
    /// block_on(async {
    ///     names.lock().await.push("b");
    ///     assert_eq!(names.lock().await.len(), 2);
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Acquire<'_, T> {
        self.lock_at(Location::caller())
    }

    /// As [`lock`](Self::lock), asked for at `at`.
    #[inline]
    pub(crate) fn lock_at(&self, at: &'static Location<'static>) -> Acquire<'_, T> {
        Acquire {
            lock: self,
            acquire: self.permits.acquire(1, "lock", at),
        }
    }

    /// As [`lock`](Self::lock), for a guard that keeps the lock alive and may outlive the borrow.
    ///
    /// # Cancel safety
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Fairness
    ///
    /// See [`Lock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lock, wait::block_on};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(Lock::new(0));
    /// let mut guard = block_on(lock.clone().lock_owned());
    /// let thread = std::thread::spawn(move || *guard = 1);
    /// # thread.join().ok();
    /// assert_eq!(*block_on(lock.lock()), 1);
    /// ```
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> impl Future<Output = OwnedLockGuard<T>> {
        let at = Location::caller();
        async move {
            // The permits of a lock are never closed.
            let _taken = self.permits.acquire(1, "lock", at).await;
            OwnedLockGuard::new(self)
        }
    }

    /// As [`lock`](Self::lock), but blocks the calling thread. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::Lock::new(5);
    /// assert_eq!(*lock.lock_blocking(), 5);
    /// ```
    #[track_caller]
    pub fn lock_blocking(&self) -> LockGuard<'_, T> {
        crate::wait::block_on(self.lock())
    }

    /// Takes the lock if it is free, without waiting, and without regard for those who wait.
    ///
    /// # Errors
    ///
    /// If somebody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::Lock::new(5);
    /// let guard = lock.try_lock();
    /// assert!(guard.is_ok());
    /// assert!(lock.try_lock().is_err());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Result<LockGuard<'_, T>, TryLockError> {
        self.take()?;
        Ok(LockGuard::new(self))
    }

    /// As [`try_lock`](Self::try_lock), for a guard that keeps the lock alive and may outlive the borrow.
    ///
    /// # Errors
    ///
    /// If somebody holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = std::sync::Arc::new(lenio_sync::Lock::new(5));
    /// let guard = lock.clone().try_lock_owned();
    /// assert!(lock.try_lock().is_err());
    /// # drop(guard);
    /// ```
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedLockGuard<T>, TryLockError> {
        self.take()?;
        Ok(OwnedLockGuard::new(self))
    }

    /// The value, without locking: `&mut self` proves that nobody else is there.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut lock = lenio_sync::Lock::new(5);
    /// *lock.get_mut() = 6;
    /// assert_eq!(lock.into_inner(), 6);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Whether somebody holds the lock now.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::Lock::new(5);
    /// assert!(!lock.is_locked());
    /// ```
    pub fn is_locked(&self) -> bool {
        self.permits.available() == 0
    }

    #[inline]
    fn take(&self) -> Result<(), TryLockError> {
        match self.permits.try_acquire(1) {
            Attempt::Taken => Ok(()),
            Attempt::Refused | Attempt::Closed => Err(TryLockError(())),
        }
    }

    /// Unlocks. To be called by whoever holds the lock, once.
    #[inline]
    fn release(&self) {
        self.permits.release(1);
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Lock");
        match self.try_lock() {
            Ok(guard) => text.field("value", &&*guard),
            Err(_) => text.field("value", &format_args!("<locked>")),
        };
        text.finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Lock::lock`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Acquire<'l, T: ?Sized> {
        lock: &'l Lock<T>,
        #[pin]
        acquire: permits::Acquire<'l>,
    }
}

impl<'l, T: ?Sized> Future for Acquire<'l, T> {
    type Output = LockGuard<'l, T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<LockGuard<'l, T>> {
        let this = self.project();
        // The permits of a lock are never closed.
        this.acquire
            .poll(cx)
            .map(|_taken| LockGuard::new(this.lock))
    }
}

impl<T: ?Sized> fmt::Debug for Acquire<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}

/// The lock cannot be had without waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryLockError(());

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is held by somebody else")
    }
}

impl std::error::Error for TryLockError {}

#[cfg(all(test, not(lenio_loom)))]
mod tests;

#[cfg(all(test, lenio_loom))]
mod models;
