//! Writing: some bytes, or all of them.

use futures_io::AsyncWrite;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Adds methods to every [`AsyncWrite`].
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::AsyncWriteExt;
///
/// # async fn example(mut stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
/// stream.write_all(b"hello").await?;
/// stream.close().await?;
/// # Ok(())
/// # }
/// ```
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes some of `buf`, and returns how much that was.
    ///
    /// # Errors
    ///
    /// What the writer reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing was written if the future is dropped before it completes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncWriteExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut all = Vec::new();
    /// assert_eq!(all.write(b"abc").await?, 3);
    /// # Ok(())
    /// # }
    /// ```
    fn write<'a>(&'a mut self, buf: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        Write { writer: self, buf }
    }

    /// Writes some of several buffers, and returns how much that was.
    ///
    /// # Errors
    ///
    /// What the writer reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing was written if the future is dropped before it completes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncWriteExt;
    /// # use std::io::IoSlice;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut all = Vec::new();
    /// all.write_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"bc")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    fn write_vectored<'a>(&'a mut self, bufs: &'a [IoSlice<'a>]) -> WriteVectored<'a, Self>
    where
        Self: Unpin,
    {
        WriteVectored { writer: self, bufs }
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    ///
    /// [`WriteZero`](io::ErrorKind::WriteZero) if the writer takes nothing any more, else what it reports. How much was written is
    /// not known then.
    ///
    /// # Cancel safety
    ///
    /// Some of `buf` may have been written, and how much is lost: not to be used in a race with something else.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncWriteExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut all = Vec::new();
    /// all.write_all(b"abc").await?;
    /// # Ok(())
    /// # }
    /// ```
    fn write_all<'a>(&'a mut self, buf: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        WriteAll { writer: self, buf }
    }

    /// Passes on what the writer holds back.
    ///
    /// # Errors
    ///
    /// What the writer reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost; call it again to go on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::{AsyncWriteExt, BufWriter};
    /// # async fn example() -> std::io::Result<()> {
    /// let mut writer = BufWriter::new(Vec::new());
    /// writer.write_all(b"abc").await?;
    /// writer.flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        Flush { writer: self }
    }

    /// Passes on what the writer holds back, then ends it. A TCP stream shuts writing down.
    ///
    /// # Errors
    ///
    /// What the writer reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost; call it again to go on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::{AsyncWriteExt, BufWriter};
    /// # async fn example() -> std::io::Result<()> {
    /// let mut writer = BufWriter::new(Vec::new());
    /// writer.write_all(b"abc").await?;
    /// writer.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    fn close(&mut self) -> Close<'_, Self>
    where
        Self: Unpin,
    {
        Close { writer: self }
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

/// The future of [`AsyncWriteExt::write`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a, W: ?Sized> {
    writer: &'a mut W,
    buf: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Write<'_, W> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Pin::new(&mut *this.writer).poll_write(cx, this.buf)
    }
}

/// The future of [`AsyncWriteExt::write_vectored`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteVectored<'a, W: ?Sized> {
    writer: &'a mut W,
    bufs: &'a [IoSlice<'a>],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteVectored<'_, W> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Pin::new(&mut *this.writer).poll_write_vectored(cx, this.bufs)
    }
}

/// The future of [`AsyncWriteExt::write_all`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAll<'a, W: ?Sized> {
    writer: &'a mut W,
    buf: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteAll<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while !this.buf.is_empty() {
            match ready!(Pin::new(&mut *this.writer).poll_write(cx, this.buf))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => this.buf = &this.buf[written..],
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The future of [`AsyncWriteExt::flush`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Flush<'a, W: ?Sized> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Flush<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.writer).poll_flush(cx)
    }
}

/// The future of [`AsyncWriteExt::close`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Close<'a, W: ?Sized> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Close<'_, W> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.writer).poll_close(cx)
    }
}
