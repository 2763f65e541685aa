//! Reading up to a delimiter: lines above all.
//!
//! All three futures work on one function, [`poll_until`], which moves bytes from the reader's buffer into a vector until it has
//! moved the delimiter. What it has moved stays in the vector when a future is dropped, so nothing is lost.

use futures_core::Stream;
use futures_io::AsyncBufRead;
use pin_project_lite::pin_project;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Adds methods to every [`AsyncBufRead`].
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::{AsyncBufReadExt, BufReader};
///
/// # async fn example(stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
/// let mut lines = BufReader::new(stream).lines();
/// while let Some(line) = lines.next_line().await? {
///     println!("{line}");
/// }
/// # Ok(())
/// # }
/// ```
pub trait AsyncBufReadExt: AsyncBufRead {
    /// Appends everything up to and including `delimiter` to `buf`, or up to the end, and returns how much was appended since the
    /// call. Zero means the end.
    ///
    /// # Errors
    ///
    /// What the reader reports. What was read before is in `buf`.
    ///
    /// # Cancel safety
    ///
    /// What was read so far is in `buf`, so a second call with the same `buf` goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncBufReadExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut reader: &[u8] = b"a,b";
    /// let mut field = Vec::new();
    /// reader.read_until(b',', &mut field).await?;
    /// assert_eq!(field, b"a,");
    /// # Ok(())
    /// # }
    /// ```
    fn read_until<'a>(&'a mut self, delimiter: u8, buf: &'a mut Vec<u8>) -> ReadUntil<'a, Self>
    where
        Self: Unpin,
    {
        ReadUntil {
            start: buf.len(),
            reader: self,
            delimiter,
            buf,
        }
    }

    /// Appends a line with its line feed to `line`, or what is left before the end, and returns how many bytes that were. Zero means
    /// the end.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the line is not UTF-8, else what the reader reports; `line` is unchanged and
    /// the bytes are gone.
    ///
    /// # Cancel safety
    ///
    /// The part of the line that was read is lost. [`lines`](Self::lines) loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncBufReadExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut reader: &[u8] = b"one\ntwo\n";
    /// let mut line = String::new();
    /// reader.read_line(&mut line).await?;
    /// assert_eq!(line, "one\n");
    /// # Ok(())
    /// # }
    /// ```
    fn read_line<'a>(&'a mut self, line: &'a mut String) -> ReadLine<'a, Self>
    where
        Self: Unpin,
    {
        ReadLine {
            reader: self,
            line,
            bytes: Vec::new(),
        }
    }

    /// The lines, without their line ends (`\n` or `\r\n`).
    ///
    /// A line may be as long as its sender likes; put a [`take`](super::AsyncReadExt::take) below to limit the whole.
    ///
    /// # Examples
    ///
    /// ```
    /// # use lenio_net::io::AsyncBufReadExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let reader: &[u8] = b"one\r\ntwo";
    /// let mut lines = reader.lines();
    /// assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
    /// assert_eq!(lines.next_line().await?.as_deref(), Some("two"));
    /// assert_eq!(lines.next_line().await?, None);
    /// # Ok(())
    /// # }
    /// ```
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines {
            reader: self,
            bytes: Vec::new(),
        }
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}

/// The future of [`AsyncBufReadExt::read_until`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadUntil<'a, R: ?Sized> {
    reader: &'a mut R,
    delimiter: u8,
    buf: &'a mut Vec<u8>,
    start: usize,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadUntil<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        ready!(poll_until(
            Pin::new(&mut *this.reader),
            cx,
            this.delimiter,
            this.buf
        ))?;
        Poll::Ready(Ok(this.buf.len() - this.start))
    }
}

/// The future of [`AsyncBufReadExt::read_line`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadLine<'a, R: ?Sized> {
    reader: &'a mut R,
    line: &'a mut String,
    bytes: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadLine<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        ready!(poll_until(
            Pin::new(&mut *this.reader),
            cx,
            b'\n',
            &mut this.bytes
        ))?;
        let line = text(std::mem::take(&mut this.bytes))?;
        this.line.push_str(&line);
        Poll::Ready(Ok(line.len()))
    }
}

pin_project! {
    /// The lines of a reader, made by [`AsyncBufReadExt::lines`]. Also a [`Stream`].
    ///
    /// # Examples
    ///
    /// See [`AsyncBufReadExt::lines`].
    #[derive(Debug)]
    pub struct Lines<R> {
        #[pin]
        reader: R,
        // The part of the next line that was read already.
        bytes: Vec<u8>,
    }
}

impl<R: AsyncBufRead> Lines<R> {
    /// Waits for the next line; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the line is not UTF-8, after which the next line can be read; else what the
    /// reader reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a line that was read in part is kept here.
    ///
    /// # Examples
    ///
    /// See [`AsyncBufReadExt::lines`].
    pub async fn next_line(&mut self) -> io::Result<Option<String>>
    where
        R: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_line(cx)).await
    }

    /// Polls for the next line; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`next_line`](Self::next_line).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use lenio_net::io::{AsyncBufRead, Lines};
    /// use std::future::poll_fn;
    /// use std::pin::Pin;
    ///
    /// async fn first(mut lines: Pin<&mut Lines<impl AsyncBufRead>>) -> std::io::Result<Option<String>> {
    ///     poll_fn(|cx| lines.as_mut().poll_next_line(cx)).await
    /// }
    /// ```
    pub fn poll_next_line(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<String>>> {
        let this = self.project();
        ready!(poll_until(this.reader, cx, b'\n', this.bytes))?;
        let mut bytes = std::mem::take(this.bytes);
        if bytes.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let line = bytes
            .strip_suffix(b"\n")
            .map_or(&*bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
        bytes.truncate(line.len());
        Poll::Ready(text(bytes).map(Some))
    }
}

impl<R: AsyncBufRead> Stream for Lines<R> {
    type Item = io::Result<String>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_next_line(cx).map(io::Result::transpose)
    }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Moves bytes into `buf` up to and including `delimiter`, or up to the end.
fn poll_until<R: AsyncBufRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    delimiter: u8,
    buf: &mut Vec<u8>,
) -> Poll<io::Result<()>> {
    loop {
        let here = ready!(reader.as_mut().poll_fill_buf(cx))?;
        let found = here.iter().position(|byte| *byte == delimiter);
        let used = found.map_or(here.len(), |at| at + 1);
        buf.extend_from_slice(&here[..used]);
        reader.as_mut().consume(used);
        if found.is_some() || used == 0 {
            return Poll::Ready(Ok(()));
        }
    }
}
