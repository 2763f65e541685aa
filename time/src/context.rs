//! Which timers the current thread uses: one thread-local, set by a guard.

use crate::clock::Clock;
use crate::instant::Instant;
use crate::timers::Timers;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    /// The timers that were entered last. No foreign code runs while it is borrowed.
    static CURRENT: RefCell<Option<Arc<Timers>>> = const { RefCell::new(None) };
}

/// Makes `timers` the ones that futures polled on this thread register with, until the guard is dropped.
///
/// Whoever enters timers has to turn them, or to close them. Entering nests: dropping the guard brings back what was there before, so
/// guards are to be dropped in the reverse of the order in which they were made.
///
/// # Examples
///
/// ```
/// use lenio_time::{Clock, Instant, Timers, enter};
///
/// let clock = Clock::new_virtual();
/// let timers = Timers::new(clock.clone(), None);
/// let entered = enter(&timers);
/// assert_eq!(Instant::now(), clock.now());
/// drop(entered);
/// ```
#[must_use = "the timers are left again when the guard is dropped"]
pub fn enter(timers: &Arc<Timers>) -> EnterGuard {
    EnterGuard {
        previous: replace(Some(Arc::clone(timers))),
        stays_on_its_thread: PhantomData,
    }
}

/// Leaves the timers that [`enter`] entered when it is dropped.
///
/// # Examples
///
/// ```
/// use lenio_time::{Clock, EnterGuard, Timers, enter};
///
/// let timers = Timers::new(Clock::new_virtual(), None);
/// let entered: EnterGuard = enter(&timers);
/// drop(entered);
/// ```
#[must_use = "the timers are left again when the guard is dropped"]
pub struct EnterGuard {
    previous: Option<Arc<Timers>>,
    /// The guard restores a thread-local, so it may not be dropped elsewhere.
    stays_on_its_thread: PhantomData<*const ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        let left = replace(self.previous.take());
        // Perhaps the last reference: its wakers are dropped here, after the borrow has ended.
        drop(left);
    }
}

impl fmt::Debug for EnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard").finish_non_exhaustive()
    }
}

impl Instant {
    /// Tells the current moment, on the clock of the timers that this thread has [`enter`]ed, else on the real clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    ///
    /// let before = Instant::now();
    /// assert!(Instant::now() >= before);
    /// ```
    #[inline]
    pub fn now() -> Self {
        let now =
            |current: &RefCell<Option<Arc<Timers>>>| Some(current.borrow().as_ref()?.clock().now());
        // Nobody is there any more while the thread's locals are being destroyed.
        let entered = CURRENT.try_with(now).ok().flatten();
        entered.unwrap_or_else(|| Clock::real().now())
    }

    /// Tells how much time has passed since this moment, by [`Instant::now`]; zero if it is yet to come.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    /// use std::time::Duration;
    ///
    /// let future = Instant::now() + Duration::from_secs(60);
    /// assert_eq!(future.elapsed(), Duration::ZERO);
    /// ```
    #[inline]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }
}

/// The timers of this thread.
#[inline]
pub(crate) fn current() -> Option<Arc<Timers>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok()?
}

fn replace(timers: Option<Arc<Timers>>) -> Option<Arc<Timers>> {
    CURRENT
        .try_with(|current| current.replace(timers))
        .unwrap_or(None)
}
