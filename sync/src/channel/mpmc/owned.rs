#![expect(
    unsafe_code,
    reason = "two futures that own the channel that they wait at: a borrow of a part of oneself has no safe form"
)]
//! Futures, permits and streams that own their side of the channel.

use super::offers::Id;
use super::permit::{PlaceWait, fill, give_back};
use super::pipe::Pipe;
use super::receiver::Receiver;
use super::sender::Sender;
use super::stream::Messages;
use crate::channel::error::SendError;
use futures_core::stream::{FusedStream, Stream};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The pipe behind `pipe`, for a wait that lives in the same struct as its owner.
///
/// # Safety
///
/// Another counted reference to the same pipe stays alive for as long as the result, or a copy of it, is used.
unsafe fn borrow_for_long<T: 'static>(pipe: &Arc<Pipe<T>>) -> &'static Pipe<T> {
    // SAFETY: an `Arc` points to an initialised value that stays where it is while it is counted, which the caller sees to.
    unsafe { &*Arc::as_ptr(pipe) }
}

pin_project_lite::pin_project! {
    /// The future of [`Sender::reserve_owned`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ReserveOwned<T: 'static> {
        // Borrows from `sender`: it stands first, so that it is dropped first, and it is gone before the sender is given away.
        #[pin]
        wait: Option<PlaceWait<'static, T>>,
        sender: Option<Sender<T>>,
    }
}

impl<T: 'static> Sender<T> {
    /// Waits for a place and reserves it with a permit that owns the sender.
    ///
    /// Like [`reserve`](Self::reserve), for a permit that goes to another task or into a struct. Clone the sender to keep one.
    ///
    /// # Errors
    ///
    /// If the channel is closed; the sender is dropped then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped the sender is dropped with it; what it was woken for is passed on.
    ///
    /// # Fairness
    ///
    /// As for [`reserve`](Sender::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::bounded;
    /// use lenio_sync::wait::block_on;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = bounded(1);
    /// let permit = block_on(sender.clone().reserve_owned())?;
    /// assert!(sender.is_full());
    /// permit.send(7)?;
    /// assert_eq!(receiver.try_recv()?, 7);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn reserve_owned(self) -> ReserveOwned<T> {
        // SAFETY: the sender, which counts a reference, goes into the same struct and outlives the wait there: see its fields.
        let pipe = unsafe { borrow_for_long(self.pipe()) };
        ReserveOwned {
            wait: Some(PlaceWait::new(pipe)),
            sender: Some(self),
        }
    }
}

impl<T: 'static> Future for ReserveOwned<T> {
    type Output = Result<OwnedPermit<T>, SendError<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(wait) = this.wait.as_mut().as_pin_mut() else {
            panic!("polled after it was ready");
        };
        let reserved = ready!(wait.poll(cx));
        this.wait.set(None);
        let sender = this.sender.take();
        Poll::Ready(reserved.map(|claim| OwnedPermit { sender, claim }))
    }
}

impl<T: 'static> fmt::Debug for ReserveOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveOwned").finish_non_exhaustive()
    }
}

/// A place in a channel that belongs to its holder, together with a sender. Made by [`Sender::reserve_owned`].
///
/// Dropping it gives the place back and wakes the sender that waits the longest.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::bounded;
/// use lenio_sync::wait::block_on;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (sender, receiver) = bounded(1);
/// let permit = block_on(sender.reserve_owned())?;
/// let thread = std::thread::spawn(move || permit.send(7).is_ok());
/// assert_eq!(receiver.recv_blocking()?, 7);
/// # thread.join().ok();
/// # Ok(())
/// # }
/// ```
#[must_use = "a permit that is dropped gives its place back"]
pub struct OwnedPermit<T> {
    /// There until the permit is used.
    sender: Option<Sender<T>>,
    claim: Id,
}

impl<T> OwnedPermit<T> {
    /// Sends `value`, without ever waiting, and gives the sender back.
    ///
    /// # Errors
    ///
    /// If the channel has been closed since; the error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::channel::bounded;
    /// use lenio_sync::wait::block_on;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (sender, receiver) = bounded(2);
    /// let sender = block_on(sender.reserve_owned())?.send(1)?;
    /// sender.try_send(2)?;
    /// assert_eq!(receiver.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(mut self, value: T) -> Result<Sender<T>, SendError<T>> {
        match self.sender.take() {
            None => Err(SendError(value)),
            Some(sender) => fill(sender.pipe(), self.claim, value).map(|()| sender),
        }
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            give_back(sender.pipe(), self.claim);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The messages of a channel as a stream that owns its receiver, made by [`Receiver::into_stream`].
    #[must_use = "streams do nothing unless polled"]
    pub struct IntoStream<T: 'static> {
        // Borrows from `receiver`: it stands first, so that it is dropped first.
        #[pin]
        messages: Messages<'static, T>,
        receiver: Receiver<T>,
    }
}

impl<T: 'static> Receiver<T> {
    /// Receives message after message as a [`Stream`] that owns the receiver, and ends when the channel is closed and empty.
    ///
    /// The stream is to be pinned before it is used, as by `pin!` or `Box::pin`.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the stream is dropped, unless its receiver was the last one.
    ///
    /// # Fairness
    ///
    /// As for [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_core::Stream;
    /// use lenio_sync::channel::unbounded;
    /// use lenio_sync::wait::block_on;
    /// use std::future::poll_fn;
    ///
    /// let (sender, receiver) = unbounded();
    /// let mut stream = Box::pin(receiver.into_stream());
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(block_on(poll_fn(|cx| stream.as_mut().poll_next(cx))), Some(1));
    /// ```
    #[track_caller]
    pub fn into_stream(self) -> IntoStream<T> {
        // SAFETY: the receiver, which counts a reference, goes into the same struct, is never taken out of it, and is dropped last.
        let pipe = unsafe { borrow_for_long(self.pipe()) };
        IntoStream {
            messages: Messages::new(pipe),
            receiver: self,
        }
    }
}

impl<T: 'static> Stream for IntoStream<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.project().messages.poll_next(cx)
    }
}

impl<T: 'static> FusedStream for IntoStream<T> {
    fn is_terminated(&self) -> bool {
        self.messages.is_terminated()
    }
}

impl<T: 'static> fmt::Debug for IntoStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoStream")
            .field("receiver", &self.receiver)
            .finish_non_exhaustive()
    }
}
