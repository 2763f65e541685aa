#![expect(
    unsafe_code,
    reason = "hyper's buffers are not initialised, and hyper trusts its streams to say how much of them is"
)]
//! Streams as hyper wants them.

use crate::net::TcpStream;
use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};
use pin_project_lite::pin_project;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The size of the buffer that a [`Buffered`] stream reads into: that of hyper's own first one.
const READ_AT_ONCE: usize = 8 * 1024;

/// A stream that can fill hyper's buffers, whose memory is not initialised.
///
/// lenio's [`TcpStream`] does so without a copy, and [`Buffered`] makes one of any other stream.
///
/// # Examples
///
/// A stream of one's own passes the buffer on:
///
/// ```
/// use hyper::rt::ReadBufCursor;
/// use lenio::compat::hyper::HyperRead;
/// use lenio::net::TcpStream;
/// use std::io;
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
///
/// struct Logged(TcpStream);
///
/// impl HyperRead for Logged {
///     fn poll_fill(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
///         println!("room for {} bytes", buffer.remaining());
///         Pin::new(&mut self.0).poll_fill(cx, buffer)
///     }
/// }
/// ```
pub trait HyperRead {
    /// Reads what is there into `buffer`, waiting until there is something. Nothing read means the end, or a `buffer` without room.
    ///
    /// # Errors
    ///
    /// What the stream meets.
    fn poll_fill(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>>;
}

impl HyperRead for TcpStream {
    #[inline]
    fn poll_fill(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: `poll_read_uninit` writes nothing but initialised bytes.
        let unfilled = unsafe { buffer.as_mut() };
        let room = unfilled.len();
        let read = ready!(self.get_mut().poll_read_uninit(cx, unfilled))?;
        debug_assert!(read <= room);
        // SAFETY: by its contract as many bytes are initialised as it returned, beginning with the first.
        unsafe { buffer.advance(read) };
        Poll::Ready(Ok(()))
    }
}

pin_project! {
    /// A stream with lenio's or futures-io's traits as one with hyper's.
    ///
    /// Reads go straight into hyper's buffer, writes straight through, vectored ones as one system call.
    ///
    /// # Examples
    ///
    /// See [the module](super#examples).
    pub struct HyperIo<T> {
        #[pin]
        stream: T,
    }
}

impl<T> HyperIo<T> {
    /// Wraps a stream.
    pub fn new(stream: T) -> Self {
        Self { stream }
    }

    /// The stream inside.
    pub fn stream(&self) -> &T {
        &self.stream
    }

    /// The stream inside, by exclusive reference.
    pub fn stream_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Gives the stream back. Nothing is lost: what was read has been handed on.
    pub fn into_stream(self) -> T {
        self.stream
    }
}

impl<T> fmt::Debug for HyperIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperIo").finish_non_exhaustive()
    }
}

impl<T: HyperRead> Read for HyperIo<T> {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().stream.poll_fill(cx, buffer)
    }
}

impl<T: AsyncWrite> Write for HyperIo<T> {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_close(cx)
    }

    /// futures-io's traits cannot tell; lenio's streams do, and for others hyper's queue of slices costs little.
    #[inline]
    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(cx, slices)
    }
}

pin_project! {
    /// A stream with futures-io's traits that reads through a buffer of its own, so that a [`HyperIo`] can be made of it.
    ///
    /// futures-io's traits want initialised memory, and filling hyper's buffer with zeros before each read would cost more than the
    /// read of a small request. So this keeps one buffer of 8 KiB, made at the first read, and copies what has arrived: as many bytes
    /// as there are, not as many as there could be. A [`TcpStream`] needs none of that.
    ///
    /// # Examples
    ///
    /// A connection of a client over a stream of another crate:
    ///
    /// ```
    /// use futures_io::{AsyncRead, AsyncWrite};
    /// use http_body_util::Empty;
    /// use hyper::body::Bytes;
    /// use hyper::client::conn::http1;
    /// use lenio::compat::hyper::{Buffered, HyperExecutor, HyperIo};
    /// use hyper::rt::Executor;
    ///
    /// async fn connect<S>(stream: S) -> hyper::Result<http1::SendRequest<Empty<Bytes>>>
    /// where
    ///     S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    /// {
    ///     let (sender, connection) = http1::handshake(HyperIo::new(Buffered::new(stream))).await?;
    ///     HyperExecutor::new().execute(connection);
    ///     Ok(sender)
    /// }
    /// ```
    pub struct Buffered<T> {
        #[pin]
        stream: T,
        buffer: Option<Box<[u8]>>,
    }
}

impl<T> Buffered<T> {
    /// Wraps a stream.
    pub fn new(stream: T) -> Self {
        Self {
            stream,
            buffer: None,
        }
    }

    /// The stream inside.
    pub fn stream(&self) -> &T {
        &self.stream
    }

    /// Gives the stream back. Nothing is lost: what was read has been handed on.
    pub fn into_stream(self) -> T {
        self.stream
    }
}

impl<T> fmt::Debug for Buffered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered").finish_non_exhaustive()
    }
}

impl<T: AsyncRead> HyperRead for Buffered<T> {
    fn poll_fill(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut target: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let buffer = this
            .buffer
            .get_or_insert_with(|| vec![0; READ_AT_ONCE].into_boxed_slice());
        let length = buffer.len().min(target.remaining());
        let read = ready!(this.stream.poll_read(cx, &mut buffer[..length]))?;
        target.put_slice(&buffer[..read.min(length)]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> AsyncWrite for Buffered<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::rt::ReadBuf;
    use std::mem::MaybeUninit;
    use std::task::Waker;

    /// Gives `left` bytes, at most `at_once` per read.
    struct Bytes {
        left: usize,
        at_once: usize,
    }

    impl AsyncRead for Bytes {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            buf: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let read = buf.len().min(self.left).min(self.at_once);
            buf[..read].fill(7);
            self.left -= read;
            Poll::Ready(Ok(read))
        }
    }

    #[test]
    fn a_buffered_stream_gives_what_arrived_and_no_more_than_fits() {
        let mut io = HyperIo::new(Buffered::new(Bytes {
            left: 100,
            at_once: 60,
        }));
        let mut cx = Context::from_waker(Waker::noop());
        let mut sizes = Vec::new();
        loop {
            let mut memory = [MaybeUninit::uninit(); 50];
            let mut buffer = ReadBuf::uninit(&mut memory);
            let polled = Pin::new(&mut io).poll_read(&mut cx, buffer.unfilled());
            assert!(matches!(polled, Poll::Ready(Ok(()))));
            assert!(buffer.filled().iter().all(|byte| *byte == 7));
            sizes.push(buffer.filled().len());
            if buffer.filled().is_empty() {
                break;
            }
        }
        assert_eq!(sizes, [50, 50, 0]);
    }
}
