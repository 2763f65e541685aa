//! The two directions of a stream, borrowed.

use super::stream::TcpStream;
use futures_io::{AsyncRead, AsyncWrite};
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The reading direction, made by [`TcpStream::split`].
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::AsyncReadExt;
/// use lenio_net::tcp::ReadHalf;
///
/// async fn first_byte(mut reader: ReadHalf<'_>) -> std::io::Result<u8> {
///     let mut byte = [0];
///     reader.read_exact(&mut byte).await?;
///     Ok(byte[0])
/// }
/// ```
#[derive(Debug)]
pub struct ReadHalf<'s> {
    stream: &'s TcpStream,
}

/// The writing direction, made by [`TcpStream::split`]. Dropping it shuts nothing down.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::AsyncWriteExt;
/// use lenio_net::tcp::WriteHalf;
///
/// async fn greet(mut writer: WriteHalf<'_>) -> std::io::Result<()> {
///     writer.write_all(b"hello").await
/// }
/// ```
#[derive(Debug)]
pub struct WriteHalf<'s> {
    stream: &'s TcpStream,
}

impl TcpStream {
    /// Lends the two directions to two users within one task. Costs nothing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(mut stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let (mut reader, mut writer) = stream.split();
    /// lenio_net::io::copy(&mut reader, &mut writer).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf { stream: self }, WriteHalf { stream: self })
    }
}

/// For addresses, options and shared operations.
impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.stream
    }
}

/// For addresses, options and shared operations.
impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.stream
    }
}

impl AsyncRead for ReadHalf<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_read_shared(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_read_vectored_shared(cx, bufs)
    }
}

impl AsyncWrite for WriteHalf<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write_shared(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write_vectored_shared(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.close_writing())
    }
}
