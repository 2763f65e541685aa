#![expect(
    unsafe_code,
    reason = "a guard is what makes the reference into the lock sound"
)]
//! The guards that borrow their lock.

use super::Lock;
use crate::semaphore::permits::OnePermit;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// The right to use what a [`Lock`] protects. Dropping it unlocks.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct LockGuard<'l, T: ?Sized> {
    lock: &'l Lock<T>,
    /// The guard is as good as a `&mut T`, and may go to and be shared with other threads as that may.
    _value: PhantomData<&'l mut T>,
}

impl<'l, T: ?Sized> LockGuard<'l, T> {
    /// For whoever has just taken the lock.
    #[inline]
    pub(super) fn new(lock: &'l Lock<T>) -> Self {
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
    /// use lenio_sync::lock::LockGuard;
    ///
    /// let lock = lenio_sync::Lock::new(5);
    /// let guard = lock.lock_blocking();
    /// assert!(LockGuard::source(&guard).is_locked());
    /// ```
    pub fn source(guard: &Self) -> &'l Lock<T> {
        guard.lock
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
    /// use lenio_sync::{Lock, lock::LockGuard};
    ///
    /// let lock = Lock::new((1, "one"));
    /// let mut number = LockGuard::map(lock.lock_blocking(), |pair| &mut pair.0);
    /// *number = 2;
    /// drop(number);
    /// assert_eq!(lock.into_inner(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedLockGuard<'l, U> {
        let value = NonNull::from(part(&mut guard));
        MappedLockGuard::take_over(guard.into_unlock(), value)
    }

    /// As [`map`](Self::map), where the part may be missing; then the guard comes back.
    ///
    /// # Errors
    ///
    /// The guard, if `part` finds nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lock, lock::LockGuard};
    ///
    /// let lock = Lock::new(vec![1, 2]);
    /// let second = LockGuard::try_map(lock.lock_blocking(), |list| list.get_mut(1));
    /// assert_eq!(second.ok().as_deref(), Some(&2));
    /// assert!(LockGuard::try_map(lock.lock_blocking(), |list| list.get_mut(9)).is_err());
    /// ```
    pub fn try_map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedLockGuard<'l, U>, Self> {
        match part(&mut guard).map(NonNull::from) {
            Some(value) => Ok(MappedLockGuard::take_over(guard.into_unlock(), value)),
            None => Err(guard),
        }
    }

    /// Hands on the duty to unlock.
    fn into_unlock(self) -> OnePermit<'l> {
        let unlock = OnePermit(&self.lock.permits);
        mem::forget(self);
        unlock
    }
}

impl<T: ?Sized> Drop for LockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.release();
    }
}

impl<T: ?Sized> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock, so nobody else has a reference; this one borrows the guard.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for LockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// The right to use a part of what a [`Lock`] protects: see [`LockGuard::map`]. Dropping it unlocks.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct MappedLockGuard<'l, U: ?Sized> {
    /// Not a `&mut U`: that would have to stay valid until the end of the function in which the guard is dropped.
    value: NonNull<U>,
    unlock: OnePermit<'l>,
    _value: PhantomData<&'l mut U>,
}

// SAFETY: `value` forbids the auto trait. The guard is as good as a `&mut U`.
unsafe impl<U: ?Sized + Send> Send for MappedLockGuard<'_, U> {}
// SAFETY: as above; a shared guard gives out `&U` only.
unsafe impl<U: ?Sized + Sync> Sync for MappedLockGuard<'_, U> {}

impl<'l, U: ?Sized> MappedLockGuard<'l, U> {
    fn take_over(unlock: OnePermit<'l>, value: NonNull<U>) -> Self {
        Self {
            value,
            unlock,
            _value: PhantomData,
        }
    }

    /// Narrows the guard further.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Lock, lock::{LockGuard, MappedLockGuard}};
    ///
    /// let lock = Lock::new(((1, 2), 3));
    /// let pair = LockGuard::map(lock.lock_blocking(), |all| &mut all.0);
    /// let second = MappedLockGuard::map(pair, |pair| &mut pair.1);
    /// assert_eq!(*second, 2);
    /// ```
    pub fn map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> MappedLockGuard<'l, V> {
        let value = NonNull::from(part(&mut guard));
        MappedLockGuard::take_over(guard.unlock, value)
    }
}

impl<U: ?Sized> Deref for MappedLockGuard<'_, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: the pointer comes from a `&mut U` into the value, and nobody else has a reference to it while the lock is held.
        unsafe { self.value.as_ref() }
    }
}

impl<U: ?Sized> DerefMut for MappedLockGuard<'_, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { self.value.as_mut() }
    }
}

impl<U: ?Sized + fmt::Debug> fmt::Debug for MappedLockGuard<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
