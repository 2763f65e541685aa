#![expect(
    unsafe_code,
    reason = "a guard is what makes the reference into the lock sound"
)]
//! The guards that keep their lock alive.

use super::Lock;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// As [`LockGuard`](super::LockGuard), for a lock in an [`Arc`]. Dropping it unlocks.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct OwnedLockGuard<T: ?Sized> {
    /// The guard may go to a place that has no other way to the lock.
    lock: Arc<Lock<T>>,
    /// A shared guard gives out `&T`, which a shared lock does not.
    _value: PhantomData<T>,
}

impl<T: ?Sized> OwnedLockGuard<T> {
    /// For whoever has just taken the lock.
    pub(super) fn new(lock: Arc<Lock<T>>) -> Self {
        Self {
            lock,
            _value: PhantomData,
        }
    }

    /// The lock that this guard holds. An associated function, so that it hides no method of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lock, lock::OwnedLockGuard};
    /// use std::sync::Arc;
    ///
    /// # fn main() -> Result<(), lenio_sync::lock::TryLockError> {
    /// let lock = Arc::new(Lock::new(5));
    /// let guard = lock.try_lock_owned()?;
    /// assert!(OwnedLockGuard::source(&guard).is_locked());
    /// # Ok(())
    /// # }
    /// ```
    pub fn source(guard: &Self) -> &Arc<Lock<T>> {
        &guard.lock
    }

    /// Narrows the guard to a part of the value. The lock stays held until the new guard is dropped.
    ///
    /// # Panics
    ///
    /// Passes on a panic of `part`; the lock is free then.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lock, lock::OwnedLockGuard};
    /// use std::sync::Arc;
    ///
    /// # fn main() -> Result<(), lenio_sync::lock::TryLockError> {
    /// let lock = Arc::new(Lock::new((1, "one")));
    /// let name = OwnedLockGuard::map(lock.try_lock_owned()?, |pair| &mut pair.1);
    /// assert_eq!(*name, "one");
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedMappedLockGuard<T, U> {
        let value = NonNull::from(part(&mut guard));
        OwnedMappedLockGuard {
            value,
            whole: guard,
        }
    }
}

impl<T: ?Sized> Drop for OwnedLockGuard<T> {
    fn drop(&mut self) {
        self.lock.release();
    }
}

impl<T: ?Sized> Deref for OwnedLockGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock, so nobody else has a reference; this one borrows the guard.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for OwnedLockGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedLockGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The right to use a part of what a [`Lock`] in an [`Arc`] protects: see [`OwnedLockGuard::map`]. Dropping it unlocks.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct OwnedMappedLockGuard<T: ?Sized, U: ?Sized> {
    value: NonNull<U>,
    /// Holds the lock and keeps it alive; not looked into any more.
    whole: OwnedLockGuard<T>,
}

// SAFETY: `value` forbids the auto trait. The guard owns the right to the whole `T`, of which `U` is a part, and may be sent if both may.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedLockGuard<T, U> {}
// SAFETY: as above; a shared guard gives out `&U` and nothing of `T`, whose lock may be shared if it may be sent.
unsafe impl<T: ?Sized + Send, U: ?Sized + Sync> Sync for OwnedMappedLockGuard<T, U> {}

impl<T: ?Sized, U: ?Sized> OwnedMappedLockGuard<T, U> {
    /// The lock that this guard holds. An associated function, so that it hides no method of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lock, lock::{OwnedLockGuard, OwnedMappedLockGuard}};
    /// use std::sync::Arc;
    ///
    /// # fn main() -> Result<(), lenio_sync::lock::TryLockError> {
    /// let lock = Arc::new(Lock::new((1, 2)));
    /// let first = OwnedLockGuard::map(lock.try_lock_owned()?, |pair| &mut pair.0);
    /// assert!(OwnedMappedLockGuard::source(&first).is_locked());
    /// # Ok(())
    /// # }
    /// ```
    pub fn source(guard: &Self) -> &Arc<Lock<T>> {
        OwnedLockGuard::source(&guard.whole)
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedMappedLockGuard<T, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: the pointer comes from a `&mut U` into the value, and nobody else has a reference to it while the lock is held.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized, U: ?Sized> DerefMut for OwnedMappedLockGuard<T, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedMappedLockGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
