//! What can go wrong with a broadcast channel.

use std::error::Error;
use std::fmt;

/// The error of [`Receiver::recv`](super::Receiver::recv).
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::broadcast::{self, RecvError};
///
/// let (sender, mut receiver) = broadcast::channel(2);
/// for number in 0..5 {
///     assert!(sender.send(number).is_ok());
/// }
/// assert_eq!(receiver.recv_blocking(), Err(RecvError::Lagged(3)));
/// assert_eq!(receiver.recv_blocking(), Ok(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// No value will come: the channel is closed, and this receiver has seen everything.
    Closed,
    /// So many values were overwritten before this receiver looked. It goes on with the oldest that is still there.
    Lagged(u64),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("no value will come"),
            Self::Lagged(missed) => Lagged(*missed).fmt(f),
        }
    }
}

impl Error for RecvError {}

/// The error of [`Receiver::try_recv`](super::Receiver::try_recv).
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::broadcast::{self, TryRecvError};
///
/// let (sender, mut receiver) = broadcast::channel::<u8>(2);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no value yet.
    Empty,
    /// No value will come: the channel is closed, and this receiver has seen everything.
    Closed,
    /// So many values were overwritten before this receiver looked. It goes on with the oldest that is still there.
    Lagged(u64),
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no value yet"),
            Self::Closed => f.write_str("no value will come"),
            Self::Lagged(missed) => Lagged(*missed).fmt(f),
        }
    }
}

impl Error for TryRecvError {}

/// What a [`Stream`](super::Stream) yields in place of values that were overwritten before it was polled: how many there were.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::broadcast::Lagged;
///
/// assert_eq!(Lagged(3).to_string(), "3 values were overwritten before they were received");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} values were overwritten before they were received",
            self.0
        )
    }
}

impl Error for Lagged {}
