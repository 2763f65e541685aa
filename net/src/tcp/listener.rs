//! Accepting connections.

use super::hold_off::hold_off;
use super::socket::{TcpSocket, no_address};
use super::stream::TcpStream;
use crate::reactor::{Attempt, Direction, Interest, Leave, Reactor, Registration, Signs, Waiting};
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::fmt;
use std::io;
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// How many connections the kernel keeps for us until they are accepted; it caps this at its own limit (`somaxconn`).
const BACKLOG: u32 = 4096;

/// Listens for TCP connections.
///
/// Several tasks may [`accept`](Self::accept) from the same listener by reference.
///
/// # Fairness
///
/// All tasks that wait to accept are woken when a connection arrives, in the order in which they came; those that find nothing wait
/// again. One task that accepts in a loop and spawns is the cheaper design.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::tcp::TcpListener;
///
/// # async fn example() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (stream, peer) = listener.accept().await?;
///     println!("{peer} has come");
///     drop(stream);
/// }
/// # }
/// ```
pub struct TcpListener {
    /// First, so that it goes before the descriptor is closed.
    registration: Registration,
    socket: mio::net::TcpListener,
}

impl TcpListener {
    /// Listens at the first of `addrs` that can be had.
    ///
    /// Sets `SO_REUSEADDR`, so that a restarted server gets its port back at once, and asks for a backlog of 4096. Use a
    /// [`TcpSocket`] for anything else. Port 0 lets the kernel choose; [`local_addr`](Self::local_addr) tells what it chose.
    ///
    /// An address in digits is taken as it is. A host *name* is looked up with the system's resolver, which blocks this thread.
    ///
    /// # Errors
    ///
    /// The last failure if no address can be had, [`NoReactor`](crate::reactor::NoReactor) outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// It never waits.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use lenio_net::tcp::TcpListener;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    /// println!("listening at {}", listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(
        clippy::unused_async,
        reason = "looking names up will wait without blocking"
    )]
    pub async fn bind(addrs: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = None;
        for addr in addrs.to_socket_addrs()? {
            match Self::bind_one(addr) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    fn bind_one(addr: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::for_addr(addr)?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    }

    fn register(socket: net::TcpListener, leave: Leave) -> io::Result<Self> {
        let reactor = Reactor::current()?;
        let fd = socket.as_fd();
        let registration = Registration::new(reactor, fd, Interest::Read, Signs::READ, leave)?;
        let socket = mio::net::TcpListener::from_std(socket);
        Ok(Self {
            registration,
            socket,
        })
    }

    /// Accepts the next connection, waiting for one if there is none.
    ///
    /// A connection that the peer gave up before it could be accepted is skipped.
    ///
    /// # Errors
    ///
    /// Most failures concern one connection or pass by: the process or the system may have run out of descriptors
    /// (`EMFILE`, `ENFILE`). The listener stays usable; a loop should pause before it tries again, because the next try
    /// does not wait.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(listener: lenio_net::tcp::TcpListener) -> std::io::Result<()> {
    /// let (stream, peer) = listener.accept().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self
            .registration
            .async_io(Direction::Read, |_| self.accept_once());
        self.adopt(accepted.await?)
    }

    /// Polls for the next connection.
    ///
    /// Takes `&mut self` because the one waker it can keep belongs to one task; several tasks use [`accept`](Self::accept).
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::future::poll_fn;
    ///
    /// # async fn example(mut listener: lenio_net::tcp::TcpListener) -> std::io::Result<()> {
    /// let (stream, peer) = poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = self
            .registration
            .poll_io(cx, Direction::Read, |_| self.accept_once());
        Poll::Ready(self.adopt(ready!(accepted)?))
    }

    /// Accepts a connection if one is there.
    ///
    /// Asks the kernel itself, also when no readiness has been reported so far.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if none is there, else as [`accept`](Self::accept).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(listener: lenio_net::tcp::TcpListener) -> std::io::Result<()> {
    /// while let Ok((stream, peer)) = listener.try_accept() {
    ///     println!("{peer} was waiting");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self
            .registration
            .try_io(Direction::Read, |_| self.accept_once());
        let accepted = match accepted {
            // Nothing was reported; the kernel may know better.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.accept_once(),
            accepted => accepted,
        };
        self.adopt(accepted?)
    }

    /// The connections to come, as a stream that never ends.
    ///
    /// It keeps a place of its own, so several tasks may each have one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use futures_core::Stream;
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    ///
    /// # async fn example(listener: lenio_net::tcp::TcpListener) -> std::io::Result<()> {
    /// let mut incoming = pin!(listener.incoming());
    /// while let Some(stream) = poll_fn(|cx| incoming.as_mut().poll_next(cx)).await {
    ///     println!("{} has come", stream?.peer_addr()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming {
            listener: self,
            waiting: self.registration.waiting(),
        }
    }

    fn accept_once(&self) -> io::Result<(mio::net::TcpStream, SocketAddr)> {
        loop {
            match self.socket.accept() {
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                accepted => return accepted,
            }
        }
    }

    fn adopt(
        &self,
        accepted: (mio::net::TcpStream, SocketAddr),
    ) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = accepted;
        let reactor = self.registration.reactor().clone();
        // A client mostly speaks first, and at once: reading is worth a try before the kernel says so.
        let stream = TcpStream::register(reactor, socket.into(), Signs::BOTH, Leave::WithClose)?;
        Ok((stream, peer))
    }

    /// Lets no further connection begin, for a listener that is about to be closed.
    ///
    /// Closing a listener resets the connections that have been made and not been accepted, together with what their peers have sent.
    /// To lose none: hold newcomers off, accept what there is, and close. A handshake that is under way goes on, so what there is may
    /// still grow for as long as a packet needs to the peer and back.
    ///
    /// A newcomer is neither accepted nor refused: its request to connect is dropped. Its system asks again, by and large a second later,
    /// and is refused if the listener is closed by then. There is no way back.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) where the system cannot do it (it is Linux that can), and for a listener that came from
    /// outside, as with [`from_std`](Self::from_std): another process may go on with it, and would never see a newcomer again. Otherwise
    /// what the kernel reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use lenio_net::tcp::{TcpListener, TcpStream};
    ///
    /// fn close(listener: TcpListener) -> Vec<TcpStream> {
    ///     // Where it cannot be done a connection that comes between the last look and the close is reset.
    ///     let _ = listener.hold_off();
    ///     let mut last = Vec::new();
    ///     while let Ok((stream, _)) = listener.try_accept() {
    ///         last.push(stream);
    ///     }
    ///     last
    /// }
    /// ```
    pub fn hold_off(&self) -> io::Result<()> {
        if self.registration.leaves_by_name() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        hold_off(self.as_fd())
    }

    /// The address that this listener is bound to.
    ///
    /// # Errors
    ///
    /// What `getsockname` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(listener: lenio_net::tcp::TcpListener) -> std::io::Result<()> {
    /// println!("listening at {}", listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The time to live of packets sent by accepted connections.
    ///
    /// # Errors
    ///
    /// What `getsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(listener: lenio_net::tcp::TcpListener) -> std::io::Result<()> {
    /// assert!(listener.ttl()? > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.ttl()
    }

    /// Sets the time to live of packets sent by accepted connections.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(listener: lenio_net::tcp::TcpListener) -> std::io::Result<()> {
    /// listener.set_ttl(64)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_ttl(ttl)
    }

    /// Takes over a listener of the standard library, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// [`NoReactor`](crate::reactor::NoReactor) outside a runtime, or what the kernel reports; the listener is closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_net::reactor::{Reactor, enter};
    /// use lenio_net::tcp::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let _entered = enter(&Reactor::new()?);
    /// let listener = TcpListener::from_std(std::net::TcpListener::bind("127.0.0.1:0")?)?;
    /// let listener: std::net::TcpListener = listener.into_std()?;
    /// # drop(listener);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_std(listener: net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::register(listener, Leave::ByName)
    }

    /// Gives the listener to the standard library, in blocking mode and no longer registered.
    ///
    /// # Errors
    ///
    /// What the kernel reports; the listener is closed then.
    ///
    /// # Examples
    ///
    /// See [`from_std`](Self::from_std).
    pub fn into_std(self) -> io::Result<net::TcpListener> {
        let Self {
            mut registration,
            socket,
        } = self;
        registration.leave_by_name();
        drop(registration);
        let listener = net::TcpListener::from(socket);
        listener.set_nonblocking(false)?;
        Ok(listener)
    }
}

impl TcpSocket {
    /// Listens with room for `backlog` connections that are not accepted yet, which the kernel caps at its own limit.
    ///
    /// # Errors
    ///
    /// [`NoReactor`](crate::reactor::NoReactor) outside a runtime, or what `listen` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(socket: lenio_net::tcp::TcpSocket) -> std::io::Result<()> {
    /// let listener = socket.listen(1024)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let socket = self.into_socket();
        socket.listen(backlog.try_into().unwrap_or(i32::MAX))?;
        TcpListener::register(socket.into(), Leave::WithClose)
    }
}

impl TryFrom<net::TcpListener> for TcpListener {
    type Error = io::Error;

    fn try_from(listener: net::TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl TryFrom<OwnedFd> for TcpListener {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

pin_project! {
    /// The connections to come, made by [`TcpListener::incoming`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use lenio_net::tcp::{Incoming, TcpListener};
    ///
    /// fn connections(listener: &TcpListener) -> Incoming<'_> {
    ///     listener.incoming()
    /// }
    /// ```
    pub struct Incoming<'l> {
        listener: &'l TcpListener,
        #[pin]
        waiting: Waiting<'l>,
    }
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let listener = *this.listener;
        let mut accept = |_: &Attempt<'_>| listener.accept_once();
        let accepted =
            listener
                .registration
                .poll_io_waiting(this.waiting, cx, Direction::Read, &mut accept);
        let stream = ready!(accepted).and_then(|accepted| listener.adopt(accepted));
        Poll::Ready(Some(stream.map(|(stream, _peer)| stream)))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("listener", self.listener)
            .finish_non_exhaustive()
    }
}
