//! A number of permits that tasks take and give back.

mod permit;
pub(crate) mod permits;
pub(crate) mod word;

pub use permit::{OwnedPermit, Permit};

use permits::Permits;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use word::{Attempt, MAX_PERMITS};

/// A number of permits: a task that needs some waits until they are available, and gives them back by dropping them.
///
/// Use it to bound how many do something at the same time: requests in flight, open files, bytes in buffers. For one at a time, with
/// the value that is protected inside, use [`Lock`](crate::Lock).
///
/// Taking and giving back cost one atomic operation each while nobody waits. Nothing is allocated.
///
/// # Fairness
///
/// Whoever asks while enough permits are available gets them, even if others were woken for them and have not run yet. To be woken and
/// find too few, or to be passed over at the front because more are needed than are there, counts as a loss. After 16 losses newcomers
/// wait until a waiter has been served; waiters are woken in the order in which they came, and one that needs many is not overtaken by
/// later ones that need fewer. So the waiter in place *p* is served after at most 16 *p* losses, provided that every task that is woken
/// is polled. There is no bound in time, and [`try_acquire`](Self::try_acquire) never holds back.
///
/// A permit is given to a future when it is polled, not before: a future that waits and is not polled keeps no permit from others.
/// It can only delay them. Who asks and finds permits reserved for it yields up to 16 times. Who sleeps behind it, when it has been woken
/// and does not look, is woken by the fourth release after that at the latest; if none comes, not before it is polled or dropped.
///
/// # Examples
///
/// ```
/// use lenio_sync::{Semaphore, wait::block_on};
///
/// # fn main() -> Result<(), lenio_sync::semaphore::AcquireError> {
/// let semaphore = Semaphore::new(2);
/// let first = block_on(semaphore.acquire(1))?;
/// let second = block_on(semaphore.acquire(1))?;
/// assert!(semaphore.try_acquire(1).is_err());
/// drop(first);
/// assert!(semaphore.try_acquire(1).is_ok());
/// # drop(second);
/// # Ok(())
/// # }
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// The most permits that can be available.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    /// Makes a semaphore with that many permits.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = lenio_sync::Semaphore::new(3);
    /// assert_eq!(semaphore.available_permits(), 3);
    /// ```
    pub fn new(permits: usize) -> Self {
        Self {
            permits: Permits::new(permits),
        }
    }

    /// How many permits are available now.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = lenio_sync::Semaphore::new(3);
    /// let permit = semaphore.try_acquire(2);
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # drop(permit);
    /// ```
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Waits until `count` permits are available and takes them all at once. Zero permits are always available.
    ///
    /// A request for more permits than there ever are waits for ever, and holds up those behind it.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, before or while waiting.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped no permit is taken, its place among the waiters is given up, and what it was woken for goes to the next
    /// one.
    ///
    /// # Fairness
    ///
    /// See [`Semaphore`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Semaphore, wait::block_on};
    ///
    /// # fn main() -> Result<(), lenio_sync::semaphore::AcquireError> {
    /// let semaphore = Semaphore::new(3);
    /// let permit = block_on(semaphore.acquire(2))?;
    /// assert_eq!(permit.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn acquire(&self, count: usize) -> Acquire<'_> {
        Acquire {
            semaphore: self,
            count,
            acquire: self.permits.acquire(count, "semaphore", Location::caller()),
        }
    }

    /// As [`acquire`](Self::acquire), for a permit that keeps the semaphore alive and may outlive the borrow.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, before or while waiting.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// See [`Semaphore`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Semaphore, wait::block_on};
    /// use std::sync::Arc;
    ///
    /// # fn main() -> Result<(), lenio_sync::semaphore::AcquireError> {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = block_on(semaphore.clone().acquire_owned(1))?;
    /// let thread = std::thread::spawn(move || drop(permit));
    /// block_on(semaphore.acquire(1))?;
    /// # thread.join().ok();
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn acquire_owned(
        self: Arc<Self>,
        count: usize,
    ) -> impl Future<Output = Result<OwnedPermit, AcquireError>> + Send + Sync {
        let at = Location::caller();
        async move {
            let acquired = self.permits.acquire(count, "semaphore", at).await;
            acquired.map_err(|_| AcquireError(()))?;
            Ok(OwnedPermit::new(self, count))
        }
    }

    /// As [`acquire`](Self::acquire), but blocks the calling thread. For threads: in a task it would block the worker.
    ///
    /// # Errors
    ///
    /// If the semaphore is closed, before or while waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), lenio_sync::semaphore::AcquireError> {
    /// let semaphore = lenio_sync::Semaphore::new(1);
    /// let permit = semaphore.acquire_blocking(1)?;
    /// # drop(permit);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn acquire_blocking(&self, count: usize) -> Result<Permit<'_>, AcquireError> {
        crate::wait::block_on(self.acquire(count))
    }

    /// Takes `count` permits if they are available, without waiting, and without regard for those who wait.
    ///
    /// # Errors
    ///
    /// If there are too few permits, or the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Semaphore, semaphore::TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// assert_eq!(semaphore.try_acquire(2).err(), Some(TryAcquireError::TooFew));
    /// ```
    pub fn try_acquire(&self, count: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.take(count)?;
        Ok(Permit::new(self, count))
    }

    /// As [`try_acquire`](Self::try_acquire), for a permit that keeps the semaphore alive and may outlive the borrow.
    ///
    /// # Errors
    ///
    /// If there are too few permits, or the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned(1);
    /// assert!(permit.is_ok());
    /// ```
    pub fn try_acquire_owned(
        self: Arc<Self>,
        count: usize,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.take(count)?;
        Ok(OwnedPermit::new(self, count))
    }

    /// Adds new permits.
    ///
    /// # Panics
    ///
    /// If more than [`MAX_PERMITS`](Self::MAX_PERMITS) would be available. Permits that are held are not looked at; the caller sees to it
    /// that with them there are no more than that either.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = lenio_sync::Semaphore::new(0);
    /// semaphore.add_permits(2);
    /// assert_eq!(semaphore.available_permits(), 2);
    /// ```
    #[track_caller]
    pub fn add_permits(&self, count: usize) {
        assert!(
            self.permits.add(count),
            "a semaphore cannot have more than {MAX_PERMITS} permits"
        );
    }

    /// Takes up to `count` of the available permits out of circulation, and returns how many they were.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = lenio_sync::Semaphore::new(3);
    /// assert_eq!(semaphore.forget_permits(5), 3);
    /// assert_eq!(semaphore.available_permits(), 0);
    /// ```
    pub fn forget_permits(&self, count: usize) -> usize {
        self.permits.forget(count)
    }

    /// Closes the semaphore for good: who waits for permits, or asks for some later, gets an error. Permits that are held stay valid.
    ///
    /// Returns whether it was open.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{Semaphore, semaphore::TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// assert!(semaphore.close());
    /// assert_eq!(semaphore.try_acquire(1).err(), Some(TryAcquireError::Closed));
    /// ```
    pub fn close(&self) -> bool {
        self.permits.close()
    }

    /// Whether the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!lenio_sync::Semaphore::new(1).is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    fn take(&self, count: usize) -> Result<(), TryAcquireError> {
        match self.permits.try_acquire(count) {
            Attempt::Taken => Ok(()),
            Attempt::Refused => Err(TryAcquireError::TooFew),
            Attempt::Closed => Err(TryAcquireError::Closed),
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Semaphore::acquire`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Acquire<'s> {
        semaphore: &'s Semaphore,
        count: usize,
        #[pin]
        acquire: permits::Acquire<'s>,
    }
}

impl<'s> Future for Acquire<'s> {
    type Output = Result<Permit<'s>, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.acquire.poll(cx).map(|acquired| {
            acquired.map_err(|_| AcquireError(()))?;
            Ok(Permit::new(this.semaphore, *this.count))
        })
    }
}

/// Permits cannot be had: the semaphore is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcquireError(());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl std::error::Error for AcquireError {}

/// Permits cannot be had without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryAcquireError {
    /// There are fewer than were asked for.
    TooFew,
    /// The semaphore is closed.
    Closed,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooFew => "there are too few permits",
            Self::Closed => "the semaphore is closed",
        })
    }
}

impl std::error::Error for TryAcquireError {}

#[cfg(all(test, not(lenio_loom)))]
mod tests;

#[cfg(all(test, lenio_loom))]
mod models;
