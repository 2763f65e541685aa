//! A channel for one value: the answer to a request, the result of a computation, the end of a start-up.
//!
//! [`channel`] makes a [`Sender`] and a [`Receiver`]. The sender is used up by sending; the receiver is a future, ready with the
//! value, or with an error if the sender was dropped. For more than one value use `bounded` or `unbounded`, for a value that changes
//! [`watch`](mod@super::watch).
//!
//! Both ends share one allocation, and one word says who has finished and who waits (see `state.rs`): there is no lock and no
//! reference count.
//!
//! # Examples
//!
//! ```
//! use lenio_sync::{channel::oneshot, wait::block_on};
//!
//! let (sender, receiver) = oneshot::channel();
//! let thread = std::thread::spawn(move || sender.send("done"));
//! assert_eq!(block_on(receiver), Ok("done"));
//! # assert!(thread.join().is_ok());
//! ```

mod ends;
mod state;

pub use super::error::{RecvError, SendError, TryRecvError};

use crate::budget;
use crate::contain::contain;
use crate::primitive::thread;
use crate::wait::note;
use ends::{Outcome, RecvEnd, SendEnd};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Makes a channel for one value.
///
/// Costs one allocation.
///
/// # Examples
///
/// ```
/// use lenio_sync::{channel::oneshot, wait::block_on};
///
/// let (sender, receiver) = oneshot::channel();
/// assert!(sender.send(5).is_ok());
/// assert_eq!(block_on(receiver), Ok(5));
/// ```
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sending, receiving) = ends::pair(Location::caller());
    let receiver = Receiver {
        end: Some(receiving),
    };
    (Sender { end: sending }, receiver)
}

/// The end that sends. Made by [`channel`].
///
/// Dropping it without sending tells the receiver that no value will come.
///
/// # Examples
///
/// ```
/// use lenio_sync::{channel::oneshot, wait::block_on};
///
/// let (sender, receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// assert!(block_on(receiver).is_err());
/// ```
pub struct Sender<T> {
    end: SendEnd<T>,
}

impl<T> Sender<T> {
    /// Sends the value. Never waits.
    ///
    /// `Ok` says that the receiver had not closed the channel; it may still be dropped without taking the value.
    ///
    /// Costs one atomic operation if nobody waits yet, and two and a wake-up if the receiver waits. It takes no lock and allocates
    /// nothing.
    ///
    /// # Panics
    ///
    /// If the receiver's waker panics; the value has been sent by then.
    ///
    /// # Errors
    ///
    /// If the receiver is gone or has closed the channel; the error gives the value back.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::oneshot();
    /// assert!(sender.send(5).is_ok());
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// ```
    #[inline]
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        self.end.send(value).map_err(SendError)
    }

    /// Whether the receiver is gone or has closed the channel, so that a value would be refused. Costs one load.
    ///
    /// A no may be outdated at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::oneshot::<u8>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.end.is_closed()
    }

    /// Waits until the receiver is gone or has closed the channel: nobody wants the value any more.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped, and no waker is left behind.
    ///
    /// # Fairness
    ///
    /// There is one sender, so nobody else waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_sync::{channel::oneshot, wait::block_on};
    ///
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// let thread = std::thread::spawn(move || drop(receiver));
    /// block_on(sender.closed());
    /// assert!(sender.is_closed());
    /// # thread.join().ok();
    /// ```
    #[track_caller]
    pub fn closed(&mut self) -> Closed<'_, T> {
        Closed {
            sender: self,
            at: Location::caller(),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'s, T> {
    sender: &'s mut Sender<T>,
    at: &'static Location<'static>,
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll_proceed(cx));
        if !self.sender.end.wait_closed(cx) {
            return Poll::Ready(());
        }
        budget::refund();
        note("oneshot: the receiver to go", self.at);
        Poll::Pending
    }
}

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        let Some(waker) = self.sender.end.stop_waiting() else {
            return;
        };
        if thread::panicking() {
            contain(|| drop(waker));
        }
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed")
            .field("sender", &self.sender)
            .finish()
    }
}

/// The end that receives: a future. Made by [`channel`].
///
/// It is ready with the value, or with [`RecvError`] if none will come: the sender was dropped, or the channel was
/// [closed](Self::close) before a value was sent. Polled again after that, it is ready with [`RecvError`].
///
/// Dropping it closes the channel; a value that was sent and not taken is dropped with it.
///
/// # Cancel safety
///
/// The receiver itself is the future: awaited by `&mut receiver`, in a select for instance, nothing is lost when the wait ends early.
///
/// # Examples
///
/// ```
/// use lenio_sync::{channel::oneshot, wait::block_on};
///
/// let (sender, mut receiver) = oneshot::channel();
/// assert!(sender.send('a').is_ok());
/// assert_eq!(block_on(&mut receiver), Ok('a'));
/// assert_eq!(block_on(&mut receiver), Err(oneshot::RecvError), "one value only");
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Receiver<T> {
    /// Nothing once the outcome has been taken.
    end: Option<RecvEnd<T>>,
}

impl<T> Receiver<T> {
    /// Takes the value if it is there. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if the sender has not sent yet, [`TryRecvError::Closed`] if no value will come.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::oneshot();
    /// assert!(receiver.try_recv().is_err());
    /// assert!(sender.send(5).is_ok());
    /// assert_eq!(receiver.try_recv(), Ok(5));
    /// ```
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match RecvEnd::take(&mut self.end) {
            Outcome::Value(value) => Ok(value),
            Outcome::Pending => Err(TryRecvError::Empty),
            Outcome::NoValue => Err(TryRecvError::Closed),
        }
    }

    /// Blocks the calling thread until the outcome is there. For threads: in a task it would block the worker.
    ///
    /// # Errors
    ///
    /// If no value will come.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::oneshot();
    /// let thread = std::thread::spawn(move || sender.send(5));
    /// assert_eq!(receiver.recv_blocking(), Ok(5));
    /// # assert!(thread.join().is_ok());
    /// ```
    pub fn recv_blocking(self) -> Result<T, RecvError> {
        crate::wait::block_on(self)
    }

    /// Closes the channel: a value that has not been sent yet is refused, and given back to the sender.
    ///
    /// A value that was sent before is still there: take it with [`try_recv`](Self::try_recv) or by awaiting. After `close` the
    /// receiver never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = lenio_sync::channel::oneshot();
    /// receiver.close();
    /// assert_eq!(sender.send(5).unwrap_err().into_inner(), 5);
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn close(&mut self) {
        if let Some(end) = &mut self.end {
            end.close();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_proceed(cx));
        loop {
            match RecvEnd::take(&mut self.end) {
                Outcome::Value(value) => return Poll::Ready(Ok(value)),
                Outcome::NoValue => return Poll::Ready(Err(RecvError)),
                Outcome::Pending => {}
            }
            // If the sender finished meanwhile there is something to take.
            let Some(end) = &mut self.end else {
                continue;
            };
            if end.wait(cx) {
                budget::refund();
                note("oneshot: a value", end.at());
                return Poll::Pending;
            }
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("is_finished", &self.end.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, lenio_loom))]
mod models;
#[cfg(all(test, not(lenio_loom)))]
mod tests;
