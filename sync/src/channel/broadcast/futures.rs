//! The futures of a broadcast channel.

use super::error::{Lagged, RecvError};
use super::shared::{Next, Place, Shared};
use crate::budget;
use crate::wait::note;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project_lite::pin_project! {
    /// The future of [`Receiver::recv`](super::Receiver::recv).
    #[must_use = "futures do nothing unless polled"]
    pub struct Recv<'r, T> {
        pub(super) shared: &'r Shared<T>,
        pub(super) position: &'r mut u64,
        #[pin]
        pub(super) place: Place<'r>,
        pub(super) at: &'static Location<'static>,
    }
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        poll_recv(this.shared, this.position, this.place, this.at, cx)
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The stream of [`Receiver::stream`](super::Receiver::stream).
    #[must_use = "streams do nothing unless polled"]
    pub struct Stream<'r, T> {
        pub(super) shared: &'r Shared<T>,
        pub(super) position: &'r mut u64,
        #[pin]
        pub(super) place: Place<'r>,
        pub(super) at: &'static Location<'static>,
    }
}

impl<T: Clone> futures_core::Stream for Stream<'_, T> {
    type Item = Result<T, Lagged>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let polled = poll_recv(this.shared, this.position, this.place, this.at, cx);
        polled.map(|received| match received {
            Ok(value) => Some(Ok(value)),
            Err(RecvError::Lagged(missed)) => Some(Err(Lagged(missed))),
            Err(RecvError::Closed) => None,
        })
    }
}

impl<T> fmt::Debug for Stream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

#[inline]
fn poll_recv<T: Clone>(
    shared: &Shared<T>,
    position: &mut u64,
    mut place: Pin<&mut Place<'_>>,
    at: &'static Location<'static>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, RecvError>> {
    ready!(budget::poll_proceed(cx));
    loop {
        match shared.next(position) {
            Next::Value(taken) => return Poll::Ready(Ok(taken.into_value())),
            Next::Lagged(missed) => return Poll::Ready(Err(RecvError::Lagged(missed))),
            Next::Closed => return Poll::Ready(Err(RecvError::Closed)),
            Next::Empty => {}
        }
        if shared.poll_next(*position, place.as_mut(), cx).is_pending() {
            budget::refund();
            note("broadcast: a value", at);
            return Poll::Pending;
        }
    }
}
