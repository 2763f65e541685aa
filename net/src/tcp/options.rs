//! The socket options of a stream.

use super::stream::TcpStream;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

pub(super) fn set_keepalive(fd: BorrowedFd<'_>, idle: Option<Duration>) -> io::Result<()> {
    let socket = SockRef::from(&fd);
    match idle {
        None => socket.set_keepalive(false),
        Some(idle) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
    }
}

impl TcpStream {
    /// Tells whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What `getsockopt` reports.
    ///
    /// # Examples
    ///
    /// See [`set_nodelay`](Self::set_nodelay).
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket().nodelay()
    }

    /// Sends small packets at once instead of gathering them (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.socket().set_nodelay(on)
    }

    /// How long closing tries to deliver what was written; `None` is the kernel's default, in the background.
    ///
    /// # Errors
    ///
    /// What `getsockopt` reports.
    ///
    /// # Examples
    ///
    /// See [`set_linger`](Self::set_linger).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Sets how long closing tries to deliver what was written; zero resets the connection instead.
    ///
    /// Anything but `None` and zero makes dropping the stream *block the thread* until the time is over or all is delivered.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// stream.set_linger(Some(Duration::ZERO))?;
    /// assert_eq!(stream.linger()?, Some(Duration::ZERO));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(linger)
    }

    /// After which silence the peer is asked for a sign of life; `None` if never.
    ///
    /// # Errors
    ///
    /// What `getsockopt` reports.
    ///
    /// # Examples
    ///
    /// See [`set_keepalive`](Self::set_keepalive).
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        let socket = SockRef::from(self);
        if !socket.keepalive()? {
            return Ok(None);
        }
        socket.tcp_keepalive_time().map(Some)
    }

    /// Asks a silent peer for a sign of life after `idle`, in whole seconds; `None` never asks.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// stream.set_keepalive(Some(Duration::from_secs(60)))?;
    /// assert_eq!(stream.keepalive()?, Some(Duration::from_secs(60)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        set_keepalive(self.as_fd(), idle)
    }

    /// The time to live of packets sent.
    ///
    /// # Errors
    ///
    /// What `getsockopt` reports.
    ///
    /// # Examples
    ///
    /// See [`set_ttl`](Self::set_ttl).
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket().ttl()
    }

    /// Sets the time to live of packets sent.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// stream.set_ttl(64)?;
    /// assert_eq!(stream.ttl()?, 64);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket().set_ttl(ttl)
    }
}
