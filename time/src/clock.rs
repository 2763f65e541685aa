//! The one door to the time: nothing else in lenio asks the operating system what time it is.
//!
//! Behind the door stands either the operating system's monotonic clock or a number that only moves when it is told to. Everything that
//! goes by time takes a [`Clock`] as a value and cannot tell the difference, so a simulation runs the very code that is shipped.

use crate::instant::{Instant, ORIGIN};
use lenio_sync::primitive::atomic::{AtomicU64, Ordering};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Tells the time: the real one, or one that moves only when told to.
///
/// Clones of a virtual clock show the same time. Cloning is cheap: nothing for the real clock, a reference count for a virtual one.
///
/// # Examples
///
/// ```
/// use lenio_time::Clock;
/// use std::time::Duration;
///
/// let clock = Clock::new_virtual();
/// let start = clock.now();
/// assert_eq!(clock.now(), start, "it stands still");
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now() - start, Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    Real,
    /// The current moment. Shared by all clones; whoever has one may move it.
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    /// Makes the clock that shows the operating system's monotonic time.
    ///
    /// Whether it runs on while the machine is suspended is the operating system's choice; Linux stops it.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Clock;
    ///
    /// let clock = Clock::real();
    /// let before = clock.now();
    /// assert!(clock.now() >= before);
    /// ```
    pub const fn real() -> Self {
        Self(Kind::Real)
    }

    /// Makes a clock that stands still until [`advance`](Self::advance) or [`advance_to`](Self::advance_to) is called.
    ///
    /// Every new virtual clock starts at the same moment, so that a run can be repeated to the nanosecond.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Clock;
    ///
    /// assert_eq!(Clock::new_virtual().now(), Clock::new_virtual().now());
    /// ```
    pub fn new_virtual() -> Self {
        Self(Kind::Virtual(Arc::new(AtomicU64::new(ORIGIN))))
    }

    /// Tells the current moment. It never goes backwards, and never is [`Instant::NEVER`].
    ///
    /// Costs about 20 ns on the real clock, one atomic load on a virtual one.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Clock, Instant};
    ///
    /// assert!(Clock::real().now() < Instant::NEVER);
    /// ```
    #[inline]
    pub fn now(&self) -> Instant {
        match &self.0 {
            Kind::Real => system_now().into(),
            // ORDERING: Acquire pairs with the Release in `advance` and `advance_to`: who sees the new time also sees what was
            // written before the clock was moved, as if the time had passed by itself.
            Kind::Virtual(moment) => Instant::from_nanos(moment.load(Ordering::Acquire)),
        }
    }

    /// Tells whether this clock moves only when told to.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Clock;
    ///
    /// assert!(Clock::new_virtual().is_virtual());
    /// assert!(!Clock::real().is_virtual());
    /// ```
    pub fn is_virtual(&self) -> bool {
        matches!(self.0, Kind::Virtual(_))
    }

    /// Moves a virtual clock on by `duration`. It stops just before [`Instant::NEVER`].
    ///
    /// No timer fires by that alone: whoever drives the timers turns them next.
    ///
    /// # Panics
    ///
    /// On the real clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Clock, Instant};
    /// use std::time::Duration;
    ///
    /// let clock = Clock::new_virtual();
    /// clock.advance(Duration::MAX);
    /// assert!(clock.now() < Instant::NEVER);
    /// ```
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        let moment = self.moment();
        let moved = |nanos| Some(later(Instant::from_nanos(nanos) + duration));
        // ORDERING: Release pairs with the Acquire in `now`; Relaxed for the failed attempt, whose value is only tried again with.
        let result = moment.fetch_update(Ordering::Release, Ordering::Relaxed, moved);
        debug_assert!(result.is_ok(), "the closure never refuses");
    }

    /// Moves a virtual clock on to `moment`; does nothing if it shows that moment or a later one already.
    ///
    /// No timer fires by that alone: whoever drives the timers turns them next.
    ///
    /// # Panics
    ///
    /// On the real clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Clock;
    /// use std::time::Duration;
    ///
    /// let clock = Clock::new_virtual();
    /// let (start, noon) = (clock.now(), clock.now() + Duration::from_secs(12));
    /// clock.advance_to(noon);
    /// clock.advance_to(start);
    /// assert_eq!(clock.now(), noon, "never backwards");
    /// ```
    #[track_caller]
    pub fn advance_to(&self, moment: Instant) {
        // ORDERING: Release pairs with the Acquire in `now`.
        self.moment().fetch_max(later(moment), Ordering::Release);
    }

    #[track_caller]
    fn moment(&self) -> &AtomicU64 {
        match &self.0 {
            Kind::Virtual(moment) => moment,
            Kind::Real => panic!("only a virtual clock can be moved"),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Real => f.write_str("Clock(real)"),
            Kind::Virtual(_) => write!(f, "Clock(virtual, {:?})", self.now()),
        }
    }
}

impl From<std::time::Instant> for Instant {
    /// Takes the moment over as one of the real clock; before the first that can be expressed it becomes that one.
    #[inline]
    fn from(moment: std::time::Instant) -> Self {
        let start = Self::from_nanos(ORIGIN);
        match moment.checked_duration_since(base()) {
            Some(after) => start + after,
            None => start - base().duration_since(moment),
        }
    }
}

impl From<Instant> for std::time::Instant {
    /// Takes the moment over from the real clock; one that the operating system cannot express becomes the start of the clock.
    fn from(moment: Instant) -> Self {
        let start = Instant::from_nanos(ORIGIN);
        let moved = match moment.checked_duration_since(start) {
            Some(after) => base().checked_add(after),
            None => base().checked_sub(start - moment),
        };
        moved.unwrap_or_else(base)
    }
}

/// The number that a clock shows when it is told to show `moment`.
fn later(moment: Instant) -> u64 {
    moment.min(Instant::LAST).as_nanos()
}

/// The first moment of the real clock in this process.
#[inline]
fn base() -> std::time::Instant {
    static BASE: OnceLock<std::time::Instant> = OnceLock::new();
    *BASE.get_or_init(system_now)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the door that everybody else goes through"
)]
#[inline]
fn system_now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_virtual_clock_show_the_same_time() {
        let clock = Clock::new_virtual();
        let other = clock.clone();
        clock.advance(Duration::from_nanos(1));
        assert_eq!(other.now(), clock.now());
        assert_ne!(other.now(), Clock::new_virtual().now());
    }

    #[test]
    fn a_virtual_clock_never_reaches_never() {
        let clock = Clock::new_virtual();
        clock.advance_to(Instant::NEVER);
        assert_eq!(clock.now(), Instant::LAST);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Instant::LAST);
    }

    #[test]
    #[should_panic(expected = "only a virtual clock can be moved")]
    fn the_real_clock_cannot_be_moved() {
        Clock::real().advance(Duration::ZERO);
    }

    #[test]
    fn moments_of_the_real_clock_survive_the_way_to_std_and_back() {
        let day = Duration::from_secs(86_400);
        let now = Clock::real().now();
        for moment in [now, now + day, now - day] {
            assert_eq!(Instant::from(std::time::Instant::from(moment)), moment);
        }
    }

    #[test]
    fn a_moment_before_the_first_look_at_the_clock_is_in_the_past() {
        let moment = base().checked_sub(Duration::from_millis(1));
        let moment = Instant::from(moment.expect("the machine has been up for a millisecond"));
        assert_eq!(moment, Instant::from_nanos(ORIGIN - 1_000_000));
        assert!(moment < Clock::real().now());
    }
}
