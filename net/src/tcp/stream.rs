//! A connection.

use crate::reactor::{Attempt, Direction, Leave, Reactor, Registration, Signs};
use socket2::SockRef;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};

/// A TCP connection.
///
/// Its async methods take `&self`: any number of tasks may read, write and wait at once, and each keeps its own place. How bytes are
/// divided between several readers, or mixed between several writers, is then theirs to sort out. The futures-io traits are
/// implemented too, for one task at a time.
///
/// Dropping it closes the connection; what was written is still delivered.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::{AsyncReadExt, AsyncWriteExt};
/// use lenio_net::tcp::TcpStream;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut stream = TcpStream::connect("127.0.0.1:7").await?;
/// stream.write_all(b"hello").await?;
/// let mut echo = [0; 5];
/// stream.read_exact(&mut echo).await?;
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    /// First, so that it goes before the descriptor is closed.
    registration: Registration,
    socket: net::TcpStream,
}

impl TcpStream {
    /// Waits until a socket whose connecting has begun is connected, or knows why not.
    pub(super) async fn connected(
        reactor: Arc<Reactor>,
        socket: net::TcpStream,
    ) -> io::Result<Self> {
        // Worth a try at once: to a peer on this machine the connection mostly stands already.
        let stream = Self::register(reactor, socket, Signs::WRITE, Leave::WithClose)?;
        let outcome = stream.registration.async_io(Direction::Write, |_| {
            if let Some(error) = stream.socket.take_error()? {
                return Err(error);
            }
            match stream.socket.peer_addr() {
                Ok(_) => Ok(()),
                // Neither failed nor connected.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            }
        });
        outcome.await?;
        Ok(stream)
    }

    pub(super) fn register(
        reactor: Arc<Reactor>,
        socket: net::TcpStream,
        assumed: Signs,
        leave: Leave,
    ) -> io::Result<Self> {
        let registration = Registration::stream(reactor, socket.as_fd(), assumed, leave)?;
        Ok(Self {
            registration,
            socket,
        })
    }

    /// Reads into `buf`, waiting until there is something. Zero bytes mean the end, or an empty `buf`.
    ///
    /// Costs one system call when there is something to read.
    ///
    /// # Errors
    ///
    /// What the connection met, a reset for instance; [`ReactorClosed`](crate::reactor::ReactorClosed) after the runtime has gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let mut buf = [0; 1024];
    /// let read = stream.read(&mut buf).await?;
    /// println!("{:?}", &buf[..read]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn read(&self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.registration
            .async_io(Direction::Read, |attempt| self.read_once(attempt, buf))
    }

    /// Reads into several buffers, filling one after the other.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::IoSliceMut;
    ///
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let (mut head, mut body) = ([0; 16], [0; 1024]);
    /// let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
    /// stream.read_vectored(&mut bufs).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_vectored(
        &self,
        bufs: &mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        let read = |attempt: &Attempt<'_>| self.read_vectored_once(attempt, bufs);
        self.registration.async_io(Direction::Read, read)
    }

    /// Reads into `buf` and leaves the bytes where they are, for the next read.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let mut first = [0; 1];
    /// stream.peek(&mut first).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn peek(&self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        // What is peeked at stays, so a short peek does not mean that the buffer is used up.
        self.registration
            .async_io(Direction::Read, |_| self.socket.peek(buf))
    }

    /// Writes some of `buf`, waiting until the kernel has room. Returns how much it took.
    ///
    /// Costs one system call when there is room.
    ///
    /// # Errors
    ///
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) or [`ConnectionReset`](io::ErrorKind::ConnectionReset) when the peer is gone;
    /// [`ReactorClosed`](crate::reactor::ReactorClosed) after the runtime has gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing was written if the future is dropped before it completes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let written = stream.write(b"hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write(&self, buf: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.registration
            .async_io(Direction::Write, |attempt| self.write_once(attempt, buf))
    }

    /// Writes some of several buffers, one after the other.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// Nothing was written if the future is dropped before it completes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::IoSlice;
    ///
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let written = stream.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(b"body")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> impl Future<Output = io::Result<usize>> {
        let write = |attempt: &Attempt<'_>| self.write_vectored_once(attempt, bufs);
        self.registration.async_io(Direction::Write, write)
    }

    /// Polls for bytes and reads them into memory that need not be initialised. Zero bytes mean the end, or an empty `buf`.
    ///
    /// The first bytes of `buf`, as many as are returned, are initialised then; nothing else of it is touched. Use it to fill the spare
    /// capacity of a buffer without clearing it first. Costs what [`AsyncRead::poll_read`](futures_io::AsyncRead::poll_read) costs,
    /// and shares its waker: only the last task that polled for reading is woken, which is why it takes `&mut self`.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::future::poll_fn;
    /// use std::mem::MaybeUninit;
    ///
    /// # async fn example(mut stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let mut buf = [MaybeUninit::uninit(); 1024];
    /// let read = poll_fn(|cx| stream.poll_read_uninit(cx, &mut buf)).await?;
    /// println!("{read} bytes have come");
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_read_uninit(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_uninit_shared(cx, buf)
    }

    /// Waits until reading is worth a try. It may still find nothing.
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
    /// use std::io::ErrorKind::WouldBlock;
    ///
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let mut buf = [0; 1024];
    /// let read = loop {
    ///     stream.readable().await?;
    ///     match stream.try_read(&mut buf) {
    ///         Err(error) if error.kind() == WouldBlock => {}
    ///         result => break result?,
    ///     }
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        self.registration.ready(Direction::Read).await.map(drop)
    }

    /// Waits until writing is worth a try. It may still find no room.
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
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// stream.writable().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn writable(&self) -> io::Result<()> {
        self.registration.ready(Direction::Write).await.map(drop)
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there, else as [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// See [`readable`](Self::readable).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration
            .try_io(Direction::Read, |attempt| self.read_once(attempt, buf))
    }

    /// Writes what the kernel has room for, without waiting.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room, else as [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// stream.writable().await?;
    /// let written = stream.try_write(b"hello")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration
            .try_io(Direction::Write, |attempt| self.write_once(attempt, buf))
    }

    /// Shuts one direction or both down. Shutting down writing tells the peer that nothing more will come.
    ///
    /// # Errors
    ///
    /// What `shutdown` reports: [`NotConnected`](io::ErrorKind::NotConnected) if the peer has reset the connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::net::Shutdown;
    ///
    /// # fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// stream.shutdown(Shutdown::Write)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What `getsockname` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// println!("{} speaks to {}", stream.local_addr()?, stream.peer_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// What `getpeername` reports: [`NotConnected`](io::ErrorKind::NotConnected) once the connection is gone.
    ///
    /// # Examples
    ///
    /// See [`local_addr`](Self::local_addr).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Takes the error that is pending on the socket, if any.
    ///
    /// # Errors
    ///
    /// What `getsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// if let Some(error) = stream.take_error()? {
    ///     println!("the connection has failed: {error}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    /// Takes over a connection of the standard library, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// [`NoReactor`](crate::reactor::NoReactor) outside a runtime, or what the kernel reports; the connection is closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_net::reactor::{Reactor, enter};
    /// use lenio_net::tcp::TcpStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let _entered = enter(&Reactor::new()?);
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let blocking = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let stream = TcpStream::from_std(blocking)?;
    /// let blocking: std::net::TcpStream = stream.into_std()?;
    /// # drop(blocking);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_std(stream: net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // The caller may have kept a duplicate, so closing ours need not take it out of the kernel's queue.
        Self::register(Reactor::current()?, stream, Signs::BOTH, Leave::ByName)
    }

    /// Gives the connection to the standard library, in blocking mode and no longer registered.
    ///
    /// # Errors
    ///
    /// What the kernel reports; the connection is closed then.
    ///
    /// # Examples
    ///
    /// See [`from_std`](Self::from_std).
    pub fn into_std(self) -> io::Result<net::TcpStream> {
        let Self {
            mut registration,
            socket,
        } = self;
        registration.leave_by_name();
        drop(registration);
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    pub(super) fn socket(&self) -> &net::TcpStream {
        &self.socket
    }
}

/// The system calls, and the poll functions that the trait implementations share.
impl TcpStream {
    #[inline]
    fn read_once(&self, attempt: &Attempt<'_>, buf: &mut [u8]) -> io::Result<usize> {
        let read = (&self.socket).read(buf)?;
        attempt.moved(read, buf.len());
        Ok(read)
    }

    fn read_uninit_once(
        &self,
        attempt: &Attempt<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> io::Result<usize> {
        let read = SockRef::from(&self.socket).recv(buf)?;
        attempt.moved(read, buf.len());
        Ok(read)
    }

    fn read_vectored_once(
        &self,
        attempt: &Attempt<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        let read = (&self.socket).read_vectored(bufs)?;
        attempt.moved(read, bufs.iter().map(|buf| buf.len()).sum());
        Ok(read)
    }

    #[inline]
    fn write_once(&self, attempt: &Attempt<'_>, buf: &[u8]) -> io::Result<usize> {
        let written = (&self.socket).write(buf)?;
        attempt.moved(written, buf.len());
        Ok(written)
    }

    fn write_vectored_once(
        &self,
        attempt: &Attempt<'_>,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        // The standard library's vectored write may raise SIGPIPE where its plain one does not.
        #[cfg(not(target_vendor = "apple"))]
        let written = SockRef::from(self).send_vectored_with_flags(bufs, libc::MSG_NOSIGNAL)?;
        #[cfg(target_vendor = "apple")]
        let written = SockRef::from(self).send_vectored(bufs)?;
        attempt.moved(written, bufs.iter().map(|buf| buf.len()).sum());
        Ok(written)
    }

    #[inline]
    pub(super) fn poll_read_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.registration
            .poll_io(cx, Direction::Read, |attempt| self.read_once(attempt, buf))
    }

    pub(super) fn poll_read_uninit_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(cx, Direction::Read, |attempt| {
            self.read_uninit_once(attempt, buf)
        })
    }

    pub(super) fn poll_read_vectored_shared(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(cx, Direction::Read, |attempt| {
            self.read_vectored_once(attempt, bufs)
        })
    }

    #[inline]
    pub(super) fn poll_write_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(cx, Direction::Write, |attempt| {
            self.write_once(attempt, buf)
        })
    }

    pub(super) fn poll_write_vectored_shared(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(cx, Direction::Write, |attempt| {
            self.write_vectored_once(attempt, bufs)
        })
    }

    /// Shuts writing down; a connection that is gone already is as shut as can be.
    pub(super) fn close_writing(&self) -> io::Result<()> {
        match self.socket.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl TryFrom<net::TcpStream> for TcpStream {
    type Error = io::Error;

    fn try_from(stream: net::TcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl TryFrom<OwnedFd> for TcpStream {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Self::from_std(fd.into())
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}
