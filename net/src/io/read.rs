//! Reading: some bytes, or exactly so many.

use super::read_to_end::{ReadToEnd, ReadToString};
use super::take::Take;
use futures_io::AsyncRead;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Adds methods to every [`AsyncRead`].
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::AsyncReadExt;
///
/// # async fn example(mut stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
/// let mut length = [0; 4];
/// stream.read_exact(&mut length).await?;
/// # Ok(())
/// # }
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// Reads some bytes into `buf`. Zero means the end, or an empty `buf`.
    ///
    /// # Errors
    ///
    /// What the reader reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncReadExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut reader: &[u8] = b"abc";
    /// let mut buf = [0; 2];
    /// assert_eq!(reader.read(&mut buf).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        Read { reader: self, buf }
    }

    /// Fills `buf`.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the end comes first, else what the reader reports. How much of `buf` was
    /// filled is not known then.
    ///
    /// # Cancel safety
    ///
    /// What was read so far is in `buf`, but how much that is, is lost: not to be used in a race with something else.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncReadExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut reader: &[u8] = b"abc";
    /// let mut buf = [0; 2];
    /// reader.read_exact(&mut buf).await?;
    /// assert_eq!(&buf, b"ab");
    /// # Ok(())
    /// # }
    /// ```
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        ReadExact {
            reader: self,
            buf,
            filled: 0,
        }
    }

    /// Appends everything up to the end to `buf`, and returns how much that was.
    ///
    /// The vector grows as needed, without a limit; [`take`](Self::take) sets one. Each byte of its storage is zeroed at most once.
    ///
    /// # Errors
    ///
    /// What the reader reports. What was read before is in `buf`.
    ///
    /// # Cancel safety
    ///
    /// What was read so far is in `buf`, so nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncReadExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut reader: &[u8] = b"abc";
    /// let mut all = Vec::new();
    /// assert_eq!(reader.read_to_end(&mut all).await?, 3);
    /// # Ok(())
    /// # }
    /// ```
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> ReadToEnd<'a, Self>
    where
        Self: Unpin,
    {
        ReadToEnd::new(self, buf)
    }

    /// Appends everything up to the end to `text`, and returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) if it is not UTF-8, else what the reader reports; `text` is unchanged.
    ///
    /// # Cancel safety
    ///
    /// What was read so far is lost, and `text` is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncReadExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut reader: &[u8] = b"abc";
    /// let mut text = String::new();
    /// reader.read_to_string(&mut text).await?;
    /// assert_eq!(text, "abc");
    /// # Ok(())
    /// # }
    /// ```
    fn read_to_string<'a>(&'a mut self, text: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        ReadToString::new(self, text)
    }

    /// Makes a reader that ends after `limit` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncReadExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let reader: &[u8] = b"abc";
    /// let mut text = String::new();
    /// reader.take(2).read_to_string(&mut text).await?;
    /// assert_eq!(text, "ab");
    /// # Ok(())
    /// # }
    /// ```
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, limit)
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

/// The future of [`AsyncReadExt::read`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a, R: ?Sized> {
    reader: &'a mut R,
    buf: &'a mut [u8],
}

impl<R: AsyncRead + Unpin + ?Sized> Future for Read<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Pin::new(&mut *this.reader).poll_read(cx, this.buf)
    }
}

/// The future of [`AsyncReadExt::read_exact`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExact<'a, R: ?Sized> {
    reader: &'a mut R,
    buf: &'a mut [u8],
    filled: usize,
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadExact<'_, R> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while this.filled < this.buf.len() {
            let rest = &mut this.buf[this.filled..];
            match ready!(Pin::new(&mut *this.reader).poll_read(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                read => this.filled += read,
            }
        }
        Poll::Ready(Ok(()))
    }
}
