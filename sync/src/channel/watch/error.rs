//! What can go wrong with a watch channel.

use std::error::Error;
use std::fmt;

/// The error of [`Sender::send`](super::Sender::send): there is no receiver. Holds the value.
///
/// # Examples
///
/// ```
/// use lenio_sync::channel::watch;
///
/// let (sender, receiver) = watch::channel(1);
/// drop(receiver);
/// let error = sender.send(2).unwrap_err();
/// assert_eq!(error.to_string(), "there is no receiver");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub(super) T);

impl<T> SendError<T> {
    /// Gives the value back.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = lenio_sync::channel::watch(1);
    /// drop(receiver);
    /// assert_eq!(sender.send(2).unwrap_err().into_inner(), 2);
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
        f.write_str("there is no receiver")
    }
}

impl<T> Error for SendError<T> {}

/// The error of a wait for a change: all senders are gone, and the last value has been seen.
///
/// # Examples
///
/// ```
/// use lenio_sync::{channel::watch, wait::block_on};
///
/// let (sender, mut receiver) = watch::channel(1);
/// drop(sender);
/// assert_eq!(block_on(receiver.changed()), Err(watch::RecvError));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all senders are gone")
    }
}

impl Error for RecvError {}
