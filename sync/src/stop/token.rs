//! What is asked to stop.

use super::callback::Callback;
use super::node::Node;
use super::reason::{StopReason, Stopped};
use super::waits::{RunUntilStopped, StoppedFuture, StoppedOwned};
use crate::wait::block_on;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

/// Tells whether somebody asked to stop, and lets wait for it.
///
/// Hand one to everything that should be able to end early. Look at it in loops ([`check`](Self::check)), wait for it beside other
/// things ([`stopped`](Self::stopped), [`run_until_stopped`](Self::run_until_stopped)), or have code run ([`on_stop`](Self::on_stop)).
/// A token can not stop what it belongs to, only what is made below it with [`child`](Self::child). A plain flag that is set and
/// cleared is an [`Event`](crate::Event).
///
/// Made by [`StopSource::token`](super::StopSource::token). A clone costs one reference count.
///
/// # Examples
///
/// ```
/// use lenio_sync::stop::{StopKind, StopReason, StopSource};
/// use std::thread;
///
/// let source = StopSource::new();
/// let token = source.token();
/// let worker = thread::spawn(move || {
///     while !token.is_stopped() {
///         thread::yield_now();
///     }
///     token.reason()
/// });
/// source.stop(StopReason::new(StopKind::Shutdown));
/// let reason = worker.join().unwrap();
/// assert_eq!(reason.map(|reason| reason.kind()), Some(StopKind::Shutdown));
/// ```
#[derive(Clone, Default)]
pub struct StopToken {
    /// `None` if it can never be stopped.
    node: Option<Arc<Node>>,
}

impl StopToken {
    /// Makes a token that is never stopped. Costs nothing, and neither do its methods.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::StopToken;
    /// assert!(StopToken::never().check().is_ok());
    /// ```
    pub const fn never() -> Self {
        Self { node: None }
    }

    pub(super) fn of(node: Arc<Node>) -> Self {
        Self { node: Some(node) }
    }

    pub(super) fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }

    /// Whether somebody asked to stop. Costs one load. Once it is so it stays so.
    ///
    /// # Examples
    ///
    /// ```
    /// let source = lenio_sync::StopSource::new();
    /// assert!(!source.token().is_stopped());
    /// ```
    #[inline]
    pub fn is_stopped(&self) -> bool {
        match &self.node {
            Some(node) => node.is_stopped(),
            None => false,
        }
    }

    /// Ends the caller with `?` if somebody asked to stop. Costs one load, and a lock if so.
    ///
    /// # Errors
    ///
    /// [`Stopped`], with the reason, once somebody asked to stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopToken, Stopped};
    ///
    /// fn sum(numbers: &[u64], token: &StopToken) -> Result<u64, Stopped> {
    ///     let mut sum = 0;
    ///     for chunk in numbers.chunks(1_024) {
    ///         token.check()?;
    ///         sum += chunk.iter().sum::<u64>();
    ///     }
    ///     Ok(sum)
    /// }
    /// assert_eq!(sum(&[1, 2, 3], &StopToken::never()).ok(), Some(6));
    /// ```
    #[inline]
    pub fn check(&self) -> Result<(), Stopped> {
        if !self.is_stopped() {
            return Ok(());
        }
        self.reason()
            .map_or(Ok(()), |reason| Err(Stopped::new(reason)))
    }

    /// Why somebody asked to stop, if somebody did. Costs one load, and a lock if so.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopSource};
    ///
    /// let source = StopSource::new();
    /// assert!(source.token().reason().is_none());
    /// source.stop_with(StopKind::Requested, "enough");
    /// assert_eq!(source.token().reason().map(|reason| reason.to_string()).as_deref(), Some("enough"));
    /// ```
    pub fn reason(&self) -> Option<StopReason> {
        self.node.as_ref()?.reason()
    }

    /// Waits until somebody asks to stop, and tells why. Ready at once if somebody did already.
    ///
    /// For `select`-like code. To bound one future by the stop use [`run_until_stopped`](Self::run_until_stopped). Costs a lock the
    /// first time it is pending; a further poll with the same waker costs none.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped: a stop stays.
    ///
    /// # Fairness
    ///
    /// The stop wakes everybody who waits for it at this place, first in, first out, before it goes on to the places below.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    /// use lenio_sync::wait::block_on;
    ///
    /// let source = StopSource::new();
    /// let token = source.token();
    /// let thread = std::thread::spawn(move || source.stop(StopReason::new(StopKind::Deadline)));
    /// assert_eq!(block_on(token.stopped()).kind(), StopKind::Deadline);
    /// # thread.join().ok();
    /// ```
    #[track_caller]
    pub fn stopped(&self) -> StoppedFuture<'_> {
        StoppedFuture::new(self.node.as_deref(), Location::caller())
    }

    /// As [`stopped`](Self::stopped), for a future that outlives this token. Costs an allocation.
    ///
    /// # Cancel safety
    ///
    /// As for [`stopped`](Self::stopped).
    ///
    /// # Fairness
    ///
    /// As for [`stopped`](Self::stopped).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    /// use lenio_sync::wait::block_on;
    ///
    /// let source = StopSource::new();
    /// let stopped = source.token().stopped_owned();
    /// source.stop(StopReason::new(StopKind::Shutdown));
    /// assert_eq!(block_on(stopped).kind(), StopKind::Shutdown);
    /// ```
    #[track_caller]
    pub fn stopped_owned(&self) -> StoppedOwned {
        let token = self.clone();
        let at = Location::caller();
        StoppedOwned::new(async move { StoppedFuture::new(token.node.as_deref(), at).await })
    }

    /// Blocks the calling thread until somebody asks to stop, and tells why. For threads: in a task it would block the worker.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    ///
    /// let source = StopSource::new();
    /// let token = source.token();
    /// let thread = std::thread::spawn(move || token.stopped_blocking().kind());
    /// source.stop(StopReason::new(StopKind::Shutdown));
    /// assert_eq!(thread.join().unwrap(), StopKind::Shutdown);
    /// ```
    #[track_caller]
    pub fn stopped_blocking(&self) -> StopReason {
        block_on(self.stopped())
    }

    /// Runs `action` once, at the stop, in the thread that stops; at once and in this thread if somebody asked to stop already.
    ///
    /// Callbacks run after everybody who waits has been woken, in the order of registration, with no lock held: they may stop
    /// something else, make children, and register or remove callbacks. Use one to hand a stop on to something that knows no tokens:
    /// to close a socket, to interrupt a thread. They ought to be short. To take the callback back, drop the [`Callback`], which says
    /// when that has to wait.
    ///
    /// Costs an allocation and a lock. With [`never`](Self::never) nothing is registered and `action` is dropped at once.
    ///
    /// # Panics
    ///
    /// A panic of `action` in here is the caller's. A panic at the stop keeps nothing else from being stopped, and then is the
    /// stopper's.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    /// use std::sync::mpsc;
    ///
    /// let (source, other) = (StopSource::new(), StopSource::new());
    /// let other_token = other.token();
    /// let link = source.token().on_stop(move || {
    ///     other.stop(StopReason::new(StopKind::ParentFinished));
    /// });
    /// source.stop(StopReason::new(StopKind::Requested));
    /// assert!(other_token.is_stopped());
    /// # drop(link);
    /// ```
    pub fn on_stop(&self, action: impl FnOnce() + Send + 'static) -> Callback {
        match &self.node {
            Some(node) => Callback::register(node, action),
            None => Callback::nothing(),
        }
    }

    /// Runs `future`, and gives up waiting for it at the stop.
    ///
    /// A stop that came before the first poll wins: `future` is not polled, so that a loop over something that is always ready ends. A
    /// `future` that has been polled wins over a stop: it is polled once more after the stop was seen, and if it is ready its value is
    /// returned. So an effect that took place, an item that was received, is not lost, and the next call sees the stop.
    ///
    /// Costs what [`stopped`](Self::stopped) does. `future` is dropped with the returned one.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if somebody asked to stop before `future` was ready.
    ///
    /// # Cancel safety
    ///
    /// As that of `future`. The stop drops `future` where it stands, as a cancel does.
    ///
    /// # Fairness
    ///
    /// As for [`stopped`](Self::stopped); `future` waits by its own rules.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::stop::{StopKind, StopReason, StopSource};
    /// use lenio_sync::wait::block_on;
    ///
    /// let source = StopSource::new();
    /// let token = source.token();
    /// assert_eq!(block_on(token.run_until_stopped(async { 7 })).ok(), Some(7));
    /// source.stop(StopReason::new(StopKind::Requested));
    /// assert!(block_on(token.run_until_stopped(async { 7 })).is_err());
    /// ```
    #[track_caller]
    pub fn run_until_stopped<F: Future>(&self, future: F) -> RunUntilStopped<'_, F> {
        RunUntilStopped::new(future, self.stopped())
    }
}

impl fmt::Debug for StopToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopToken")
            .field("is_stopped", &self.is_stopped())
            .finish_non_exhaustive()
    }
}
