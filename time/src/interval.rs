//! Ticks at a steady rate.

use crate::instant::Instant;
use crate::sleep::{Sleep, sleep_until};
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// Ticks now and then every `period`.
///
/// The first tick completes at once, each further one `period` after the moment for which the one before was scheduled: the time
/// that the work between two ticks takes does not shift them. What happens when that work takes longer than a period is chosen by
/// [`Interval::set_missed_tick`].
///
/// A period of zero is taken as one nanosecond, the shortest that the clock can express: the interval then ticks whenever it is
/// polled, or nearly so, and its task yields as the [budget](lenio_sync::budget) demands. With a period too long for the clock there
/// is one tick only.
///
/// # Examples
///
/// ```
/// use lenio_time::interval;
/// use std::time::Duration;
///
/// async fn report() {
///     let mut every_minute = interval(Duration::from_secs(60));
///     loop {
///         every_minute.tick().await;
///         println!("still here");
/// #       break;
///     }
/// }
/// ```
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start` and then every `period`.
///
/// As [`interval()`] in everything else. A start in the past is a tick that comes late.
///
/// # Examples
///
/// ```
/// use lenio_time::{Instant, interval_at};
/// use std::time::Duration;
///
/// async fn not_at_once() {
///     let period = Duration::from_millis(10);
///     let mut ticks = interval_at(Instant::now() + period, period);
///     ticks.tick().await;
/// }
/// ```
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval {
        sleep: sleep_until(start),
        period: period.max(Duration::from_nanos(1)),
        missed_tick: MissedTick::default(),
    }
}

/// What an [`Interval`] does when it is asked for a tick after the one that follows should have come, too.
///
/// A tick that comes late by less than a period misses nothing and changes nothing: the next one is on time.
///
/// ```text
/// schedule      0         1         2         3         4         5
/// Burst         0 (work takes 2.5)       1    23        4         5
/// Delay         0 (work takes 2.5)       1         2         3
/// Skip          0 (work takes 2.5)       1    3         4         5
/// ```
///
/// # Examples
///
/// ```
/// use lenio_time::MissedTick;
///
/// assert_eq!(MissedTick::default(), MissedTick::Delay);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MissedTick {
    /// Ticks without waiting until all missed ticks have been made up for: their number is right in the end.
    Burst,
    /// Starts a new schedule with the late tick: there is at least a period between two ticks.
    #[default]
    Delay,
    /// Leaves the missed ticks out and keeps to the schedule: every tick is a multiple of the period after the start.
    Skip,
}

impl MissedTick {
    /// When the tick after the one of `scheduled` is to come, if that one comes at `now`.
    fn next(self, scheduled: Instant, period: Duration, now: Instant) -> Instant {
        let regular = scheduled + period;
        if now <= regular {
            return regular;
        }
        match self {
            Self::Burst => regular,
            Self::Delay => now + period,
            Self::Skip => {
                let late = now.duration_since(scheduled).as_nanos();
                let periods = late.div_ceil(period.as_nanos());
                let skipped = u64::try_from(periods.saturating_mul(period.as_nanos()));
                skipped.map_or(Instant::NEVER, |nanos| {
                    scheduled + Duration::from_nanos(nanos)
                })
            }
        }
    }
}

/// Ticks at a steady rate; made by [`interval()`] and [`interval_at`].
///
/// As a [`Stream`] it yields the ticks and never ends.
///
/// # Examples
///
/// ```
/// use lenio_time::{Interval, MissedTick, interval};
/// use std::time::Duration;
///
/// let mut ticks: Interval = interval(Duration::from_secs(1));
/// ticks.set_missed_tick(MissedTick::Skip);
/// assert_eq!(ticks.period(), Duration::from_secs(1));
/// ```
#[derive(Debug)]
pub struct Interval {
    /// Waits for the next tick.
    sleep: Sleep,
    /// Never zero.
    period: Duration,
    missed_tick: MissedTick,
}

impl Interval {
    /// Waits for the next tick and tells for which moment it was scheduled.
    ///
    /// # Cancel safety
    ///
    /// No tick is lost: if this is dropped before it completes, the next call waits for the same tick.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Instant, interval};
    /// use std::time::Duration;
    ///
    /// async fn a_second_apart() {
    ///     let mut ticks = interval(Duration::from_secs(1));
    ///     let first = ticks.tick().await;
    ///     let second = ticks.tick().await;
    ///     assert_eq!(second - first, Duration::from_secs(1));
    /// }
    /// ```
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick; tells for which moment it was scheduled.
    ///
    /// If it returns `Pending` the task of `cx` is woken when the tick is due. Of several tasks that poll only the last is woken.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::interval;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    ///
    /// let mut ticks = interval(Duration::from_secs(60));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ticks.poll_tick(&mut cx).is_ready(), "the first comes at once");
    /// assert!(ticks.poll_tick(&mut cx).is_pending());
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let scheduled = self.sleep.deadline();
        let next = self
            .missed_tick
            .next(scheduled, self.period, Instant::now());
        self.reset_at(next);
        Poll::Ready(scheduled)
    }

    /// Schedules the next tick one period from now, and the others after that.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::interval;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    ///
    /// let mut ticks = interval(Duration::from_secs(60));
    /// ticks.reset();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ticks.poll_tick(&mut cx).is_pending(), "not before a minute has passed");
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Schedules the next tick `duration` from now, and the others after that, a period apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::interval;
    /// use std::task::{Context, Waker};
    /// use std::time::Duration;
    ///
    /// let mut ticks = interval(Duration::from_secs(60));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ticks.poll_tick(&mut cx).is_ready());
    /// ticks.reset_after(Duration::ZERO);
    /// assert!(ticks.poll_tick(&mut cx).is_ready(), "at once, instead of in a minute");
    /// ```
    pub fn reset_after(&mut self, duration: Duration) {
        self.reset_at(Instant::now() + duration);
    }

    /// Schedules the next tick at `deadline`, and the others after that, a period apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Instant, interval};
    /// use std::time::Duration;
    ///
    /// let mut ticks = interval(Duration::from_secs(60));
    /// ticks.reset_at(Instant::now() + Duration::from_secs(1));
    /// ```
    pub fn reset_at(&mut self, deadline: Instant) {
        Pin::new(&mut self.sleep).reset(deadline);
    }

    /// The time between two ticks.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::interval;
    /// use std::time::Duration;
    ///
    /// assert_eq!(interval(Duration::from_secs(1)).period(), Duration::from_secs(1));
    /// assert_eq!(interval(Duration::ZERO).period(), Duration::from_nanos(1));
    /// ```
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What happens to ticks that were missed.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{MissedTick, interval};
    /// use std::time::Duration;
    ///
    /// assert_eq!(interval(Duration::from_secs(1)).missed_tick(), MissedTick::Delay);
    /// ```
    pub fn missed_tick(&self) -> MissedTick {
        self.missed_tick
    }

    /// Chooses what happens to ticks that are missed from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{MissedTick, interval};
    /// use std::time::Duration;
    ///
    /// let mut ticks = interval(Duration::from_secs(1));
    /// ticks.set_missed_tick(MissedTick::Burst);
    /// assert_eq!(ticks.missed_tick(), MissedTick::Burst);
    /// ```
    pub fn set_missed_tick(&mut self, missed_tick: MissedTick) {
        self.missed_tick = missed_tick;
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.get_mut().poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
