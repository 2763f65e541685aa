//! async-io and blocking: time, blocking work and sockets for the smol family.
//!
//! A regression would be a buffer or a wrapper here that smol's own programs do not have.

use std::future::Future;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use smol_hyper::rt::FuturesIo;

use super::Os;

/// What the smol family uses of the outside world.
pub(crate) struct AsyncIo;

impl Os for AsyncIo {
    type Listener = Async<TcpListener>;
    type Stream = Async<TcpStream>;
    type Hyper = FuturesIo<Async<TcpStream>>;

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    fn blocking(work: impl FnOnce() + Send + 'static) -> impl Future<Output = ()> + Send + 'static {
        blocking::unblock(work)
    }

    fn listen(listener: TcpListener) -> io::Result<Self::Listener> {
        Async::new(listener)
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(stream)
    }

    async fn read(stream: &mut Self::Stream, buffer: &mut [u8]) -> io::Result<usize> {
        stream.read(buffer).await
    }

    async fn write_all(stream: &mut Self::Stream, buffer: &[u8]) -> io::Result<()> {
        stream.write_all(buffer).await
    }

    fn hyper(stream: Self::Stream) -> Self::Hyper {
        FuturesIo::new(stream)
    }
}
