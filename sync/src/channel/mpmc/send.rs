//! The future of a send.

use super::offers::Id;
use super::pipe::{Pipe, SenderWaiter};
use super::push::{Manners, Place, Pushed, put, wake_any};
use crate::budget;
use crate::channel::error::SendError;
use crate::wait::{Waiter, note};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project_lite::pin_project! {
    /// The future of [`Sender::send`](super::Sender::send).
    #[must_use = "futures do nothing unless polled"]
    pub struct Sending<'s, T> {
        pipe: &'s Pipe<T>,
        value: Option<T>,
        // Made when it begins to wait, so that a send that does not wait pays nothing for it.
        #[pin]
        wait: Option<Wait<'s, T>>,
        at: &'static Location<'static>,
    }

    impl<T> PinnedDrop for Sending<'_, T> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(wait) = this.wait.as_pin_mut() {
                // What comes back is dropped here, when no lock is held.
                drop(wait.abandon(this.pipe));
            }
        }
    }
}

pin_project_lite::pin_project! {
    struct Wait<'s, T> {
        #[pin]
        waiter: SenderWaiter<'s, T>,
        // What it offers on a rendezvous channel.
        offer: Id,
        // How often it has let others go first.
        courtesy: u8,
    }
}

impl<'s, T> Sending<'s, T> {
    #[inline]
    #[track_caller]
    pub(super) fn new(pipe: &'s Pipe<T>, value: T) -> Self {
        Self {
            pipe,
            value: Some(value),
            wait: None,
            at: Location::caller(),
        }
    }

    /// Sends with all that may belong to it.
    #[inline(never)]
    fn poll_slow(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let mut this = self.project();
        let pipe = *this.pipe;
        if this.wait.is_none() {
            assert!(this.value.is_some(), "polled after it was ready");
            if pipe.push(this.value, Manners::Polite) == Pushed::Done {
                return Poll::Ready(Ok(()));
            }
            this.wait.set(Some(Wait {
                waiter: Waiter::new(pipe.front()),
                offer: 0,
                courtesy: 0,
            }));
        }
        let Some(wait) = this.wait.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let poll = wait.poll(pipe, cx, this.value, this.at);
        if poll.is_ready() {
            this.wait.set(None);
        }
        poll.map(|()| {
            this.value
                .take()
                .map_or(Ok(()), |value| Err(SendError(value)))
        })
    }
}

impl<'s, T> Wait<'s, T> {
    /// Waits until the value is sent, or is in `value` still or again because the channel is closed.
    fn poll(
        self: Pin<&mut Self>,
        pipe: &'s Pipe<T>,
        cx: &mut Context<'_>,
        value: &mut Option<T>,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        let this = self.project();
        if pipe.is_rendezvous() {
            let poll = pipe.poll_offer(this.waiter, cx, this.offer, value);
            if poll.is_pending() {
                budget::refund();
                note("channel: a receiver for its message", at);
            }
            return poll;
        }
        let taken = pipe.poll_place(this.waiter, cx, this.courtesy, |back| {
            back.room -= 1;
            put(back, value)
        });
        match taken {
            Poll::Ready(Place::Taken(receiver)) => {
                wake_any(receiver);
                Poll::Ready(())
            }
            Poll::Ready(Place::Closed) => Poll::Ready(()),
            Poll::Ready(Place::AfterThem) => {
                cx.waker().wake_by_ref();
                note("channel: its turn to send", at);
                Poll::Pending
            }
            Poll::Pending => {
                budget::refund();
                note("channel: room to send", at);
                Poll::Pending
            }
        }
    }

    /// Ends the wait, and takes back what was offered.
    #[inline(never)]
    fn abandon(self: Pin<&mut Self>, pipe: &Pipe<T>) -> Option<T> {
        let this = self.project();
        if pipe.is_rendezvous() {
            return pipe.abandon_offer(this.waiter, *this.offer);
        }
        pipe.abandon_place(this.waiter);
        None
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_proceed(cx));
        let this = self.as_mut().project();
        if this.wait.is_none() && this.pipe.push_at_once(this.value) {
            return Poll::Ready(Ok(()));
        }
        self.poll_slow(cx)
    }
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
