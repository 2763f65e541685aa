//! A buffer in front of a writer.

use super::BUFFER;
use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// Writes much at a time, so that many small writes cost few system calls.
    ///
    /// What it holds back is lost when it is dropped, because dropping cannot wait: [`flush`](super::AsyncWriteExt::flush) or
    /// [`close`](super::AsyncWriteExt::close) it first. Reading goes through to what is inside.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use lenio_net::io::{AsyncWriteExt, BufWriter};
    ///
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let mut writer = BufWriter::new(stream);
    /// for word in ["one", "two", "three"] {
    ///     writer.write_all(word.as_bytes()).await?;
    /// }
    /// writer.flush().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub struct BufWriter<W> {
        #[pin]
        inner: W,
        buf: Vec<u8>,
        // How much of `buf` was written already, while it is being flushed.
        written: usize,
        capacity: usize,
    }
}

impl<W> BufWriter<W> {
    /// Puts a buffer of 8 KiB in front of `inner`.
    ///
    /// # Examples
    ///
    /// ```
    /// let writer = lenio_net::io::BufWriter::new(Vec::<u8>::new());
    /// assert!(writer.buffer().is_empty());
    /// ```
    pub fn new(inner: W) -> Self {
        Self::with_capacity(BUFFER, inner)
    }

    /// Puts a buffer of `capacity` bytes in front of `inner`.
    ///
    /// # Examples
    ///
    /// ```
    /// let writer = lenio_net::io::BufWriter::with_capacity(1024, Vec::<u8>::new());
    /// assert!(writer.into_inner().is_empty());
    /// ```
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        Self {
            inner,
            buf: Vec::with_capacity(capacity),
            written: 0,
            capacity,
        }
    }

    /// What is held back.
    ///
    /// # Examples
    ///
    /// See [`new`](Self::new).
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.written..]
    }

    /// What is inside.
    ///
    /// # Examples
    ///
    /// ```
    /// let writer = lenio_net::io::BufWriter::new(Vec::<u8>::new());
    /// assert!(writer.get_ref().is_empty());
    /// ```
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// What is inside, for changing it. Writing to it directly overtakes what is held back.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut writer = lenio_net::io::BufWriter::new(vec![1]);
    /// writer.get_mut().clear();
    /// ```
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Gives back what is inside; what is [held back](Self::buffer) is lost.
    ///
    /// # Examples
    ///
    /// See [`with_capacity`](Self::with_capacity).
    pub fn into_inner(self) -> W {
        self.inner
    }
}

impl<W: AsyncWrite> BufWriter<W> {
    /// Empties the buffer. Where it was dropped halfway it goes on where it was.
    fn poll_empty(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        while *this.written < this.buf.len() {
            let rest = &this.buf[*this.written..];
            match ready!(this.inner.as_mut().poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => *this.written += written,
            }
        }
        this.buf.clear();
        *this.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buf.len() + buf.len() > self.capacity {
            ready!(self.as_mut().poll_empty(cx))?;
        }
        let this = self.project();
        // What would fill the buffer gains nothing from a copy.
        if buf.len() >= *this.capacity {
            return this.inner.poll_write(cx, buf);
        }
        this.buf.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_empty(cx))?;
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_empty(cx))?;
        self.project().inner.poll_close(cx)
    }
}

impl<W: AsyncRead> AsyncRead for BufWriter<W> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_read_vectored(cx, bufs)
    }
}

impl<W: AsyncBufRead> AsyncBufRead for BufWriter<W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.project().inner.consume(amount);
    }
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufWriter")
            .field("inner", &self.inner)
            .field("held_back", &self.buffer().len())
            .finish_non_exhaustive()
    }
}
