//! One child of a nursery: its future, and the handle that waits for it.

use super::ready::Ready;
use lenio_executor::StopHandle;
use lenio_executor::throughline::{self, Framed};
use lenio_sync::budget;
use lenio_sync::contain::contain;
use lenio_sync::primitive::Mutex;
use lenio_sync::stop::StopReason;
use pin_project_lite::pin_project;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// What a panic carried.
pub(super) type Payload = Box<dyn Any + Send>;
/// How a child has ended, for its nursery: well, or by a panic.
pub(super) type Ended = Result<(), Payload>;

pin_project! {
    /// A child, as its nursery polls it. Of a panic the handle has been told.
    pub(super) struct Child<F: Future> {
        // Dropped before the report is made, so that whoever hears of the end finds nothing of it alive.
        #[pin]
        future: Option<Framed<F>>,
        report: Report<F::Output>,
        stop: StopHandle,
        was_polled: bool,
    }
}

impl<F: Future> Child<F> {
    /// A child with the number `number` in `ready`, of the nursery that `stop` stops.
    pub(super) fn new(
        future: F,
        stop: StopHandle,
        ready: &Arc<Ready>,
        number: usize,
    ) -> (Self, ChildHandle<F::Output>) {
        let slot = Arc::new(Slot::new());
        let child = Self {
            future: Some(throughline::in_chain(throughline::current(), future)),
            report: Report(slot.clone()),
            stop,
            was_polled: false,
        };
        let handle = ChildHandle {
            slot,
            ready: ready.clone(),
            number,
        };
        (child, handle)
    }
}

impl<F: Future> Future for Child<F> {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.report.0.is_cancelled() {
            return Poll::Ready(Ok(()));
        }
        if !*this.was_polled {
            *this.was_polled = true;
            if let Some(reason) = this.stop.reason() {
                this.report.0.settle(Err(ChildError(Kind::Stopped(reason))));
                return Poll::Ready(Ok(()));
            }
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(()));
        };
        let output = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        let dropped = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
        let (outcome, panic) = match (output, dropped) {
            (Ok(output), Ok(())) => (Ok(output), Ok(())),
            (Err(payload), _) | (Ok(_), Err(payload)) => {
                (Err(ChildError::panicked(&*payload)), Err(payload))
            }
        };
        this.report.0.settle(outcome);
        Poll::Ready(panic)
    }
}

/// Tells the handle that nothing came of the child, unless something else was told before.
struct Report<T>(Arc<Slot<T>>);

impl<T> Drop for Report<T> {
    fn drop(&mut self) {
        self.0.settle(Err(ChildError(Kind::Cancelled)));
    }
}

/// What a child and its handle share.
struct Slot<T> {
    locked: Mutex<Locked<T>>,
}

struct Locked<T> {
    state: State<T>,
    is_cancelled: bool,
    waiter: Option<Waker>,
}

enum State<T> {
    Running,
    Settled(Result<T, ChildError>),
    Taken,
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self {
            locked: Mutex::new(Locked {
                state: State::Running,
                is_cancelled: false,
                waiter: None,
            }),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.locked.lock().is_cancelled
    }

    /// Fixes the outcome and wakes the handle. The first outcome counts.
    fn settle(&self, outcome: Result<T, ChildError>) {
        let mut locked = self.locked.lock();
        if !matches!(locked.state, State::Running) {
            drop(locked);
            drop(outcome);
            return;
        }
        locked.state = State::Settled(outcome);
        let waiter = locked.waiter.take();
        drop(locked);
        if let Some(waiter) = waiter {
            contain(|| waiter.wake());
        }
    }
}

/// Waits for a child of a nursery. Dropping it lets the child run on.
///
/// # Panics
///
/// If it is polled again after it has yielded the outcome.
///
/// # Cancel safety
///
/// Dropping the handle loses nothing but the output.
///
/// # Examples
///
/// ```
/// use lenio::future::concurrent;
///
/// # lenio::block_on(async {
/// let text = String::from("borrowed");
/// let length = concurrent(|n| {
///     let child = n.spawn(async { text.len() });
///     async move { child.await }
/// });
/// assert_eq!(length.await.ok(), Some(8));
/// # });
/// ```
#[must_use = "the child runs on without it; drop it to say that nobody waits for the output"]
pub struct ChildHandle<T> {
    slot: Arc<Slot<T>>,
    ready: Arc<Ready>,
    number: usize,
}

impl<T> ChildHandle<T> {
    /// Says that the nursery has ended before the child came.
    pub(super) fn refuse(&self) {
        self.slot.settle(Err(ChildError(Kind::Late)));
    }

    /// Asks for the child's future to be dropped, by the nursery in its next poll. If the child finishes first its output counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio::future::concurrent;
    ///
    /// # lenio::block_on(async {
    /// let outcome = concurrent(|n| async move {
    ///     let child = n.spawn(std::future::pending::<()>());
    ///     child.cancel();
    ///     child.await
    /// });
    /// assert!(outcome.await.unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn cancel(&self) {
        let mut locked = self.slot.locked.lock();
        let is_running = matches!(locked.state, State::Running);
        locked.is_cancelled = true;
        drop(locked);
        if is_running {
            self.ready.note(self.number);
        }
    }

    /// Whether the outcome is there.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio::future::concurrent;
    ///
    /// # lenio::block_on(async {
    /// let child = concurrent(|n| async move { n.spawn(async {}) }).await;
    /// assert!(child.is_finished(), "the nursery has waited for it");
    /// # });
    /// ```
    pub fn is_finished(&self) -> bool {
        !matches!(self.slot.locked.lock().state, State::Running)
    }
}

impl<T> Future for ChildHandle<T> {
    type Output = Result<T, ChildError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_proceed(cx));
        let waker = cx.waker().clone();
        let mut locked = self.slot.locked.lock();
        let old = match &mut locked.state {
            State::Running => locked.waiter.replace(waker),
            state => match std::mem::replace(state, State::Taken) {
                State::Settled(outcome) => return Poll::Ready(outcome),
                _ => {
                    drop(locked);
                    panic!("the handle of a child was polled after it had yielded the outcome");
                }
            },
        };
        drop(locked);
        drop(old);
        Poll::Pending
    }
}

impl<T> fmt::Debug for ChildHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Why a child of a nursery has no output.
///
/// # Examples
///
/// ```
/// use lenio::future::concurrent;
///
/// # lenio::block_on(async {
/// let never_polled = concurrent(|n| async move {
///     n.stop("closing time");
///     n.spawn(async {}).await
/// });
/// let error = never_polled.await.unwrap_err();
/// assert!(error.is_stopped());
/// assert_eq!(error.to_string(), "the child was stopped before it began: closing time");
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct ChildError(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Cancelled,
    /// Before its first poll.
    Stopped(StopReason),
    /// With the message.
    Panicked(Option<String>),
    Late,
}

impl ChildError {
    fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
        Self(Kind::Panicked(
            text.or_else(|| payload.downcast_ref::<String>().cloned()),
        ))
    }

    /// Whether the child was dropped before it finished: by [`cancel`](ChildHandle::cancel), at the end of the grace, or with its nursery.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Kind::Cancelled)
    }

    /// Whether the nursery was stopped before the first poll of the child, so that nothing of it ever ran.
    pub fn is_stopped(&self) -> bool {
        matches!(self.0, Kind::Stopped(_))
    }

    /// Whether the child panicked. Its nursery passes the panic on.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Kind::Panicked(_))
    }

    /// Whether the nursery had ended before the child came, so that nothing of it ever ran.
    pub fn is_late(&self) -> bool {
        matches!(self.0, Kind::Late)
    }

    /// Why the nursery was stopped, if that is the cause.
    pub fn reason(&self) -> Option<&StopReason> {
        match &self.0 {
            Kind::Stopped(reason) => Some(reason),
            _ => None,
        }
    }
}

impl fmt::Display for ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, detail) = match &self.0 {
            Kind::Cancelled => ("was cancelled", None),
            Kind::Stopped(reason) => ("was stopped before it began", reason.message()),
            Kind::Panicked(message) => ("panicked", message.as_deref()),
            Kind::Late => ("came after the end of its nursery", None),
        };
        write!(f, "the child {what}")?;
        match detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl Error for ChildError {}
