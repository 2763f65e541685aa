//! What can go wrong with a oneshot channel.

use std::error::Error;
use std::fmt;

/// The error of [`Sender::send`](super::Sender::send): the receiver is gone or has closed the channel. Holds the value.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// drop(receiver);
/// let error = sender.send("a letter").unwrap_err();
/// assert_eq!(error.to_string(), "the receiver is gone or has closed the channel");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub(super) T);

impl<T> SendError<T> {
    /// Gives the value back.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::oneshot();
    /// drop(receiver);
    /// assert_eq!(sender.send(7).unwrap_err().into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the receiver is gone or has closed the channel")
    }
}

impl<T> Error for SendError<T> {}

/// The error of a [`Receiver`](super::Receiver) that is awaited: no value will come.
///
/// # Examples
///
/// ```
/// use lenio_sync::{channel::oneshot, wait::block_on};
///
/// let (sender, receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// assert_eq!(block_on(receiver), Err(oneshot::RecvError));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value will come")
    }
}

impl Error for RecvError {}

/// The error of [`Receiver::try_recv`](super::Receiver::try_recv).
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::oneshot::{self, TryRecvError};
///
/// let (sender, mut receiver) = oneshot::channel::<u8>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no value yet.
    Empty,
    /// No value will come: the sender is gone, the channel was closed, or the value has been taken.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "there is no value yet",
            Self::Closed => "no value will come",
        })
    }
}

impl Error for TryRecvError {}
