//! What an acquired permit is: a number that goes back when it is dropped.

use super::Semaphore;
use std::fmt;
use std::mem;
use std::sync::Arc;

/// Permits of a [`Semaphore`]. Dropping it gives them back.
#[must_use = "a permit that is dropped at once protects nothing"]
pub struct Permit<'s> {
    semaphore: &'s Semaphore,
    count: usize,
}

impl<'s> Permit<'s> {
    pub(super) fn new(semaphore: &'s Semaphore, count: usize) -> Self {
        Self { semaphore, count }
    }

    /// How many permits these are.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = lenio_sync::Semaphore::new(5);
    /// assert_eq!(semaphore.try_acquire(2)?.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes `count` of these permits out as a permit of their own, if there are that many.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = lenio_sync::Semaphore::new(5);
    /// let mut three = semaphore.try_acquire(3)?;
    /// let one = three.split(1);
    /// assert_eq!(three.count(), 2);
    /// drop(one);
    /// assert_eq!(semaphore.available_permits(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn split(&mut self, count: usize) -> Option<Permit<'s>> {
        self.count = self.count.checked_sub(count)?;
        Some(Permit::new(self.semaphore, count))
    }

    /// Adds the permits of `other` to these.
    ///
    /// # Panics
    ///
    /// If `other` comes from another semaphore.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = lenio_sync::Semaphore::new(5);
    /// let mut permit = semaphore.try_acquire(3)?;
    /// permit.merge(semaphore.try_acquire(1)?);
    /// assert_eq!(permit.count(), 4);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: Permit<'s>) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "the permits come from different semaphores"
        );
        self.count += mem::take(&mut other.count);
    }

    /// Lets the permits disappear instead of giving them back.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = lenio_sync::Semaphore::new(5);
    /// semaphore.try_acquire(2)?.forget();
    /// assert_eq!(semaphore.available_permits(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        give_back(self.semaphore, self.count);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Permits of a [`Semaphore`] that keep it alive. Dropping them gives them back.
#[must_use = "a permit that is dropped at once protects nothing"]
pub struct OwnedPermit {
    /// The permit may go to a place that has no other way to the semaphore.
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl OwnedPermit {
    pub(super) fn new(semaphore: Arc<Semaphore>, count: usize) -> Self {
        Self { semaphore, count }
    }

    /// How many permits these are.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = std::sync::Arc::new(lenio_sync::Semaphore::new(5));
    /// assert_eq!(semaphore.try_acquire_owned(2)?.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// The semaphore that the permits belong to.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = std::sync::Arc::new(lenio_sync::Semaphore::new(5));
    /// let permit = semaphore.try_acquire_owned(2)?;
    /// assert_eq!(permit.semaphore().available_permits(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// Takes `count` of these permits out as a permit of their own, if there are that many.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = std::sync::Arc::new(lenio_sync::Semaphore::new(5));
    /// let mut three = semaphore.try_acquire_owned(3)?;
    /// assert_eq!(three.split(1).map(|one| one.count()), Some(1));
    /// assert!(three.split(9).is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn split(&mut self, count: usize) -> Option<OwnedPermit> {
        self.count = self.count.checked_sub(count)?;
        Some(OwnedPermit::new(self.semaphore.clone(), count))
    }

    /// Adds the permits of `other` to these.
    ///
    /// # Panics
    ///
    /// If `other` comes from another semaphore.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = std::sync::Arc::new(lenio_sync::Semaphore::new(5));
    /// let mut permit = semaphore.clone().try_acquire_owned(3)?;
    /// permit.merge(semaphore.try_acquire_owned(1)?);
    /// assert_eq!(permit.count(), 4);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: OwnedPermit) {
        assert!(
            Arc::ptr_eq(&self.semaphore, &other.semaphore),
            "the permits come from different semaphores"
        );
        self.count += mem::take(&mut other.count);
    }

    /// Lets the permits disappear instead of giving them back.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::TryAcquireError> {
    /// let semaphore = std::sync::Arc::new(lenio_sync::Semaphore::new(5));
    /// semaphore.clone().try_acquire_owned(2)?.forget();
    /// assert_eq!(semaphore.available_permits(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl Drop for OwnedPermit {
    #[inline]
    fn drop(&mut self) {
        give_back(&self.semaphore, self.count);
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[inline]
fn give_back(semaphore: &Semaphore, count: usize) {
    if count > 0 {
        semaphore.permits.release(count);
    }
}
