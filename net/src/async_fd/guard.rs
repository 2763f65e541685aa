//! The witness of one look at a descriptor's readiness.

use super::AsyncFd;
use super::error::NotReady;
use crate::reactor::Ready;
use std::fmt;
use std::io;
use std::os::fd::AsFd;

/// Witnesses that a descriptor was ready, and can take that back.
///
/// Dropping it changes nothing: the readiness stays.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::{AsyncFd, ReadyGuard};
/// use std::os::unix::net::UnixStream;
///
/// # async fn example(watched: AsyncFd<UnixStream>) -> std::io::Result<()> {
/// let guard: ReadyGuard<'_, UnixStream> = watched.readable().await?;
/// println!("at the end: {}", guard.is_closed());
/// # Ok(())
/// # }
/// ```
#[must_use = "readiness stays until an operation finds it used up"]
pub struct ReadyGuard<'a, T: AsFd> {
    watched: &'a AsyncFd<T>,
    ready: Ready,
}

impl<'a, T: AsFd> ReadyGuard<'a, T> {
    pub(super) fn new(watched: &'a AsyncFd<T>, ready: Ready) -> Self {
        Self { watched, ready }
    }

    /// Runs `op` once. If it says [`WouldBlock`](io::ErrorKind::WouldBlock), the readiness is cleared.
    ///
    /// # Errors
    ///
    /// [`NotReady`] if there was nothing after all: wait again. What `op` returns otherwise is the inner result.
    ///
    /// # Examples
    ///
    /// See [`AsyncFd::readable`].
    pub fn try_io<R>(
        &mut self,
        op: impl FnOnce(&'a T) -> io::Result<R>,
    ) -> Result<io::Result<R>, NotReady> {
        match op(&self.watched.inner) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(NotReady)
            }
            result => Ok(result),
        }
    }

    /// Says that the descriptor is not ready any more. An event that came since is not forgotten.
    ///
    /// To be called only after the kernel said so, or the next wait may last for ever.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(watched: lenio_net::AsyncFd<std::os::unix::net::UnixStream>) -> std::io::Result<()> {
    /// let mut guard = watched.readable().await?;
    /// guard.clear_ready();
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear_ready(&mut self) {
        // Refused if a newer event came: then the descriptor is ready after all.
        let _ = self.watched.registration.blocked(self.ready);
    }

    /// Tells whether the direction that was waited for has ended: nothing more to read, or nobody to write to.
    ///
    /// A hint: the kernel may announce the end together with the last data.
    ///
    /// # Examples
    ///
    /// See [`ReadyGuard`].
    pub fn is_closed(&self) -> bool {
        self.ready.is_closed()
    }

    /// Tells whether the kernel announced an error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(watched: lenio_net::AsyncFd<std::os::unix::net::UnixStream>) -> std::io::Result<()> {
    /// assert!(!watched.writable().await?.is_error());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_error(&self) -> bool {
        self.ready.is_error()
    }
}

impl<T: AsFd> fmt::Debug for ReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyGuard")
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}
