//! Waiting for a moment.

use crate::background;
use crate::context;
use crate::instant::Instant;
use crate::timers::{Inserted, Timers};
use crate::wheel::Key;
use lenio_sync::budget;
use lenio_sync::wait::note_unplaced;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// Waits for `duration`, counted from this call.
///
/// Completes when the duration has passed, never before; how long after depends on the executor. A duration too long for the clock
/// never completes.
///
/// For work that is to be repeated use [`interval`](crate::interval()), which does not drift; to bound the time of another future use
/// [`timeout`](crate::timeout()).
///
/// # Cancel safety
///
/// Dropping it loses nothing but the wait. To go on with a wait that was begun keep the [`Sleep`] and await it by `&mut`.
///
/// # Examples
///
/// ```
/// use lenio_time::sleep;
/// use std::time::Duration;
///
/// async fn retry_later() {
///     sleep(Duration::from_millis(100)).await;
/// }
/// ```
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep {
        deadline: Instant::now() + duration,
        state: match duration {
            Duration::ZERO => State::Idle,
            _ => State::Ahead,
        },
    }
}

/// Waits until `deadline`; completes at once if that has passed.
///
/// # Cancel safety
///
/// As [`sleep`].
///
/// # Examples
///
/// ```
/// use lenio_time::{Instant, sleep_until};
/// use std::time::Duration;
///
/// async fn both_within_a_second() {
///     let deadline = Instant::now() + Duration::from_secs(1);
///     // .. something that takes some of the time ..
///     sleep_until(deadline).await;
/// }
/// ```
#[inline]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        state: State::Idle,
    }
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It registers at its first poll, with the timers of the thread that polls it, and stays registered there when the task moves on to
/// another thread. It may be dropped on any thread. After it has completed further polls return `Ready`.
///
/// While it is registered the wheel decides and not the clock: it completes once its timers have been turned past its deadline. That
/// holds for a [`sleep`] of some duration from the start, so one that is first polled after its time is woken by the next turn; a
/// [`sleep_until`] looks at the clock first.
///
/// `Sleep` is `Unpin`: nothing points into it.
///
/// Cost: no allocation of its own. Registering and deregistering take one short lock each, a further poll takes one, too; completing
/// takes a unit of the task's [budget].
///
/// # Cancel safety
///
/// As [`sleep`].
///
/// # Examples
///
/// ```
/// use lenio_time::{Sleep, sleep};
/// use std::time::Duration;
///
/// let nap: Sleep = sleep(Duration::from_secs(1));
/// assert!(!nap.is_elapsed());
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    deadline: Instant,
    state: State,
}

/// ```text
///  Ahead --------1-----+
///                      v
///  Idle ------1--> Registered --3--> Registered
///   | ^                |
///   | |                +--2--> as in Idle
///   | 4
///   v |
///  Elapsed
/// ```
///
/// 1. `poll` puts a timer into a wheel; in Idle only if the clock shows that it is not due, else it goes on to Elapsed.
/// 2. `poll` finds that the timer has fired, or was evicted when the wheel was closed. The clock tells which.
/// 3. `poll` leaves the timer where it is and renews its waker; `reset` gives it another deadline.
/// 4. `reset`.
enum State {
    /// In no wheel, and made with a deadline ahead of its time: the first poll need not read the clock, which would cost it more than
    /// all the rest. Should the deadline have passed since, the next turn of the wheel fires it.
    Ahead,
    /// In no wheel, with a deadline that may have passed.
    Idle,
    /// In a wheel, or fired since: only the wheel knows. `drop` takes it out.
    Registered(Registration),
    /// Completed.
    Elapsed,
}

struct Registration {
    /// Shared, because the sleep may outlive its driver and be dropped on any thread.
    timers: Arc<Timers>,
    key: Key,
}

impl Sleep {
    /// The moment that this sleep waits for.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Instant, sleep_until};
    ///
    /// assert_eq!(sleep_until(Instant::NEVER).deadline(), Instant::NEVER);
    /// ```
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Tells whether this sleep has completed, that is whether a poll has found its deadline to have come.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Instant, sleep_until};
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let mut nap = pin!(sleep_until(Instant::now()));
    /// assert!(!nap.is_elapsed(), "nobody has polled it");
    /// assert!(nap.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    /// assert!(nap.is_elapsed());
    /// ```
    pub fn is_elapsed(&self) -> bool {
        matches!(self.state, State::Elapsed)
    }

    /// Makes this sleep wait until `deadline` instead, whether or not it has completed.
    ///
    /// A task that waits already goes on waiting: it need not poll again to be woken at the new deadline. One in the past is as good
    /// as any other, and wakes the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Instant, sleep};
    /// use std::pin::pin;
    /// use std::time::Duration;
    ///
    /// let mut idle = pin!(sleep(Duration::from_secs(30)));
    /// let later = Instant::now() + Duration::from_secs(60);
    /// idle.as_mut().reset(later);
    /// assert_eq!(idle.deadline(), later);
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.get_mut();
        this.deadline = deadline;
        let State::Registered(Registration { timers, key }) = &mut this.state else {
            this.state = State::Idle;
            return;
        };
        match timers.shift(*key, deadline) {
            None => this.state = State::Idle,
            Some(inserted) => {
                *key = inserted.key;
                if inserted.is_earliest {
                    timers.announce(deadline);
                }
            }
        }
    }

    fn poll_deadline(&mut self, cx: &Context<'_>) -> Poll<()> {
        let polled = self.poll_timer(cx);
        if polled.is_pending() {
            note_unplaced("timer");
        }
        polled
    }

    fn poll_timer(&mut self, cx: &Context<'_>) -> Poll<()> {
        match &self.state {
            State::Elapsed => return Poll::Ready(()),
            State::Ahead | State::Idle => {}
            State::Registered(Registration { timers, key }) => {
                if timers.refresh(*key, cx) {
                    return Poll::Pending;
                }
                // Fired or evicted. The clock of the wheel that it was in decides, whichever thread this is now.
                if self.deadline <= timers.clock().now() {
                    self.state = State::Elapsed;
                    return Poll::Ready(());
                }
                self.state = State::Idle;
            }
        }
        let timers = context::current().unwrap_or_else(background::timers);
        if matches!(self.state, State::Idle) && self.deadline <= timers.clock().now() {
            self.state = State::Elapsed;
            return Poll::Ready(());
        }
        let Err(waker) = self.register(timers, cx.waker().clone()) else {
            return Poll::Pending;
        };
        // The timers of this thread are closed.
        if let Err(waker) = self.register(background::timers(), waker) {
            waker.wake();
        }
        Poll::Pending
    }

    /// Puts a timer into the wheel; gives the waker back if the wheel is closed.
    fn register(&mut self, timers: Arc<Timers>, waker: Waker) -> Result<(), Waker> {
        let Inserted { key, is_earliest } = timers.insert(self.deadline, waker)?;
        let registration = Registration { timers, key };
        // The state comes first: the alarm is foreign code, and the timer must be found again if it panics.
        self.state = State::Registered(registration);
        if let State::Registered(Registration { timers, .. }) = &self.state {
            if is_earliest {
                timers.announce(self.deadline);
            }
        }
        Ok(())
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.get_mut().poll_deadline(cx));
        budget::poll_proceed(cx)
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        if let State::Registered(Registration { timers, key }) = &self.state {
            // The waker is dropped here, after the lock: it may be the last that holds its task.
            drop(timers.remove(*key));
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ahead | State::Idle => "idle",
            State::Registered(_) => "registered",
            State::Elapsed => "elapsed",
        };
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("state", &format_args!("{state}"))
            .finish()
    }
}
