#![expect(
    unsafe_code,
    reason = "a guard is what makes the reference into the lock sound"
)]
//! The guards that keep their lock alive.

use super::{READERS, RwLock};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// As [`ReadGuard`](super::ReadGuard), for a lock in an [`Arc`]. Dropping it ends the reading.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct OwnedReadGuard<T: ?Sized> {
    /// The guard may go to a place that has no other way to the lock.
    lock: Arc<RwLock<T>>,
}

impl<T: ?Sized> OwnedReadGuard<T> {
    /// For whoever has just taken one permit.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        Self { lock }
    }
}

impl<T: ?Sized> Drop for OwnedReadGuard<T> {
    fn drop(&mut self) {
        self.lock.permits.release(1);
    }
}

impl<T: ?Sized> Deref for OwnedReadGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds one permit, and the reference borrows the guard.
        unsafe { self.lock.shared() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedReadGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// As [`WriteGuard`](super::WriteGuard), for a lock in an [`Arc`]. Dropping it ends the writing.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct OwnedWriteGuard<T: ?Sized> {
    /// The guard may go to a place that has no other way to the lock.
    lock: Arc<RwLock<T>>,
    /// How many permits go back with it: all of them.
    count: usize,
    /// The guard is as good as a `&mut T`.
    _value: PhantomData<T>,
}

impl<T: ?Sized> OwnedWriteGuard<T> {
    /// For whoever has just taken all permits.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        Self {
            lock,
            count: READERS,
            _value: PhantomData,
        }
    }

    /// Goes on as a reader, without letting a writer in between.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, rwlock::OwnedWriteGuard, wait::block_on};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(RwLock::new(5));
    /// let guard = OwnedWriteGuard::downgrade(block_on(lock.clone().write_owned()));
    /// assert_eq!(*lock.read_blocking() + *guard, 10);
    /// ```
    pub fn downgrade(mut guard: Self) -> OwnedReadGuard<T> {
        // All but one go back with the guard; the last one is the reader's.
        guard.count = READERS - 1;
        let reader = OwnedReadGuard::new(guard.lock.clone());
        // Before the return, so that the reader is not lost if a waker panics.
        drop(guard);
        reader
    }
}

impl<T: ?Sized> Drop for OwnedWriteGuard<T> {
    fn drop(&mut self) {
        self.lock.permits.release(self.count);
    }
}

impl<T: ?Sized> Deref for OwnedWriteGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds all permits, and the reference borrows the guard.
        unsafe { self.lock.shared() }
    }
}

impl<T: ?Sized> DerefMut for OwnedWriteGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds all permits, and the reference borrows the guard mutably.
        unsafe { self.lock.exclusive() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedWriteGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
