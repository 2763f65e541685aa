//! A moment, as a number.
//!
//! The number is a `u64` of nanoseconds and not std's opaque type, so that a moment fits into an atomic, a virtual clock can make one
//! up, and arithmetic can saturate where std panics. The numbering starts [`ORIGIN`] nanoseconds before a clock's first moment: that
//! leaves room for 36 years before it and 548 years after.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// The number of a clock's first moment.
pub(crate) const ORIGIN: u64 = 1 << 60;

/// A moment on a [`Clock`](crate::Clock): nanoseconds in a `u64`.
///
/// Arithmetic saturates. A moment too far away to be expressed becomes [`NEVER`](Self::NEVER), one too long ago becomes the first that
/// there is; the `checked_` methods tell the difference.
///
/// Moments of the real clock can be turned into [`std::time::Instant`] and back. Moments of a virtual clock mean something only on
/// that clock: comparing them with those of another gives an answer, but no information.
///
/// # Examples
///
/// ```
/// use lenio_time::Instant;
/// use std::time::Duration;
///
/// let start = Instant::now();
/// let later = start + Duration::from_millis(20);
/// assert_eq!(later - start, Duration::from_millis(20));
/// assert_eq!(start - later, Duration::ZERO);
/// assert_eq!(start + Duration::MAX, Instant::NEVER);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment that no clock reaches: a sleep until then never completes.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    ///
    /// assert!(Instant::now() < Instant::NEVER);
    /// ```
    pub const NEVER: Self = Self(u64::MAX);

    /// The last moment that a clock can show.
    pub(crate) const LAST: Self = Self(u64::MAX - 1);

    /// Makes a moment from its number, for those who keep moments in atomics.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    ///
    /// let now = Instant::now();
    /// assert_eq!(Instant::from_nanos(now.as_nanos()), now);
    /// ```
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Tells the number of this moment: later moments have larger ones, and `u64::MAX` is [`NEVER`](Self::NEVER).
    ///
    /// Only differences mean something; where the numbering starts is not promised.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    ///
    /// assert_eq!(Instant::NEVER.as_nanos(), u64::MAX);
    /// ```
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Tells the time from `earlier` until this moment; zero if `earlier` is the later one.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    /// use std::time::Duration;
    ///
    /// let start = Instant::now();
    /// let later = start + Duration::from_secs(1);
    /// assert_eq!(later.duration_since(start), Duration::from_secs(1));
    /// assert_eq!(start.duration_since(later), Duration::ZERO);
    /// ```
    #[inline]
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Tells the time from `earlier` until this moment; `None` if `earlier` is the later one.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    /// use std::time::Duration;
    ///
    /// let start = Instant::now();
    /// let later = start + Duration::from_secs(1);
    /// assert_eq!(later.checked_duration_since(start), Some(Duration::from_secs(1)));
    /// assert_eq!(start.checked_duration_since(later), None);
    /// ```
    #[inline]
    pub fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_nanos)
    }

    /// Adds `duration`; `None` if the result cannot be expressed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    /// use std::time::Duration;
    ///
    /// assert!(Instant::now().checked_add(Duration::from_secs(60)).is_some());
    /// assert!(Instant::now().checked_add(Duration::MAX).is_none());
    /// ```
    #[inline]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }

    /// Subtracts `duration`; `None` if the result cannot be expressed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::Instant;
    /// use std::time::Duration;
    ///
    /// assert!(Instant::now().checked_sub(Duration::from_secs(60)).is_some());
    /// assert!(Instant::now().checked_sub(Duration::MAX).is_none());
    /// ```
    #[inline]
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_sub(nanos).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Adds; too far away becomes [`Instant::NEVER`].
    #[inline]
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::NEVER)
    }
}

impl AddAssign<Duration> for Instant {
    #[inline]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Subtracts; too long ago becomes the first moment that can be expressed.
    #[inline]
    fn sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).unwrap_or(Self(0))
    }
}

impl SubAssign<Duration> for Instant {
    #[inline]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// As [`Instant::duration_since`]: never negative.
    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

impl fmt::Debug for Instant {
    /// Shows the distance from the first moment of the clock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("Instant(never)");
        }
        let (sign, distance) = match self.0.checked_sub(ORIGIN) {
            Some(after) => ('+', after),
            None => ('-', ORIGIN - self.0),
        };
        write!(f, "Instant({sign}{:?})", Duration::from_nanos(distance))
    }
}

#[cfg(all(test, not(lenio_loom)))]
mod tests {
    use super::*;

    const START: Instant = Instant(ORIGIN);

    #[test]
    fn addition_saturates_at_never() {
        for far in [Duration::MAX, Duration::from_millis(u64::MAX)] {
            assert_eq!(START + far, Instant::NEVER);
            assert_eq!(START.checked_add(far), None);
        }
        let most = Duration::from_nanos(u64::MAX - ORIGIN);
        assert_eq!(START.checked_add(most), Some(Instant::NEVER));
        assert_eq!(Instant::NEVER + Duration::from_nanos(1), Instant::NEVER);
    }

    #[test]
    fn subtraction_saturates_at_the_first_moment() {
        assert_eq!(START - Duration::MAX, Instant(0));
        assert_eq!(START.checked_sub(Duration::MAX), None);
        assert_eq!(Instant(0) - Instant::NEVER, Duration::ZERO);
        assert_eq!(Instant::NEVER - Instant(0), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn assignment_operators_agree_with_the_others() {
        let mut moment = START;
        moment += Duration::from_secs(2);
        moment -= Duration::from_secs(1);
        assert_eq!(moment, START + Duration::from_secs(1));
    }

    #[test]
    fn debug_shows_the_distance_from_the_start_of_the_clock() {
        let second = Duration::from_secs(1);
        assert_eq!(format!("{:?}", START + second), "Instant(+1s)");
        assert_eq!(format!("{:?}", START - second), "Instant(-1s)");
        assert_eq!(format!("{:?}", Instant::NEVER), "Instant(never)");
    }
}
