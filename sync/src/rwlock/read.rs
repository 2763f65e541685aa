#![expect(
    unsafe_code,
    reason = "a guard is what makes the reference into the lock sound"
)]
//! The guards of readers.

use super::{Held, RwLock};
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::Deref;
use std::ptr::NonNull;

/// The right to read what a [`RwLock`] protects. Dropping it ends the reading.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct ReadGuard<'l, T: ?Sized> {
    lock: &'l RwLock<T>,
}

impl<'l, T: ?Sized> ReadGuard<'l, T> {
    /// For whoever has just taken one permit.
    pub(super) fn new(lock: &'l RwLock<T>) -> Self {
        Self { lock }
    }

    /// Narrows the guard to a part of the value.
    ///
    /// # Panics
    ///
    /// Passes on a panic of `part`; the reading has ended then.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{RwLock, rwlock::ReadGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let name = ReadGuard::map(lock.read_blocking(), |pair| &pair.1);
    /// assert_eq!(*name, "one");
    /// ```
    pub fn map<U: ?Sized>(guard: Self, part: impl FnOnce(&T) -> &U) -> MappedReadGuard<'l, U> {
        let value = NonNull::from(part(&guard));
        let held = Held {
            permits: &guard.lock.permits,
            count: 1,
        };
        mem::forget(guard);
        MappedReadGuard {
            value,
            _held: held,
            _value: PhantomData,
        }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.release(1);
    }
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds one permit, and the reference borrows the guard.
        unsafe { self.lock.shared() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The right to read a part of what a [`RwLock`] protects: see [`ReadGuard::map`]. Dropping it ends the reading.
#[must_use = "a guard that is dropped at once protects nothing"]
pub struct MappedReadGuard<'l, U: ?Sized> {
    /// Not a `&U`: that would have to stay valid until the end of the function in which the guard is dropped.
    value: NonNull<U>,
    _held: Held<'l>,
    _value: PhantomData<&'l U>,
}

// SAFETY: `value` forbids the auto trait. The guard is as good as a `&U`, which may be sent if `U` is `Sync`.
unsafe impl<U: ?Sized + Sync> Send for MappedReadGuard<'_, U> {}
// SAFETY: as above.
unsafe impl<U: ?Sized + Sync> Sync for MappedReadGuard<'_, U> {}

impl<U: ?Sized> Deref for MappedReadGuard<'_, U> {
    type Target = U;

    fn deref(&self) -> &U {
        // SAFETY: the pointer comes from a `&U` into the value, which nobody changes while the permit is held.
        unsafe { self.value.as_ref() }
    }
}

impl<U: ?Sized + fmt::Debug> fmt::Debug for MappedReadGuard<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
