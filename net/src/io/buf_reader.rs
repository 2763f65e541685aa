//! A buffer in front of a reader.

use super::BUFFER;
use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// Reads much at a time, so that many small reads cost few system calls.
    ///
    /// What it has read and not passed on is lost when it is dropped or taken apart. Writing goes through to what is inside.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use lenio_net::io::{AsyncBufReadExt, BufReader};
    ///
    /// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
    /// let mut reader = BufReader::new(stream);
    /// let mut line = String::new();
    /// reader.read_line(&mut line).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub struct BufReader<R> {
        #[pin]
        inner: R,
        buf: Box<[u8]>,
        // What was read and not passed on is `buf[used..filled]`.
        used: usize,
        filled: usize,
    }
}

impl<R> BufReader<R> {
    /// Puts a buffer of 8 KiB in front of `inner`.
    ///
    /// # Examples
    ///
    /// ```
    /// let reader = lenio_net::io::BufReader::new(&b"abc"[..]);
    /// assert!(reader.buffer().is_empty());
    /// ```
    pub fn new(inner: R) -> Self {
        Self::with_capacity(BUFFER, inner)
    }

    /// Puts a buffer of `capacity` bytes in front of `inner`.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0: such a reader could never tell data from the end.
    ///
    /// # Examples
    ///
    /// ```
    /// let reader = lenio_net::io::BufReader::with_capacity(1024, &b"abc"[..]);
    /// assert_eq!(reader.into_inner(), b"abc");
    /// ```
    #[track_caller]
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        assert!(capacity > 0, "a buffer needs room for a byte");
        Self {
            inner,
            buf: vec![0; capacity].into_boxed_slice(),
            used: 0,
            filled: 0,
        }
    }

    /// What was read and not passed on.
    ///
    /// # Examples
    ///
    /// See [`new`](Self::new).
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.used..self.filled]
    }

    /// What is inside. Reading from it directly skips what is buffered.
    ///
    /// # Examples
    ///
    /// ```
    /// let reader = lenio_net::io::BufReader::new(&b"abc"[..]);
    /// assert_eq!(reader.get_ref().len(), 3);
    /// ```
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// What is inside, for changing it.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut reader = lenio_net::io::BufReader::new(&b"abc"[..]);
    /// *reader.get_mut() = b"def";
    /// ```
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Gives back what is inside; what is [buffered](Self::buffer) is lost.
    ///
    /// # Examples
    ///
    /// See [`with_capacity`](Self::with_capacity).
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn is_empty(&self) -> bool {
        self.used == self.filled
    }
}

impl<R: AsyncRead> AsyncRead for BufReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // A large read into an empty buffer gains nothing from a copy.
        if self.is_empty() && buf.len() >= self.buf.len() {
            return self.project().inner.poll_read(cx, buf);
        }
        let mut here = ready!(self.as_mut().poll_fill_buf(cx))?;
        let read = io::Read::read(&mut here, buf)?;
        self.consume(read);
        Poll::Ready(Ok(read))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.is_empty() && wanted >= self.buf.len() {
            return self.project().inner.poll_read_vectored(cx, bufs);
        }
        let mut here = ready!(self.as_mut().poll_fill_buf(cx))?;
        let read = io::Read::read_vectored(&mut here, bufs)?;
        self.consume(read);
        Poll::Ready(Ok(read))
    }
}

impl<R: AsyncRead> AsyncBufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.project();
        if this.used == this.filled {
            let read = ready!(this.inner.poll_read(cx, this.buf))?;
            *this.used = 0;
            *this.filled = read;
        }
        Poll::Ready(Ok(&this.buf[*this.used..*this.filled]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.project();
        *this.used = this.used.saturating_add(amount).min(*this.filled);
    }
}

impl<R: AsyncWrite> AsyncWrite for BufReader<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_close(cx)
    }
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufReader")
            .field("inner", &self.inner)
            .field("buffered", &self.buffer().len())
            .finish_non_exhaustive()
    }
}
