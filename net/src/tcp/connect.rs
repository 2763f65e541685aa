//! Connecting.

use super::socket::{TcpSocket, no_address};
use super::stream::TcpStream;
use crate::reactor::Reactor;
use socket2::SockAddr;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

impl TcpStream {
    /// Connects to the first of `addrs` that answers, trying one after the other.
    ///
    /// An address in digits is taken as it is. A host *name* is looked up with the system's resolver, which blocks this thread.
    ///
    /// # Errors
    ///
    /// The last failure if no address answers, [`NoReactor`](crate::reactor::NoReactor) outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// The attempt that is under way is given up.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let stream = lenio_net::tcp::TcpStream::connect(("127.0.0.1", 8080)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(addrs: impl ToSocketAddrs) -> io::Result<Self> {
        let addrs: Vec<SocketAddr> = addrs.to_socket_addrs()?.collect();
        let mut last = None;
        for addr in addrs {
            match Self::connect_one(addr).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    async fn connect_one(addr: SocketAddr) -> io::Result<Self> {
        TcpSocket::for_addr(addr)?.connect(addr).await
    }
}

impl TcpSocket {
    /// Connects to `addr`.
    ///
    /// # Errors
    ///
    /// [`NoReactor`](crate::reactor::NoReactor) outside a runtime, or what the connection met: refused, unreachable, timed out.
    ///
    /// # Cancel safety
    ///
    /// The socket is closed if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(socket: lenio_net::tcp::TcpSocket) -> std::io::Result<()> {
    /// let stream = socket.connect(([127, 0, 0, 1], 8080).into()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        let reactor = Reactor::current()?;
        let socket = self.into_socket();
        match socket.connect(&SockAddr::from(addr)) {
            // A connect that a signal cuts short goes on in the background like one that would block.
            Err(error) if !is_under_way(&error) => return Err(error),
            _ => {}
        }
        // Registered only now: an unconnected socket would report a hang-up.
        TcpStream::connected(reactor, socket.into()).await
    }
}

fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == io::ErrorKind::Interrupted
}
