//! A bound on the time that a future may take.

use crate::instant::Instant;
use crate::sleep::{Sleep, sleep, sleep_until};
use lenio_sync::budget;
use pin_project_lite::pin_project;
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Runs `future` for at most `duration`, counted from this call.
///
/// The future is polled before the clock is asked: one that is ready in time wins, even with a duration of zero. A duration too long
/// for the clock is no bound at all.
///
/// A future can only be given up between its polls. One that blocks its thread is not interrupted.
///
/// # Errors
///
/// The output is [`Elapsed`] if the time was up first. The future is then dropped together with the [`Timeout`], unless
/// [`into_inner`](Timeout::into_inner) takes it out.
///
/// # Cancel safety
///
/// As cancel safe as `future`: dropping the timeout drops it, and running out of time leaves it as it stands after its last poll.
///
/// # Examples
///
/// ```
/// use lenio_time::{Elapsed, timeout};
/// use std::time::Duration;
///
/// async fn answer() -> u32 {
///     42
/// }
///
/// async fn bounded() -> Result<u32, Elapsed> {
///     timeout(Duration::from_secs(5), answer()).await
/// }
/// ```
#[inline]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout::new(sleep(duration), future)
}

/// Runs `future` until `deadline` at the latest.
///
/// As [`timeout()`] in everything else; several futures may share one deadline.
///
/// # Errors
///
/// The output is [`Elapsed`] if the deadline came first.
///
/// # Cancel safety
///
/// As [`timeout()`].
///
/// # Examples
///
/// ```
/// use lenio_time::{Elapsed, Instant, timeout_at};
/// use std::time::Duration;
///
/// async fn two_steps() -> Result<(), Elapsed> {
///     let deadline = Instant::now() + Duration::from_secs(5);
///     timeout_at(deadline, async { /* connect */ }).await?;
///     timeout_at(deadline, async { /* ask */ }).await
/// }
/// ```
#[inline]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout::new(sleep_until(deadline), future)
}

pin_project! {
    /// The future of [`timeout()`] and [`timeout_at`].
    ///
    /// # Cancel safety
    ///
    /// As [`timeout()`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Timeout, timeout};
    /// use std::future::{Ready, ready};
    /// use std::time::Duration;
    ///
    /// let bounded: Timeout<Ready<u32>> = timeout(Duration::from_secs(1), ready(1));
    /// ```
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
        // Whether running out of time was put off by one poll, because the task's budget was used up.
        has_yielded: bool,
    }
}

impl<F> Timeout<F> {
    fn new<I: IntoFuture<IntoFuture = F>>(sleep: Sleep, future: I) -> Self {
        Self {
            future: future.into_future(),
            sleep,
            has_yielded: false,
        }
    }

    /// The moment at which the time is up.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::{Instant, timeout_at};
    ///
    /// let bounded = timeout_at(Instant::NEVER, async {});
    /// assert_eq!(bounded.deadline(), Instant::NEVER);
    /// ```
    pub fn deadline(&self) -> Instant {
        self.sleep.deadline()
    }

    /// The future, to look at.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::timeout;
    /// use std::time::Duration;
    ///
    /// let bounded = timeout(Duration::from_secs(1), std::future::ready(1));
    /// assert_eq!(format!("{:?}", bounded.get_ref()), "Ready(Some(1))");
    /// ```
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future, to change.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::timeout;
    /// use std::future::ready;
    /// use std::time::Duration;
    ///
    /// let mut bounded = timeout(Duration::from_secs(1), ready(1));
    /// *bounded.get_mut() = ready(2);
    /// assert_eq!(bounded.into_inner().into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The pinned future.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::timeout;
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    /// use std::time::Duration;
    ///
    /// let mut bounded = pin!(timeout(Duration::from_secs(1), async { 1 }));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(bounded.as_mut().get_pin_mut().poll(&mut cx), Poll::Ready(1));
    /// ```
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut F> {
        self.project().future
    }

    /// Takes the future out, and the bound off.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_time::timeout;
    /// use std::time::Duration;
    ///
    /// let bounded = timeout(Duration::from_secs(1), std::future::ready(1));
    /// assert_eq!(bounded.into_inner().into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // A future that uses up the budget at every poll must not keep its own bound from being looked at (tokio #4314).
        let outer = budget::unlimited();
        let timer = Pin::new(this.sleep).poll(cx);
        outer.resume();
        if timer.is_pending() {
            return Poll::Pending;
        }
        // A loop around timeouts that are always up has to yield all the same, so each of them may be put off, but only once.
        if budget::poll_proceed(cx).is_pending() && !*this.has_yielded {
            *this.has_yielded = true;
            return Poll::Pending;
        }
        Poll::Ready(Err(Elapsed::new()))
    }
}

/// The time was up before the future was ready.
///
/// # Examples
///
/// ```
/// use lenio_time::Elapsed;
/// use std::io;
///
/// fn as_io(elapsed: Elapsed) -> io::Error {
///     elapsed.into()
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    _made_here: (),
}

impl Elapsed {
    const fn new() -> Self {
        Self { _made_here: () }
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up before the operation completed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    /// Makes an error of the kind [`io::ErrorKind::TimedOut`].
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}
