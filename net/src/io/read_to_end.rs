//! Reading up to the end.
//!
//! Safe code cannot read into memory that was never written, so the vector is zeroed before it is filled, but every byte only once:
//! while the future lives the vector is as long as what was zeroed, and it is cut to what was read when the future goes, finished or
//! not. A vector that the caller has made exactly large enough does not grow just to find the end: that is looked for with a few bytes
//! on the stack first.

use futures_io::AsyncRead;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// By how much the vector grows at least.
const STEP: usize = 1024;
/// How much is zeroed at once at most.
const CHUNK: usize = 64 * 1024;
/// With how many bytes the end is looked for.
const PROBE: usize = 32;

/// The future of [`AsyncReadExt::read_to_end`](super::AsyncReadExt::read_to_end).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToEnd<'a, R: ?Sized> {
    reader: &'a mut R,
    buf: &'a mut Vec<u8>,
    extent: Extent,
}

impl<'a, R: ?Sized> ReadToEnd<'a, R> {
    pub(super) fn new(reader: &'a mut R, buf: &'a mut Vec<u8>) -> Self {
        Self {
            reader,
            extent: Extent::of(buf),
            buf,
        }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToEnd<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.extent
            .poll_fill(this.buf, Pin::new(&mut *this.reader), cx)
    }
}

impl<R: ?Sized> Drop for ReadToEnd<'_, R> {
    fn drop(&mut self) {
        self.buf.truncate(self.extent.filled);
    }
}

/// The future of [`AsyncReadExt::read_to_string`](super::AsyncReadExt::read_to_string).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToString<'a, R: ?Sized> {
    reader: &'a mut R,
    text: &'a mut String,
    bytes: Vec<u8>,
    extent: Extent,
}

impl<'a, R: ?Sized> ReadToString<'a, R> {
    pub(super) fn new(reader: &'a mut R, text: &'a mut String) -> Self {
        let bytes = Vec::new();
        Self {
            reader,
            text,
            extent: Extent::of(&bytes),
            bytes,
        }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToString<'_, R> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let read = ready!(
            this.extent
                .poll_fill(&mut this.bytes, Pin::new(&mut *this.reader), cx)
        )?;
        let text = std::str::from_utf8(&this.bytes[..read])
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        this.text.push_str(text);
        Poll::Ready(Ok(read))
    }
}

/// How much of a vector counts: what lies behind `filled` is zeroed and waits to be read into.
#[derive(Debug)]
struct Extent {
    start: usize,
    filled: usize,
    /// What the caller had reserved.
    capacity: usize,
}

impl Extent {
    fn of(buf: &Vec<u8>) -> Self {
        Self {
            start: buf.len(),
            filled: buf.len(),
            capacity: buf.capacity(),
        }
    }

    /// Reads up to the end; ready with how much that was.
    fn poll_fill<R: AsyncRead + ?Sized>(
        &mut self,
        buf: &mut Vec<u8>,
        mut reader: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let read = if self.filled == self.capacity && self.capacity > 0 {
                let mut probe = [0; PROBE];
                let read = ready!(reader.as_mut().poll_read(cx, &mut probe))?;
                buf.extend_from_slice(&probe[..read]);
                read
            } else {
                self.make_room(buf);
                ready!(reader.as_mut().poll_read(cx, &mut buf[self.filled..]))?
            };
            if read == 0 {
                return Poll::Ready(Ok(self.filled - self.start));
            }
            self.filled += read;
        }
    }

    fn make_room(&self, buf: &mut Vec<u8>) {
        if self.filled < buf.len() {
            return;
        }
        if self.filled == buf.capacity() {
            buf.reserve(STEP);
        }
        let spare = buf.capacity() - self.filled;
        buf.resize(self.filled + spare.min(CHUNK), 0);
    }
}
