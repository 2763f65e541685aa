//! The futures of receiving.

use super::pipe::{Pipe, ReceiverWaiter};
use crate::budget;
use crate::channel::error::{RecvError, TryRecvError};
use crate::wait::{Waiter, note};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project_lite::pin_project! {
    /// A receiver's look for messages, and its wait for them. What all futures and streams of this side are made of.
    pub(super) struct Looking<'r, T> {
        pipe: &'r Pipe<T>,
        // Made when it begins to wait, so that a look that finds something pays nothing for it.
        #[pin]
        waiter: Option<ReceiverWaiter<'r, T>>,
        at: &'static Location<'static>,
    }

    impl<T> PinnedDrop for Looking<'_, T> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(waiter) = this.waiter.as_pin_mut() {
                this.pipe.abandon_look(waiter);
            }
        }
    }
}

impl<'r, T> Looking<'r, T> {
    #[inline]
    #[track_caller]
    pub(super) fn new(pipe: &'r Pipe<T>) -> Self {
        Self {
            pipe,
            waiter: None,
            at: Location::caller(),
        }
    }

    /// Takes the oldest message, or waits for one.
    #[inline]
    pub(super) fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, RecvError>> {
        ready!(budget::poll_proceed(cx));
        let this = self.as_mut().project();
        if this.waiter.is_none() {
            if let Some(message) = this.pipe.pop_at_once() {
                return Poll::Ready(Ok(message));
            }
        }
        let pipe = *this.pipe;
        self.poll_slow(cx, || pipe.pop())
    }

    /// Asks `look` for messages, and waits if there are none.
    #[inline(never)]
    fn poll_slow<R>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut look: impl FnMut() -> Result<R, TryRecvError>,
    ) -> Poll<Result<R, RecvError>> {
        let mut this = self.project();
        let pipe = *this.pipe;
        loop {
            let found = match look() {
                Ok(found) => Ok(found),
                Err(TryRecvError::Closed) => Err(RecvError),
                Err(TryRecvError::Empty) => {
                    if this.waiter.is_none() {
                        this.waiter.set(Some(Waiter::new(pipe.back())));
                    }
                    let Some(waiter) = this.waiter.as_mut().as_pin_mut() else {
                        continue;
                    };
                    if pipe.poll_wait(waiter, cx).is_ready() {
                        continue;
                    }
                    budget::refund();
                    note("channel: a message", this.at);
                    return Poll::Pending;
                }
            };
            if let Some(waiter) = this.waiter.as_mut().as_pin_mut() {
                pipe.end_look(waiter);
                this.waiter.set(None);
            }
            return Poll::Ready(found);
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Receiver::recv`](super::Receiver::recv).
    #[must_use = "futures do nothing unless polled"]
    pub struct Recv<'r, T> {
        #[pin]
        looking: Looking<'r, T>,
    }
}

impl<'r, T> Recv<'r, T> {
    #[inline]
    #[track_caller]
    pub(super) fn new(pipe: &'r Pipe<T>) -> Self {
        Self {
            looking: Looking::new(pipe),
        }
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().looking.poll_message(cx)
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Receiver::recv_many`](super::Receiver::recv_many).
    #[must_use = "futures do nothing unless polled"]
    pub struct RecvMany<'r, T> {
        #[pin]
        looking: Looking<'r, T>,
        messages: &'r mut Vec<T>,
        limit: usize,
    }
}

impl<'r, T> RecvMany<'r, T> {
    #[track_caller]
    pub(super) fn new(pipe: &'r Pipe<T>, messages: &'r mut Vec<T>, limit: usize) -> Self {
        Self {
            looking: Looking::new(pipe),
            messages,
            limit,
        }
    }
}

impl<T> Future for RecvMany<'_, T> {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        let (pipe, messages, limit) = (this.looking.pipe, &mut **this.messages, *this.limit);
        let poll = this
            .looking
            .poll_slow(cx, || pipe.pop_many(messages, limit));
        poll.map(|taken| taken.unwrap_or(0))
    }
}

impl<T> fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMany").finish_non_exhaustive()
    }
}
