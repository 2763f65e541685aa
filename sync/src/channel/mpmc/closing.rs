//! The future of a wait for the end of a channel.

use super::pipe::{CLOSERS, Pipe, ReceiverWaiter};
use crate::budget;
use crate::wait::{Waiter, note};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project_lite::pin_project! {
    /// The future of [`Sender::closed`](super::Sender::closed) and [`Receiver::closed`](super::Receiver::closed).
    #[must_use = "futures do nothing unless polled"]
    pub struct Closed<'c, T> {
        #[pin]
        waiter: ReceiverWaiter<'c, T>,
        at: &'static Location<'static>,
    }
}

impl<'c, T> Closed<'c, T> {
    #[track_caller]
    pub(super) fn new(pipe: &'c Pipe<T>) -> Self {
        Self {
            waiter: Waiter::new(pipe.back()),
            at: Location::caller(),
        }
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        let poll = this
            .waiter
            .poll(CLOSERS, cx, |back, _| back.is_closed.then_some(()));
        if poll.is_pending() {
            budget::refund();
            note("channel: its end", this.at);
        }
        poll
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
