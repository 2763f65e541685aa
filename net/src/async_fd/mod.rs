//! Readiness of any descriptor.
//!
//! [`AsyncFd`] is the registration, [`ReadyGuard`] the witness of one look at it.

mod error;
mod guard;

pub use error::{NotReady, RegisterError};
pub use guard::ReadyGuard;

use crate::reactor::{Direction, Interest, Leave, Reactor, Registration, Signs};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

/// Makes the readiness of a descriptor something to await.
///
/// For pipes, terminals, inotify, devices, sockets of other libraries: everything the kernel's event queue knows. Not for regular
/// files, which are always ready and which epoll refuses. The descriptor must be *non-blocking*, and `inner` must keep answering with
/// the same descriptor, open, for as long as it is in here.
///
/// Any number of tasks may wait for the same direction.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::AsyncFd;
/// use std::io::{self, Read};
/// use std::os::unix::net::UnixStream;
///
/// # async fn example() -> io::Result<()> {
/// let (ours, _theirs) = UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// let ours = AsyncFd::new(ours)?;
///
/// let mut buf = [0; 64];
/// let read = ours.read_with(|mut socket| socket.read(&mut buf)).await?;
/// # Ok(())
/// # }
/// ```
pub struct AsyncFd<T: AsFd> {
    /// First, so that it goes before the descriptor can be closed.
    registration: Registration,
    inner: T,
}

impl<T: AsFd> AsyncFd<T> {
    /// Registers a descriptor for both directions.
    ///
    /// # Errors
    ///
    /// [`NoReactor`](crate::reactor::NoReactor) outside a runtime, or what the kernel reports; `inner` comes back in the error. `?`
    /// turns it into an [`io::Error`].
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_net::AsyncFd;
    /// use lenio_net::reactor::{Reactor, enter};
    /// use std::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let _entered = enter(&Reactor::new()?);
    /// let (ours, _theirs) = UnixStream::pair()?;
    /// let ours = AsyncFd::new(ours)?;
    /// assert!(ours.get_ref().peer_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(inner: T) -> Result<Self, RegisterError<T>> {
        Self::with_interest(inner, Interest::Both)
    }

    /// Registers a descriptor for the directions it has.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// See [`Interest`].
    pub fn with_interest(inner: T, interest: Interest) -> Result<Self, RegisterError<T>> {
        // The owner of the descriptor is not ours, so it may outlive the registration.
        let registration = Reactor::current().and_then(|reactor| {
            Registration::new(reactor, inner.as_fd(), interest, Signs::NONE, Leave::ByName)
        });
        match registration {
            Ok(registration) => Ok(Self {
                registration,
                inner,
            }),
            Err(source) => Err(RegisterError::new(inner, source)),
        }
    }

    /// What owns the descriptor.
    ///
    /// # Examples
    ///
    /// See [`new`](Self::new).
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Gives the owner of the descriptor back, no longer registered.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(watched: lenio_net::AsyncFd<std::os::unix::net::UnixStream>) {
    /// let socket: std::os::unix::net::UnixStream = watched.into_inner();
    /// # }
    /// ```
    pub fn into_inner(self) -> T {
        let Self {
            registration,
            inner,
        } = self;
        drop(registration);
        inner
    }

    /// Waits until the descriptor is readable, has ended, or has an error.
    ///
    /// The readiness stays until an operation finds it used up; tell the guard, or use
    /// [`ReadyGuard::try_io`], which does.
    ///
    /// # Errors
    ///
    /// [`ReactorClosed`](crate::reactor::ReactorClosed) after the runtime has gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::Read;
    ///
    /// # async fn example(watched: lenio_net::AsyncFd<std::os::unix::net::UnixStream>) -> std::io::Result<()> {
    /// let mut buf = [0; 64];
    /// let read = loop {
    ///     let mut guard = watched.readable().await?;
    ///     if let Ok(result) = guard.try_io(|mut socket| socket.read(&mut buf)) {
    ///         break result?;
    ///     }
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<ReadyGuard<'_, T>> {
        self.ready(Direction::Read).await
    }

    /// Waits until the descriptor is writable, can never be written to again, or has an error.
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(watched: lenio_net::AsyncFd<std::os::unix::net::UnixStream>) -> std::io::Result<()> {
    /// let guard = watched.writable().await?;
    /// assert!(!guard.is_closed());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn writable(&self) -> io::Result<ReadyGuard<'_, T>> {
        self.ready(Direction::Write).await
    }

    async fn ready(&self, direction: Direction) -> io::Result<ReadyGuard<'_, T>> {
        let ready = self.registration.ready(direction).await?;
        Ok(ReadyGuard::new(self, ready))
    }

    /// Polls for readability.
    ///
    /// Takes `&mut self` because the one waker it can keep belongs to one task; several tasks use [`readable`](Self::readable).
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::future::poll_fn;
    ///
    /// # async fn example(mut watched: lenio_net::AsyncFd<std::os::unix::net::UnixStream>) -> std::io::Result<()> {
    /// poll_fn(|cx| watched.poll_readable(cx).map_ok(drop)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        self.poll_ready(cx, Direction::Read)
    }

    /// Polls for writability; see [`poll_readable`](Self::poll_readable).
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    ///
    /// # Examples
    ///
    /// See [`poll_readable`](Self::poll_readable).
    pub fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        self.poll_ready(cx, Direction::Write)
    }

    fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        let ready = ready!(self.registration.poll_ready(cx, direction))?;
        Poll::Ready(Ok(ReadyGuard::new(self, ready)))
    }

    /// Runs `op` whenever the descriptor is readable, until it says something else than
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// `op` says so only if the *descriptor* has nothing to read: the kernel will not speak again before something changes. If a signal
    /// cuts it short ([`Interrupted`](io::ErrorKind::Interrupted)), it is run again at once.
    ///
    /// # Errors
    ///
    /// What `op` returns, [`ReactorClosed`](crate::reactor::ReactorClosed) after the runtime has gone.
    ///
    /// # Cancel safety
    ///
    /// `op` has either not run to its end, or its result is returned.
    ///
    /// # Examples
    ///
    /// See [`AsyncFd`].
    pub async fn read_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.registration
            .async_io(Direction::Read, |_| op(&self.inner))
            .await
    }

    /// Runs `op` whenever the descriptor is writable; see [`read_with`](Self::read_with).
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// # Cancel safety
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::Write;
    ///
    /// # async fn example(watched: lenio_net::AsyncFd<std::os::unix::net::UnixStream>) -> std::io::Result<()> {
    /// let written = watched.write_with(|mut socket| socket.write(b"hello")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.registration
            .async_io(Direction::Write, |_| op(&self.inner))
            .await
    }

    /// One poll of [`read_with`](Self::read_with), for one task.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::future::poll_fn;
    /// use std::io::Read;
    ///
    /// # async fn example(mut watched: lenio_net::AsyncFd<std::os::unix::net::UnixStream>) -> std::io::Result<()> {
    /// let mut buf = [0; 64];
    /// let read = poll_fn(|cx| watched.poll_read_with(cx, |mut socket| socket.read(&mut buf))).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_read_with<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.registration
            .poll_io(cx, Direction::Read, |_| op(&self.inner))
    }

    /// One poll of [`write_with`](Self::write_with), for one task.
    ///
    /// # Errors
    ///
    /// As [`read_with`](Self::read_with).
    ///
    /// # Examples
    ///
    /// See [`poll_read_with`](Self::poll_read_with).
    pub fn poll_write_with<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.registration
            .poll_io(cx, Direction::Write, |_| op(&self.inner))
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
