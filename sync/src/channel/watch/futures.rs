//! The futures of a watch channel.

use super::shared::{Place, Shared, Version};
use super::snapshot::Snapshot;
use crate::budget;
use crate::channel::error::RecvError;
use crate::wait::note;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

const A_CHANGE: &str = "watch: a change";

pin_project_lite::pin_project! {
    /// The future of [`Receiver::changed`](super::Receiver::changed).
    #[must_use = "futures do nothing unless polled"]
    pub struct Changed<'r, T> {
        pub(super) shared: &'r Shared<T>,
        pub(super) seen: &'r mut Version,
        #[pin]
        pub(super) place: Place<'r, T>,
        pub(super) at: &'static Location<'static>,
    }
}

impl<T> Future for Changed<'_, T> {
    type Output = Result<(), RecvError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        match this.shared.poll_change(**this.seen, this.place, cx) {
            Poll::Ready(Ok(version)) => {
                **this.seen = version;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                budget::refund();
                note(A_CHANGE, this.at);
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Changed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Receiver::wait_for`](super::Receiver::wait_for).
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitFor<'r, T, F> {
        pub(super) shared: &'r Shared<T>,
        pub(super) seen: &'r mut Version,
        pub(super) predicate: F,
        // Whether there is a value that the predicate has not been asked about.
        pub(super) has_news: bool,
        #[pin]
        pub(super) place: Place<'r, T>,
        pub(super) at: &'static Location<'static>,
    }
}

impl<T, F: FnMut(&T) -> bool> Future for WaitFor<'_, T, F> {
    type Output = Result<Snapshot<T>, RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            ready!(budget::poll_proceed(cx));
            if !*this.has_news {
                let place = this.place.as_mut();
                let Poll::Ready(news) = this.shared.poll_change(**this.seen, place, cx) else {
                    budget::refund();
                    note(A_CHANGE, this.at);
                    return Poll::Pending;
                };
                news?;
                *this.has_news = true;
            }
            let look = this.shared.look();
            let is_wanted = (this.predicate)(&look.value);
            *this.has_news = false;
            let has_changed = look.version != **this.seen;
            **this.seen = look.version;
            if is_wanted {
                return Poll::Ready(Ok(Snapshot::new(look.value, has_changed)));
            }
        }
    }
}

impl<T, F> fmt::Debug for WaitFor<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The stream of [`Receiver::stream`](super::Receiver::stream).
    #[must_use = "streams do nothing unless polled"]
    pub struct Stream<'r, T> {
        pub(super) shared: &'r Shared<T>,
        pub(super) seen: &'r mut Version,
        #[pin]
        pub(super) place: Place<'r, T>,
        pub(super) at: &'static Location<'static>,
    }
}

impl<T: Clone> futures_core::Stream for Stream<'_, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        match this.shared.poll_change(**this.seen, this.place, cx) {
            Poll::Ready(Ok(_)) => {
                let look = this.shared.look();
                let value = T::clone(&look.value);
                // Not before the clone: if that panics, the value has not been seen.
                **this.seen = look.version;
                Poll::Ready(Some(value))
            }
            Poll::Ready(Err(RecvError)) => Poll::Ready(None),
            Poll::Pending => {
                budget::refund();
                note(A_CHANGE, this.at);
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Stream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Sender::closed`](super::Sender::closed).
    #[must_use = "futures do nothing unless polled"]
    pub struct Closed<'s, T> {
        pub(super) shared: &'s Shared<T>,
        #[pin]
        pub(super) place: Place<'s, T>,
        pub(super) at: &'static Location<'static>,
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll_proceed(cx));
        let this = self.project();
        let poll = this.shared.poll_no_receiver(this.place, cx);
        if poll.is_pending() {
            budget::refund();
            note("watch: the receivers to go", this.at);
        }
        poll
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
