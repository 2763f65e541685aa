#![expect(
    unsafe_code,
    reason = "a guard is what makes the reference into the lock sound"
)]
//! The guards of writers.

use super::{Held, READERS, ReadGuard, RwLock, UpgradeRight};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// The right to change what a [`RwLock`] protects. Dropping it ends the writing.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct WriteGuard<'l, T: ?Sized> {
    lock: &'l RwLock<T>,
    /// All permits. Goes before the right to upgrade.
    held: Held<'l>,
    /// The right that it was upgraded with.
    right: Option<UpgradeRight<'l>>,
    /// The guard is as good as a `&mut T`.
    _value: PhantomData<&'l mut T>,
}

impl<'l, T: ?Sized> WriteGuard<'l, T> {
    /// For whoever has just taken all permits.
    pub(super) fn new(lock: &'l RwLock<T>, right: Option<UpgradeRight<'l>>) -> Self {
        Self {
            lock,
            held: Held {
                permits: &lock.permits,
                count: READERS,
            },
            right,
            _value: PhantomData,
        }
    }

    /// Goes on as a reader, without letting a writer in between.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, rwlock::WriteGuard};
    ///
    /// let lock = RwLock::new(5);
    /// let mut guard = lock.write_blocking();
    /// *guard = 6;
    /// let guard = WriteGuard::downgrade(guard);
    /// assert_eq!(*lock.read_blocking() + *guard, 12);
    /// ```
    pub fn downgrade(mut guard: Self) -> ReadGuard<'l, T> {
        // All but one go back with the guard; the last one is the reader's.
        guard.held.count = READERS - 1;
        let reader = ReadGuard::new(guard.lock);
        // Before the return, so that the reader is not lost if a waker panics.
        drop(guard);
        reader
    }

    /// Narrows the guard to a part of the value.
    ///
    /// # Panics
    ///
    /// Passes on a panic of `part`; the writing has ended then.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, rwlock::WriteGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// *WriteGuard::map(lock.write_blocking(), |pair| &mut pair.0) = 2;
    /// assert_eq!(lock.into_inner(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedWriteGuard<'l, U> {
        let value = NonNull::from(part(&mut guard));
        MappedWriteGuard {
            value,
            _held: guard.held,
            _right: guard.right,
            _value: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds all permits, and the reference borrows the guard.
        unsafe { self.lock.shared() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds all permits, and the reference borrows the guard mutably.
        unsafe { self.lock.exclusive() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The right to change a part of what a [`RwLock`] protects: see [`WriteGuard::map`]. Dropping it ends the writing.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct MappedWriteGuard<'l, U: ?Sized> {
    /// Not a `&mut U`: that would have to stay valid until the end of the function in which the guard is dropped.
    value: NonNull<U>,
    _held: Held<'l>,
    _right: Option<UpgradeRight<'l>>,
    _value: PhantomData<&'l mut U>,
}

// SAFETY: `value` forbids the auto trait. The guard is as good as a `&mut U`.
unsafe impl<U: ?Sized + Send> Send for MappedWriteGuard<'_, U> {}
// SAFETY: as above; a shared guard gives out `&U` only.
unsafe impl<U: ?Sized + Sync> Sync for MappedWriteGuard<'_, U> {}

impl<U: ?Sized> Deref for MappedWriteGuard<'_, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: the pointer comes from a `&mut U` into the value, to which nobody else has access while all permits are held.
        unsafe { self.value.as_ref() }
    }
}

impl<U: ?Sized> DerefMut for MappedWriteGuard<'_, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { self.value.as_mut() }
    }
}

impl<U: ?Sized + fmt::Debug> fmt::Debug for MappedWriteGuard<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
