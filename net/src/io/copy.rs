//! Moving bytes from a reader to a writer.

use super::BUFFER;
use futures_io::{AsyncRead, AsyncWrite};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Copies everything from `reader` to `writer` up to the reader's end, then flushes the writer. Returns how much that was.
///
/// Allocates one buffer of 8 KiB. A writer that holds data back is flushed whenever the reader has nothing more for the moment, so
/// that a conversation does not stall. The writer is not closed.
///
/// # Errors
///
/// What either side reports, and [`WriteZero`](io::ErrorKind::WriteZero) if the writer takes nothing any more.
///
/// # Cancel safety
///
/// What was read and not yet written is lost, up to 8 KiB.
///
/// # Fairness
///
/// Yields when the cooperative budget of the task is used up, provided that reader and writer honour it, as lenio's do.
///
/// # Examples
///
/// ```no_run
/// # async fn example(mut stream: lenio_net::tcp::TcpStream) -> std::io::Result<()> {
/// let (mut reader, mut writer) = stream.split();
/// let echoed = lenio_net::io::copy(&mut reader, &mut writer).await?;
/// # Ok(())
/// # }
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut moving = Moving::new();
    poll_fn(|cx| {
        ready!(moving.poll_move(cx, Pin::new(&mut *reader), Pin::new(&mut *writer)))?;
        ready!(Pin::new(&mut *writer).poll_flush(cx))?;
        Poll::Ready(Ok(moving.moved))
    })
    .await
}

/// Bytes on their way in one direction.
#[derive(Debug)]
pub(super) struct Moving {
    buf: Box<[u8]>,
    /// What was read and not written is `buf[used..filled]`.
    used: usize,
    filled: usize,
    moved: u64,
    /// Whether something was written that the writer may hold back.
    is_unflushed: bool,
    has_ended: bool,
}

impl Moving {
    pub(super) fn new() -> Self {
        Self {
            buf: vec![0; BUFFER].into_boxed_slice(),
            used: 0,
            filled: 0,
            moved: 0,
            is_unflushed: false,
            has_ended: false,
        }
    }

    /// How many bytes were written so far.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Moves everything up to the reader's end; ready when all of it is written, though perhaps not flushed.
    pub(super) fn poll_move<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        loop {
            while self.used < self.filled {
                let rest = &self.buf[self.used..self.filled];
                match ready!(writer.as_mut().poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => {
                        self.used += written;
                        self.moved += written as u64;
                        self.is_unflushed = true;
                    }
                }
            }
            if self.has_ended {
                return Poll::Ready(Ok(()));
            }
            match reader.as_mut().poll_read(cx, &mut self.buf) {
                Poll::Ready(read) => {
                    (self.used, self.filled) = (0, read?);
                    self.has_ended = self.filled == 0;
                }
                Poll::Pending => {
                    if self.is_unflushed {
                        ready!(writer.as_mut().poll_flush(cx))?;
                        self.is_unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
