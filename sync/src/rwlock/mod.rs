#![expect(
    unsafe_code,
    reason = "a lock hands out references to what it protects"
)]
//! A lock that many readers or one writer hold.

mod owned;
mod read;
mod upgradable;
mod write;

pub use owned::{OwnedReadGuard, OwnedWriteGuard};
pub use read::{MappedReadGuard, ReadGuard};
pub use upgradable::UpgradableGuard;
pub use write::{MappedWriteGuard, WriteGuard};

use crate::semaphore::permits::{self, OnePermit, Permits};
use crate::semaphore::word::{Attempt, MAX_PERMITS};
use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A value that many tasks may read at the same time, or one may change, with guards that may be held across an `.await`.
///
/// It pays where reading takes long and changes are rare. For short accesses [`Lock`](crate::Lock) is as fast; for a value that is
/// replaced as a whole, and whose readers want to be told, there is `channel::watch`.
///
/// Locking and unlocking cost one atomic operation each while nobody waits. Nothing is allocated. A panic while a guard is held unlocks:
/// there is no poisoning.
///
/// # Fairness
///
/// The lock is a semaphore of which a reader takes one permit and a writer all. Readers that come while others read are let in although a
/// writer waits, until the writer has been passed over 16 times; from then on newcomers wait until it has had the lock. What
/// [`Semaphore`](crate::Semaphore) says about waiters, losses and futures that nobody polls is true here as well.
///
/// # Examples
///
/// ```
/// use lenio_sync::{RwLock, wait::block_on};
///
/// let settings = RwLock::new(vec![("retries", 3)]);
/// block_on(async {
///     let first = settings.read().await;
///     let second = settings.read().await;
///     assert_eq!(first.len() + second.len(), 2);
///     drop((first, second));
///     settings.write().await.push(("timeout", 10));
/// });
/// ```
pub struct RwLock<T: ?Sized> {
    /// One for each reader there can be.
    permits: Permits,
    /// One, for the upgradable guard: of two that both read and both want to write neither would ever get to.
    upgrade: Permits,
    // std's cell, as in `Lock`.
    value: UnsafeCell<T>,
}

// SAFETY: the cell forbids the auto trait. Several threads read at a time (`Sync`), and any may take the value out by way of `&mut T`
// (`Send`).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

/// How many readers there can be at a time, and how many permits a writer takes.
const READERS: usize = if MAX_PERMITS < 1 << 29 {
    MAX_PERMITS
} else {
    1 << 29
};

impl<T> RwLock<T> {
    /// Makes an unlocked lock around `value`.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::RwLock::new(5);
    /// assert!(lock.try_write().is_ok());
    /// ```
    pub fn new(value: T) -> Self {
        Self {
            permits: Permits::new(READERS),
            upgrade: Permits::new(1),
            value: UnsafeCell::new(value),
        }
    }

    /// Gives the value back.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::RwLock::new(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until nobody writes, and begins to read.
    ///
    /// A task that holds a guard already may wait for ever here: a writer that has lost too often comes first.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped nothing is locked, its place among the waiters is given up, and what it was woken for goes to the next.
    ///
    /// # Fairness
    ///
    /// See [`RwLock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, wait::block_on};
    ///
    /// let lock = RwLock::new(5);
    /// assert_eq!(*block_on(lock.read()), 5);
    /// ```
    #[track_caller]
    pub fn read(&self) -> Read<'_, T> {
        Read {
            lock: self,
            acquire: self
                .permits
                .acquire(1, "rwlock: to read", Location::caller()),
        }
    }

    /// Waits until nobody reads or writes, and begins to write.
    ///
    /// # Cancel safety
    ///
    /// As for [`read`](Self::read). A writer that is dropped lets in the readers that waited behind it.
    ///
    /// # Fairness
    ///
    /// See [`RwLock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, wait::block_on};
    ///
    /// let lock = RwLock::new(5);
    /// *block_on(lock.write()) += 1;
    /// assert_eq!(lock.into_inner(), 6);
    /// ```
    #[track_caller]
    pub fn write(&self) -> Write<'_, T> {
        Write {
            lock: self,
            acquire: self
                .permits
                .acquire(READERS, "rwlock: to write", Location::caller()),
        }
    }

    /// Waits until nobody writes and nobody else may upgrade, and begins to read with the right to write later, without letting a
    /// writer in between.
    ///
    /// Other readers are let in meanwhile, other upgradable ones are not.
    ///
    /// # Cancel safety
    ///
    /// As for [`read`](Self::read).
    ///
    /// # Fairness
    ///
    /// See [`RwLock`]. Upgradable readers wait for each other as for a [`Lock`](crate::Lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, rwlock::UpgradableGuard, wait::block_on};
    ///
    /// let cache = RwLock::new(None);
    /// block_on(async {
    ///     let guard = cache.upgradable_read().await;
    ///     if guard.is_none() {
    ///         *UpgradableGuard::upgrade(guard).await = Some(5);
    ///     }
    /// });
    /// assert_eq!(cache.into_inner(), Some(5));
    /// ```
    #[track_caller]
    pub fn upgradable_read(&self) -> impl Future<Output = UpgradableGuard<'_, T>> {
        let at = Location::caller();
        async move {
            // The right comes first: whoever waits for it must not keep a writer out.
            let _taken = self.upgrade.acquire(1, "rwlock: to upgrade", at).await;
            let right = OnePermit(&self.upgrade);
            let _taken = self.permits.acquire(1, "rwlock: to read", at).await;
            UpgradableGuard::new(self, right)
        }
    }

    /// As [`read`](Self::read), for a guard that keeps the lock alive and may outlive the borrow.
    ///
    /// # Cancel safety
    ///
    /// As for [`read`](Self::read).
    ///
    /// # Fairness
    ///
    /// See [`RwLock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, wait::block_on};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(5));
    /// let guard = block_on(lock.read_owned());
    /// let thread = std::thread::spawn(move || *guard);
    /// assert_eq!(thread.join().ok(), Some(5));
    /// ```
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> impl Future<Output = OwnedReadGuard<T>> {
        let at = Location::caller();
        async move {
            // The permits of a lock are never closed.
            let _taken = self.permits.acquire(1, "rwlock: to read", at).await;
            OwnedReadGuard::new(self)
        }
    }

    /// As [`write`](Self::write), for a guard that keeps the lock alive and may outlive the borrow.
    ///
    /// # Cancel safety
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Fairness
    ///
    /// See [`RwLock`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, wait::block_on};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(5));
    /// let mut guard = block_on(lock.clone().write_owned());
    /// let thread = std::thread::spawn(move || *guard = 6);
    /// # thread.join().ok();
    /// assert_eq!(*block_on(lock.read()), 6);
    /// ```
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> impl Future<Output = OwnedWriteGuard<T>> {
        let at = Location::caller();
        async move {
            // The permits of a lock are never closed.
            let _taken = self.permits.acquire(READERS, "rwlock: to write", at).await;
            OwnedWriteGuard::new(self)
        }
    }

    /// As [`read`](Self::read), but blocks the calling thread. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::RwLock::new(5);
    /// assert_eq!(*lock.read_blocking(), 5);
    /// ```
    #[track_caller]
    pub fn read_blocking(&self) -> ReadGuard<'_, T> {
        crate::wait::block_on(self.read())
    }

    /// As [`write`](Self::write), but blocks the calling thread. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::RwLock::new(5);
    /// *lock.write_blocking() = 6;
    /// assert_eq!(lock.into_inner(), 6);
    /// ```
    #[track_caller]
    pub fn write_blocking(&self) -> WriteGuard<'_, T> {
        crate::wait::block_on(self.write())
    }

    /// Begins to read if nobody writes, without waiting, and without regard for writers that wait.
    ///
    /// # Errors
    ///
    /// If somebody writes.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::RwLock::new(5);
    /// let writer = lock.try_write();
    /// assert!(lock.try_read().is_err());
    /// # drop(writer);
    /// ```
    pub fn try_read(&self) -> Result<ReadGuard<'_, T>, TryRwLockError> {
        self.take(1)?;
        Ok(ReadGuard::new(self))
    }

    /// Begins to write if nobody reads or writes, without waiting.
    ///
    /// # Errors
    ///
    /// If somebody reads or writes.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::RwLock::new(5);
    /// let reader = lock.try_read();
    /// assert!(lock.try_write().is_err());
    /// # drop(reader);
    /// ```
    pub fn try_write(&self) -> Result<WriteGuard<'_, T>, TryRwLockError> {
        self.take(READERS)?;
        Ok(WriteGuard::new(self, None))
    }

    /// Begins to read with the right to write later, if nobody writes and nobody else has that right, without waiting.
    ///
    /// # Errors
    ///
    /// If somebody writes, or has the right already.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = lenio_sync::RwLock::new(5);
    /// let reader = lock.try_read();
    /// let upgradable = lock.try_upgradable_read();
    /// assert!(upgradable.is_ok());
    /// assert!(lock.try_upgradable_read().is_err());
    /// # drop(reader);
    /// ```
    pub fn try_upgradable_read(&self) -> Result<UpgradableGuard<'_, T>, TryRwLockError> {
        if self.upgrade.try_acquire(1) != Attempt::Taken {
            return Err(TryRwLockError(()));
        }
        let right = OnePermit(&self.upgrade);
        self.take(1)?;
        Ok(UpgradableGuard::new(self, right))
    }

    /// The value, without locking: `&mut self` proves that nobody else is there.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut lock = lenio_sync::RwLock::new(5);
    /// *lock.get_mut() = 6;
    /// assert_eq!(lock.into_inner(), 6);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    fn take(&self, permits: usize) -> Result<(), TryRwLockError> {
        match self.permits.try_acquire(permits) {
            Attempt::Taken => Ok(()),
            Attempt::Refused | Attempt::Closed => Err(TryRwLockError(())),
        }
    }

    /// The value, for whoever may read it.
    ///
    /// # Safety
    ///
    /// The caller holds a guard for as long as it uses the reference, and if it is the writer's guard, has no other reference.
    unsafe fn shared(&self) -> &T {
        // SAFETY: while somebody holds a permit nobody has all of them, so that the only references are shared ones.
        unsafe { &*self.value.get() }
    }

    /// The value, for whoever may write it.
    ///
    /// # Safety
    ///
    /// The caller holds the writer's guard for as long as it uses the reference, and has no other reference.
    #[expect(clippy::mut_from_ref, reason = "the guard makes the access exclusive")]
    unsafe fn exclusive(&self) -> &mut T {
        // SAFETY: the writer holds all permits, so nobody else holds any.
        unsafe { &mut *self.value.get() }
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => text.field("value", &&*guard),
            Err(_) => text.field("value", &format_args!("<locked>")),
        };
        text.finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`RwLock::read`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Read<'l, T: ?Sized> {
        lock: &'l RwLock<T>,
        #[pin]
        acquire: permits::Acquire<'l>,
    }
}

impl<'l, T: ?Sized> Future for Read<'l, T> {
    type Output = ReadGuard<'l, T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReadGuard<'l, T>> {
        let this = self.project();
        // The permits of a lock are never closed.
        let _taken = ready!(this.acquire.poll(cx));
        Poll::Ready(ReadGuard::new(this.lock))
    }
}

impl<T: ?Sized> fmt::Debug for Read<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`RwLock::write`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Write<'l, T: ?Sized> {
        lock: &'l RwLock<T>,
        #[pin]
        acquire: permits::Acquire<'l>,
    }
}

impl<'l, T: ?Sized> Future for Write<'l, T> {
    type Output = WriteGuard<'l, T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<WriteGuard<'l, T>> {
        let this = self.project();
        // The permits of a lock are never closed.
        let _taken = ready!(this.acquire.poll(cx));
        Poll::Ready(WriteGuard::new(this.lock, None))
    }
}

impl<T: ?Sized> fmt::Debug for Write<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").finish_non_exhaustive()
    }
}

/// The right to write after reading, of which there is one. Dropping it gives it back.
type UpgradeRight<'l> = OnePermit<'l>;

/// Permits of the lock, to be given back when this is dropped.
struct Held<'l> {
    permits: &'l Permits,
    count: usize,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.permits.release(self.count);
    }
}

/// The lock cannot be had without waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryRwLockError(());

impl fmt::Display for TryRwLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock is held by somebody else")
    }
}

impl std::error::Error for TryRwLockError {}

#[cfg(all(test, not(lenio_loom)))]
mod tests;

#[cfg(all(test, lenio_loom))]
mod models;
