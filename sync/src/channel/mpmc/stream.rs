//! A channel as a stream.

use super::pipe::Pipe;
use super::receiver::Receiver;
use super::recv::Looking;
use futures_core::stream::{FusedStream, Stream};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project_lite::pin_project! {
    /// The messages of a channel as a stream, made by [`Receiver::stream`].
    #[must_use = "streams do nothing unless polled"]
    pub struct Messages<'r, T> {
        #[pin]
        looking: Looking<'r, T>,
        has_ended: bool,
    }
}

impl<'r, T> Messages<'r, T> {
    #[track_caller]
    pub(super) fn new(pipe: &'r Pipe<T>) -> Self {
        Self {
            looking: Looking::new(pipe),
            has_ended: false,
        }
    }
}

impl<T> Receiver<T> {
    /// Receives message after message as a [`Stream`], which ends when the channel is closed and empty.
    ///
    /// The stream is to be pinned before it is used, as by `pin!`. For one that owns its receiver see
    /// [`into_stream`](Self::into_stream).
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the stream is dropped, as with [`recv`](Self::recv).
    ///
    /// # Fairness
    ///
    /// As for [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_core::Stream;
    /// use lenio_sync::channel::unbounded;
    /// use lenio_sync::wait::block_on;
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    ///
    /// let (sender, receiver) = unbounded();
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// drop(sender);
    /// let mut stream = pin!(receiver.stream());
    /// block_on(async {
    ///     assert_eq!(poll_fn(|cx| stream.as_mut().poll_next(cx)).await, Some(1));
    ///     assert_eq!(poll_fn(|cx| stream.as_mut().poll_next(cx)).await, None);
    /// });
    /// ```
    #[track_caller]
    pub fn stream(&self) -> Messages<'_, T> {
        Messages::new(self.pipe())
    }
}

impl<T> Stream for Messages<'_, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        if *this.has_ended {
            return Poll::Ready(None);
        }
        let message = ready!(this.looking.poll_message(cx));
        *this.has_ended = message.is_err();
        Poll::Ready(message.ok())
    }
}

impl<T> FusedStream for Messages<'_, T> {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

impl<T> fmt::Debug for Messages<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}
