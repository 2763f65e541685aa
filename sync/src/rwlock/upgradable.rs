#![expect(
    unsafe_code,
    reason = "a guard is what makes the reference into the lock sound"
)]
//! The guard of a reader that may become the writer.

use super::{Held, READERS, ReadGuard, RwLock, UpgradeRight, WriteGuard};
use crate::semaphore::word::Attempt;
use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::Deref;
use std::panic::Location;

/// The right to read what a [`RwLock`] protects, and to write it once the other readers are done. Dropping it ends the reading.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct UpgradableGuard<'l, T: ?Sized> {
    lock: &'l RwLock<T>,
    /// One permit. Goes before the right to upgrade.
    held: Held<'l>,
    right: UpgradeRight<'l>,
}

impl<'l, T: ?Sized> UpgradableGuard<'l, T> {
    /// For whoever has just taken one permit and the right.
    pub(super) fn new(lock: &'l RwLock<T>, right: UpgradeRight<'l>) -> Self {
        let held = Held {
            permits: &lock.permits,
            count: 1,
        };
        Self { lock, held, right }
    }

    /// Waits until the other readers are done, and becomes the writer. No other writer comes in between.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the guard goes with it: nothing is locked any more.
    ///
    /// # Fairness
    ///
    /// Comes before all other waiters. Newcomers may read until it has been passed over 16 times.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, rwlock::UpgradableGuard, wait::block_on};
    ///
    /// let lock = RwLock::new(5);
    /// block_on(async {
    ///     let guard = lock.upgradable_read().await;
    ///     *UpgradableGuard::upgrade(guard).await += 1;
    /// });
    /// assert_eq!(lock.into_inner(), 6);
    /// ```
    #[track_caller]
    pub fn upgrade(guard: Self) -> impl Future<Output = WriteGuard<'l, T>> {
        let at = Location::caller();
        async move {
            let permits = &guard.lock.permits;
            let _taken = permits
                .acquire_more(READERS - 1, "rwlock: to upgrade", at)
                .await;
            guard.into_writer()
        }
    }

    /// Becomes the writer if there is no other reader, without waiting.
    ///
    /// # Errors
    ///
    /// The guard, if there are other readers.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, rwlock::UpgradableGuard, wait::block_on};
    ///
    /// let lock = RwLock::new(5);
    /// let guard = block_on(lock.upgradable_read());
    /// let reader = lock.read_blocking();
    /// let Err(guard) = UpgradableGuard::try_upgrade(guard) else {
    ///     unreachable!("somebody reads")
    /// };
    /// drop(reader);
    /// assert!(UpgradableGuard::try_upgrade(guard).is_ok());
    /// ```
    pub fn try_upgrade(guard: Self) -> Result<WriteGuard<'l, T>, Self> {
        match guard.lock.permits.try_acquire(READERS - 1) {
            Attempt::Taken => Ok(guard.into_writer()),
            Attempt::Refused | Attempt::Closed => Err(guard),
        }
    }

    /// Goes on as a mere reader and lets others have the right to upgrade.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, rwlock::UpgradableGuard, wait::block_on};
    ///
    /// let lock = RwLock::new(5);
    /// let guard = UpgradableGuard::downgrade(block_on(lock.upgradable_read()));
    /// assert!(lock.try_upgradable_read().is_ok());
    /// # drop(guard);
    /// ```
    pub fn downgrade(guard: Self) -> ReadGuard<'l, T> {
        let Self { lock, held, right } = guard;
        // The permit is the new guard's, which is there before the right goes: a waker may panic.
        let reader = ReadGuard::new(lock);
        mem::forget(held);
        drop(right);
        reader
    }

    /// For a guard whose owner has taken all the other permits as well.
    fn into_writer(self) -> WriteGuard<'l, T> {
        let Self { lock, held, right } = self;
        // The permit is the new guard's.
        mem::forget(held);
        WriteGuard::new(lock, Some(right))
    }
}

impl<T: ?Sized> Deref for UpgradableGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds one permit, and the reference borrows the guard.
        unsafe { self.lock.shared() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for UpgradableGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
