//! What can go wrong with a descriptor.

use std::error::Error;
use std::fmt;
use std::io;

/// Says that a descriptor that was announced as ready had nothing after all.
///
/// # Examples
///
/// See [`AsyncFd::readable`](super::AsyncFd::readable).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotReady;

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the descriptor is not ready after all")
    }
}

impl Error for NotReady {}

impl From<NotReady> for io::Error {
    fn from(error: NotReady) -> Self {
        Self::new(io::ErrorKind::WouldBlock, error)
    }
}

/// Says why a descriptor could not be registered, and gives its owner back.
///
/// # Examples
///
/// ```
/// use lenio_net::AsyncFd;
/// use std::os::unix::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let (ours, _theirs) = UnixStream::pair()?;
/// let refused = AsyncFd::new(ours).expect_err("no runtime here");
/// let (ours, error) = refused.into_parts();
/// println!("{ours:?}: {error}");
/// # Ok(())
/// # }
/// ```
pub struct RegisterError<T> {
    inner: T,
    source: io::Error,
}

impl<T> RegisterError<T> {
    pub(super) fn new(inner: T, source: io::Error) -> Self {
        Self { inner, source }
    }

    /// The owner of the descriptor, and what went wrong.
    ///
    /// # Examples
    ///
    /// See [`RegisterError`].
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.source)
    }
}

impl<T> fmt::Display for RegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the descriptor could not be registered")
    }
}

impl<T> fmt::Debug for RegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterError")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl<T> Error for RegisterError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl<T> From<RegisterError<T>> for io::Error {
    fn from(error: RegisterError<T>) -> Self {
        error.source
    }
}
