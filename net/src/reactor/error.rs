//! What can be wrong with the reactor itself, as payloads of [`io::Error`].

use std::error::Error;
use std::fmt;
use std::io;

/// Says that no reactor was entered on this thread: a socket was made outside a runtime.
///
/// It comes wrapped in an [`io::Error`] of kind [`Other`](io::ErrorKind::Other); find it with [`io::Error::get_ref`].
///
/// # Examples
///
/// ```
/// use lenio_net::reactor::{NoReactor, Reactor};
///
/// let error = Reactor::current().expect_err("no runtime here");
/// assert!(error.get_ref().is_some_and(|cause| cause.is::<NoReactor>()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoReactor;

impl fmt::Display for NoReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no reactor on this thread: I/O needs a running runtime")
    }
}

impl Error for NoReactor {}

impl From<NoReactor> for io::Error {
    fn from(error: NoReactor) -> Self {
        Self::other(error)
    }
}

/// Says that the reactor was closed because its runtime shut down.
///
/// It comes wrapped in an [`io::Error`] of kind [`Other`](io::ErrorKind::Other); find it with [`io::Error::get_ref`].
///
/// # Examples
///
/// ```
/// use lenio_net::reactor::ReactorClosed;
/// use std::io;
///
/// let error = io::Error::from(ReactorClosed::default());
/// assert_eq!(error.kind(), io::ErrorKind::Other);
/// assert!(error.get_ref().is_some_and(|cause| cause.is::<ReactorClosed>()));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReactorClosed;

impl fmt::Display for ReactorClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reactor was closed: the runtime has shut down")
    }
}

impl Error for ReactorClosed {}

impl From<ReactorClosed> for io::Error {
    fn from(error: ReactorClosed) -> Self {
        Self::other(error)
    }
}
