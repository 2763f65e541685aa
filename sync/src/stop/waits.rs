//! The futures that end at a stop.

use super::node::{LISTS, Node, State, WAITERS};
use super::reason::{StopReason, Stopped};
use crate::budget;
use crate::contain::contain;
use crate::wait::{Stage, Waiter, note};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

pin_project_lite::pin_project! {
    /// The future of [`StopToken::stopped`](super::StopToken::stopped).
    #[must_use = "futures do nothing unless polled"]
    pub struct StoppedFuture<'t> {
        node: Option<&'t Node>,
        #[pin]
        waiter: Option<Waiter<'t, State, LISTS>>,
        // The waker that the waiter was listed with: to see without the lock that a further poll changes nothing.
        waker: Option<Waker>,
        at: &'static Location<'static>,
    }

    impl PinnedDrop for StoppedFuture<'_> {
        fn drop(this: Pin<&mut Self>) {
            // The drop may be part of a panic, and a second one would end the process.
            let waker = this.project().waker.take();
            contain(|| drop(waker));
        }
    }
}

impl<'t> StoppedFuture<'t> {
    pub(super) fn new(node: Option<&'t Node>, at: &'static Location<'static>) -> Self {
        Self {
            node,
            waiter: node.map(|node| Waiter::new(&node.queue)),
            waker: None,
            at,
        }
    }

    fn is_stopped(&self) -> bool {
        self.node.is_some_and(Node::is_stopped)
    }

    /// As `poll`, whatever is left of the budget.
    fn poll_unbudgeted(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<StopReason> {
        let this = self.project();
        let (Some(node), Some(waiter)) = (*this.node, this.waiter.as_pin_mut()) else {
            note("stop", this.at);
            return Poll::Pending;
        };
        let has_waker = |waker: &Option<Waker>| {
            let will_wake = |waker: &Waker| waker.will_wake(cx.waker());
            waker.as_ref().is_some_and(will_wake)
        };
        if node.is_stopped() {
            if waiter.stage() == Stage::Fresh {
                if let Some(reason) = node.reason() {
                    return Poll::Ready(reason);
                }
            }
        } else if has_waker(this.waker) {
            // Listed by an earlier poll, and not stopped when we looked: so the stop is still to wake this very waker.
            note("stop", this.at);
            return Poll::Pending;
        }
        // Forgotten first: if foreign code panics from here on, the next poll goes the long way.
        drop(this.waker.take());
        let poll = waiter.poll(WAITERS, cx, |state, _| state.reason.clone());
        if poll.is_pending() {
            *this.waker = Some(cx.waker().clone());
            note("stop", this.at);
        }
        poll
    }
}

impl Future for StoppedFuture<'_> {
    type Output = StopReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<StopReason> {
        ready!(budget::poll_proceed(cx));
        let poll = self.poll_unbudgeted(cx);
        if poll.is_pending() {
            budget::refund();
        }
        poll
    }
}

impl fmt::Debug for StoppedFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoppedFuture")
            .field("is_stopped", &self.is_stopped())
            .finish_non_exhaustive()
    }
}

/// The future of [`StopToken::stopped_owned`](super::StopToken::stopped_owned).
#[must_use = "futures do nothing unless polled"]
pub struct StoppedOwned {
    /// Boxed, because it holds the token and the place in the token's list, which borrows the token.
    future: Pin<Box<dyn Future<Output = StopReason> + Send + Sync>>,
}

impl StoppedOwned {
    pub(super) fn new(future: impl Future<Output = StopReason> + Send + Sync + 'static) -> Self {
        Self {
            future: Box::pin(future),
        }
    }
}

impl Future for StoppedOwned {
    type Output = StopReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<StopReason> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for StoppedOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoppedOwned").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`StopToken::run_until_stopped`](super::StopToken::run_until_stopped).
    #[must_use = "futures do nothing unless polled"]
    pub struct RunUntilStopped<'t, F> {
        #[pin]
        future: F,
        #[pin]
        stopped: StoppedFuture<'t>,
        is_in_flight: bool,
    }
}

impl<'t, F> RunUntilStopped<'t, F> {
    pub(super) fn new(future: F, stopped: StoppedFuture<'t>) -> Self {
        Self {
            future,
            stopped,
            is_in_flight: false,
        }
    }
}

impl<F: Future> Future for RunUntilStopped<'_, F> {
    type Output = Result<F::Output, Stopped>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if !this.stopped.is_stopped() {
            *this.is_in_flight = true;
            if let Poll::Ready(value) = this.future.as_mut().poll(cx) {
                return Poll::Ready(Ok(value));
            }
        } else if !*this.is_in_flight {
            return this
                .stopped
                .poll(cx)
                .map(|reason| Err(Stopped::new(reason)));
        }
        let reason = ready!(this.stopped.poll_unbudgeted(cx));
        // The value may have become ready after the look at it and before the look at the stop. And it is not to lose because of the
        // budget: this is the last poll.
        let _unlimited = Unlimited::start();
        match this.future.poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => Poll::Ready(Err(Stopped::new(reason))),
        }
    }
}

impl<F> fmt::Debug for RunUntilStopped<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunUntilStopped")
            .field("is_stopped", &self.stopped.is_stopped())
            .finish_non_exhaustive()
    }
}

/// Lifts the budget until it is dropped, by a panic too.
struct Unlimited(budget::Paused);

impl Unlimited {
    fn start() -> Self {
        Self(budget::unlimited())
    }
}

impl Drop for Unlimited {
    fn drop(&mut self) {
        self.0.resume();
    }
}
