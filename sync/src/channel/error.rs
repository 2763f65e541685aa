//! What can go wrong with any channel. A value that could not be sent comes back in the error.

use std::error::Error;
use std::fmt;

/// The channel is closed; here is the value.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::{SendError, unbounded};
///
/// let (sender, receiver) = unbounded();
/// drop(receiver);
/// assert_eq!(sender.send_blocking(7), Err(SendError(7)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> SendError<T> {
    /// Gives the value back.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::channel::SendError(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("send to a closed channel")
    }
}

impl<T> Error for SendError<T> {}

/// The value cannot be sent now, or not any more; here it is.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::{TrySendError, bounded};
///
/// let (sender, receiver) = bounded(1);
/// assert_eq!(sender.try_send(1), Ok(()));
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// drop(receiver);
/// assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// There is no room, or nobody to take it; that may change.
    Full(T),
    /// The channel is closed, for good.
    Closed(T),
}

impl<T> TrySendError<T> {
    /// Gives the value back.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(lenio_sync::channel::TrySendError::Full(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }

    /// Whether there was no room.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(lenio_sync::channel::TrySendError::Full(7).is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether the channel is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(lenio_sync::channel::TrySendError::Closed(7).is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full(_) => "Full",
            Self::Closed(_) => "Closed",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "send to a full channel",
            Self::Closed(_) => "send to a closed channel",
        })
    }
}

impl<T> Error for TrySendError<T> {}

/// The channel is closed, and everything that was in it has been received.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::{RecvError, unbounded};
///
/// let (sender, receiver) = unbounded();
/// assert_eq!(sender.try_send(1), Ok(()));
/// drop(sender);
/// assert_eq!(receiver.recv_blocking(), Ok(1));
/// assert_eq!(receiver.recv_blocking(), Err(RecvError));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("receive from a closed and empty channel")
    }
}

impl Error for RecvError {}

/// There is nothing to receive now, or nothing any more.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::{TryRecvError, unbounded};
///
/// let (sender, receiver) = unbounded::<u32>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is nothing; that may change.
    Empty,
    /// The channel is closed and empty, for good.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "receive from an empty channel",
            Self::Closed => "receive from a closed and empty channel",
        })
    }
}

impl Error for TryRecvError {}
