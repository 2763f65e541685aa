//! A reader with an end of its own.

use futures_io::{AsyncBufRead, AsyncRead};
use pin_project_lite::pin_project;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// Ends after so many bytes; made by [`AsyncReadExt::take`](super::AsyncReadExt::take).
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_net::io::{AsyncReadExt, Take};
    ///
    /// let limited: Take<&[u8]> = b"abc".take(2);
    /// assert_eq!(limited.limit(), 2);
    /// ```
    #[derive(Debug)]
    pub struct Take<R> {
        #[pin]
        reader: R,
        limit: u64,
    }
}

impl<R> Take<R> {
    pub(super) fn new(reader: R, limit: u64) -> Self {
        Self { reader, limit }
    }

    /// How many bytes may still be read.
    ///
    /// # Examples
    ///
    /// See [`Take`].
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Gives the reader back.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_net::io::AsyncReadExt;
    ///
    /// let reader: &[u8] = b"abc";
    /// assert_eq!(reader.take(2).into_inner(), b"abc");
    /// ```
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R: AsyncRead> AsyncRead for Take<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        if *this.limit == 0 {
            return Poll::Ready(Ok(0));
        }
        let most = within(*this.limit, buf.len());
        let read = ready!(this.reader.poll_read(cx, &mut buf[..most]))?;
        *this.limit = this.limit.saturating_sub(read as u64);
        Poll::Ready(Ok(read))
    }
}

impl<R: AsyncBufRead> AsyncBufRead for Take<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.project();
        if *this.limit == 0 {
            return Poll::Ready(Ok(&[]));
        }
        let buf = ready!(this.reader.poll_fill_buf(cx))?;
        Poll::Ready(Ok(&buf[..within(*this.limit, buf.len())]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.project();
        let amount = within(*this.limit, amount);
        *this.limit -= amount as u64;
        this.reader.consume(amount);
    }
}

fn within(limit: u64, wanted: usize) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).min(wanted)
}
