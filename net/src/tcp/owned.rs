//! The two directions of a stream, owned, for two tasks.

use super::stream::TcpStream;
use futures_io::{AsyncRead, AsyncWrite};
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The reading direction, made by [`TcpStream::into_split`].
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::AsyncReadExt;
/// use lenio_net::tcp::OwnedReadHalf;
///
/// async fn first_byte(mut reader: OwnedReadHalf) -> std::io::Result<u8> {
///     let mut byte = [0];
///     reader.read_exact(&mut byte).await?;
///     Ok(byte[0])
/// }
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf {
    /// Shared by the two halves only; whoever goes last closes.
    stream: Arc<TcpStream>,
}

/// The writing direction, made by [`TcpStream::into_split`].
///
/// Dropping it shuts writing down, so that the peer sees the end; [`forget`](Self::forget) leaves writing open.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::AsyncWriteExt;
/// use lenio_net::tcp::OwnedWriteHalf;
///
/// async fn say_goodbye(mut writer: OwnedWriteHalf) -> std::io::Result<()> {
///     writer.write_all(b"goodbye").await
/// }
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf {
    /// Shared by the two halves only; whoever goes last closes.
    stream: Arc<TcpStream>,
    shuts_down: bool,
}

impl TcpStream {
    /// Divides the connection into two halves that can go to different tasks. Allocates once.
    ///
    /// Dropping the write half shuts writing down; the connection is closed when both are gone.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let (reader, writer) = stream.into_split();
    /// let stream = reader.reunite(writer)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        let reader = OwnedReadHalf {
            stream: stream.clone(),
        };
        let writer = OwnedWriteHalf {
            stream,
            shuts_down: true,
        };
        (reader, writer)
    }
}

impl OwnedReadHalf {
    /// Puts the two halves of a connection together again.
    ///
    /// # Errors
    ///
    /// Gives both back, usable as before, if they belong to different connections.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(stream: lenio_net::tcp::TcpStream) -> Result<(), lenio_net::tcp::ReuniteError> {
    /// let (reader, writer) = stream.into_split();
    /// let stream = reader.reunite(writer)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reunite(self, writer: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &writer.stream) {
            return Err(ReuniteError {
                reader: self,
                writer,
            });
        }
        writer.forget();
        Ok(Arc::into_inner(self.stream).expect("nobody but the two halves owns the stream"))
    }
}

impl OwnedReadHalf {
    /// Polls for bytes and reads them into memory that need not be initialised, as [`TcpStream::poll_read_uninit`].
    ///
    /// # Errors
    ///
    /// As [`TcpStream::read`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::future::poll_fn;
    /// use std::mem::MaybeUninit;
    ///
    /// # async fn example(mut reader: lenio_net::tcp::OwnedReadHalf) -> std::io::Result<()> {
    /// let mut buf = [MaybeUninit::uninit(); 1024];
    /// let read = poll_fn(|cx| reader.poll_read_uninit(cx, &mut buf)).await?;
    /// println!("{read} bytes have come");
    /// # Ok(())
    /// # }
    /// ```
    pub fn poll_read_uninit(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_read_uninit_shared(cx, buf)
    }
}

impl OwnedWriteHalf {
    /// Drops the half and leaves writing open until the read half goes too.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(stream: lenio_net::tcp::TcpStream) {
    /// let (reader, writer) = stream.into_split();
    /// writer.forget();
    /// # }
    /// ```
    pub fn forget(mut self) {
        self.shuts_down = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shuts_down {
            // Fails only if there is nothing left to shut down.
            let _ = self.stream.close_writing();
        }
    }
}

/// For addresses, options and shared operations.
impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

/// For addresses, options and shared operations.
impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for OwnedReadHalf {
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

impl AsyncWrite for OwnedWriteHalf {
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

/// Says that two halves belong to different connections, and gives them back.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::tcp::{ReuniteError, TcpStream};
///
/// fn mix(one: TcpStream, other: TcpStream) {
///     let (reader, _) = one.into_split();
///     let (_, writer) = other.into_split();
///     if let Err(ReuniteError { reader, writer }) = reader.reunite(writer) {
///         drop((reader, writer)); // both usable as before
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ReuniteError {
    /// The half that was to be reunited.
    pub reader: OwnedReadHalf,
    /// The half that belongs to another connection.
    pub writer: OwnedWriteHalf,
}

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves belong to different connections")
    }
}

impl Error for ReuniteError {}

impl From<ReuniteError> for io::Error {
    fn from(error: ReuniteError) -> Self {
        Self::other(error)
    }
}
