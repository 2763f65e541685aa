//! Moving bytes both ways between two streams, as a proxy does.

use super::copy::Moving;
use futures_io::{AsyncRead, AsyncWrite};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Copies from `a` to `b` and from `b` to `a` until both have ended. Returns how much went each way.
///
/// When one side ends, the other is flushed and its writing closed, so that the end arrives there too; the opposite direction goes on.
/// Allocates one buffer of 8 KiB per direction.
///
/// # Errors
///
/// The first failure in either direction; the other direction is given up.
///
/// # Cancel safety
///
/// What was read and not yet written is lost, up to 8 KiB each way.
///
/// # Examples
///
/// ```no_run
/// use lenio_net::io::copy_bidirectional;
/// use lenio_net::tcp::{TcpListener, TcpStream};
///
/// # async fn example(listener: TcpListener) -> std::io::Result<()> {
/// let (mut client, _) = listener.accept().await?;
/// let mut server = TcpStream::connect("127.0.0.1:8080").await?;
/// let (up, down) = copy_bidirectional(&mut client, &mut server).await?;
/// println!("{up} bytes up, {down} bytes down");
/// # Ok(())
/// # }
/// ```
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let mut to_b = Way::new();
    let mut to_a = Way::new();
    poll_fn(|cx| {
        // Both are polled every time, so that neither waits for the other.
        let there = to_b.poll(cx, Pin::new(&mut *a), Pin::new(&mut *b))?;
        let back = to_a.poll(cx, Pin::new(&mut *b), Pin::new(&mut *a))?;
        if there.is_pending() || back.is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Ok((to_b.moving.moved(), to_a.moving.moved())))
    })
    .await
}

/// One of the two directions.
#[derive(Debug)]
struct Way {
    moving: Moving,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Moving,
    /// The reader has ended: the writer is flushed and closed.
    Closing,
    Done,
}

impl Way {
    fn new() -> Self {
        Self {
            moving: Moving::new(),
            step: Step::Moving,
        }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        if self.step == Step::Moving {
            ready!(self.moving.poll_move(cx, reader, writer.as_mut()))?;
            self.step = Step::Closing;
        }
        if self.step == Step::Closing {
            // Not every writer flushes when it is closed.
            ready!(writer.as_mut().poll_flush(cx))?;
            ready!(writer.poll_close(cx))?;
            self.step = Step::Done;
        }
        Poll::Ready(Ok(()))
    }
}
