//! TCP: listening, connecting, reading and writing.
//!
//! A [`TcpListener`] accepts [`TcpStream`]s; [`TcpStream::connect`] makes them. Where the defaults do not fit, a [`TcpSocket`] is
//! configured first and then turned into one or the other.
//!
//! A stream can be used in three ways: by shared reference from any number of tasks ([`TcpStream::read`], [`TcpStream::write`]),
//! through futures-io's traits, and in halves, borrowed ([`TcpStream::split`]) or owned ([`TcpStream::into_split`]).
//!
//! Every socket belongs to the reactor of the thread that made it ([`Reactor::current`](crate::reactor::Reactor::current)); an
//! accepted stream to that of its listener. It may be used from any thread. What is not offered here can be set through `socket2`'s
//! `SockRef`, because all types implement [`AsFd`](std::os::fd::AsFd).
//!
//! No operation raises `SIGPIPE`: writing to a connection that is gone is an error of kind
//! [`BrokenPipe`](std::io::ErrorKind::BrokenPipe).

mod connect;
mod hold_off;
mod listener;
mod options;
mod owned;
mod socket;
mod split;
mod stream;
mod traits;

pub use listener::{Incoming, TcpListener};
pub use owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use socket::TcpSocket;
pub use split::{ReadHalf, WriteHalf};
pub use stream::TcpStream;
