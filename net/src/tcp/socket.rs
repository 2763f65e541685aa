//! A socket that is configured before it listens or connects.

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// A TCP socket that neither listens nor is connected yet.
///
/// For options that have to be set before that, such as buffer sizes or `SO_REUSEPORT`. It is not registered with a reactor until it
/// becomes a [`TcpListener`](super::TcpListener) or a [`TcpStream`](super::TcpStream).
///
/// # Examples
///
/// ```no_run
/// use lenio_net::tcp::TcpSocket;
///
/// # fn example() -> std::io::Result<()> {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseport(true)?;
/// socket.bind(([0, 0, 0, 0], 8080).into())?;
/// let listener = socket.listen(1024)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    socket: Socket,
}

impl TcpSocket {
    /// Makes a socket for IPv4.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let socket = lenio_net::tcp::TcpSocket::new_v4()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new_v4() -> io::Result<Self> {
        Self::new(Domain::IPV4)
    }

    /// Makes a socket for IPv6.
    ///
    /// # Errors
    ///
    /// When no descriptor is left, or the machine has no IPv6.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> std::io::Result<()> {
    /// let socket = lenio_net::tcp::TcpSocket::new_v6()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new_v6() -> io::Result<Self> {
        Self::new(Domain::IPV6)
    }

    pub(super) fn for_addr(addr: SocketAddr) -> io::Result<Self> {
        Self::new(Domain::for_address(addr))
    }

    fn new(domain: Domain) -> io::Result<Self> {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Allows binding to an address that an earlier connection still lingers on.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// lenio_net::tcp::TcpSocket::new_v4()?.set_reuseaddr(true)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_reuseaddr(&self, on: bool) -> io::Result<()> {
        self.socket.set_reuse_address(on)
    }

    /// Allows several sockets to listen at one address; the kernel spreads connections over them.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// lenio_net::tcp::TcpSocket::new_v4()?.set_reuseport(true)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_reuseport(&self, on: bool) -> io::Result<()> {
        self.socket.set_reuse_port(on)
    }

    /// Sends small packets at once instead of gathering them (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// lenio_net::tcp::TcpSocket::new_v4()?.set_nodelay(true)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(on)
    }

    /// Asks a silent peer for a sign of life after `idle`; `None` never asks.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// lenio_net::tcp::TcpSocket::new_v4()?.set_keepalive(Some(Duration::from_secs(60)))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        super::options::set_keepalive(self.socket.as_fd(), idle)
    }

    /// Sets how long closing tries to deliver what was written; zero resets the connection instead.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// lenio_net::tcp::TcpSocket::new_v4()?.set_linger(None)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(linger)
    }

    /// Sets the size of the kernel's receive buffer. Accepted connections inherit it from their listener.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// lenio_net::tcp::TcpSocket::new_v4()?.set_recv_buffer_size(64 * 1024)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes)
    }

    /// Sets the size of the kernel's send buffer. Accepted connections inherit it from their listener.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// lenio_net::tcp::TcpSocket::new_v4()?.set_send_buffer_size(64 * 1024)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes)
    }

    /// Binds to a local address.
    ///
    /// # Errors
    ///
    /// What `bind` reports: the address is taken, or not ours.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// lenio_net::tcp::TcpSocket::new_v4()?.bind(([127, 0, 0, 1], 0).into())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket.bind(&SockAddr::from(addr))
    }

    /// The address that this socket is bound to.
    ///
    /// # Errors
    ///
    /// What `getsockname` reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let socket = lenio_net::tcp::TcpSocket::new_v4()?;
    /// socket.bind(([127, 0, 0, 1], 0).into())?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.socket.local_addr()?;
        addr.as_socket()
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Gives the socket up, to become a listener or a connection.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }
}

/// Says that a list of addresses was empty.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no address was given")
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
