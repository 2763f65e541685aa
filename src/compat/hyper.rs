//! hyper 1.x on lenio: its executor, its timer, its reading and writing.
//!
//! | hyper wants | here |
//! |---|---|
//! | [`rt::Read`](Read) and [`rt::Write`](Write) | [`HyperIo`] around any stream with futures-io's traits |
//! | [`rt::Executor`](Executor) | [`HyperExecutor`] |
//! | [`rt::Timer`](Timer) | [`HyperTimer`] |
//!
//! # Examples
//!
//! A connection of a server, in the handler of [`serve`](crate::serve::serve):
//!
//! ```
//! use http_body_util::Full;
//! use hyper::body::{Bytes, Incoming};
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//! use lenio::compat::hyper::{HyperIo, HyperTimer};
//! use lenio::net::TcpStream;
//! use std::convert::Infallible;
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
//!     Ok(Response::new(Full::from("hello")))
//! }
//!
//! async fn handle(stream: TcpStream) -> hyper::Result<()> {
//!     hyper::server::conn::http1::Builder::new()
//!         .timer(HyperTimer::new())
//!         .serve_connection(HyperIo::new(stream), service_fn(hello))
//!         .await
//! }
//! ```

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// The size of the buffer that a stream reads into on its way to hyper: hyper's own first one.
const READ_AT_ONCE: usize = 8 * 1024;

pin_project! {
    /// A stream with futures-io's traits as one with hyper's.
    ///
    /// hyper hands out buffers whose memory is not initialised, futures-io's traits want initialised ones. Filling hyper's buffer
    /// with zeros before each read would cost more than the read of a small request. So each `HyperIo` keeps one buffer of 8 KiB,
    /// made at the first read, and copies what has arrived: as many bytes as there are, not as many as there could be.
    ///
    /// Writes go straight through, vectored ones as one system call.
    ///
    /// # Examples
    ///
    /// See [the module](self#examples).
    pub struct HyperIo<T> {
        #[pin]
        stream: T,
        buffer: Option<Box<[u8]>>,
    }
}

impl<T> HyperIo<T> {
    /// Wraps a stream.
    pub fn new(stream: T) -> Self {
        Self {
            stream,
            buffer: None,
        }
    }

    /// The stream inside.
    pub fn stream(&self) -> &T {
        &self.stream
    }

    /// The stream inside, by exclusive reference.
    pub fn stream_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Gives the stream back. Nothing is lost: what was read has been handed on.
    pub fn into_stream(self) -> T {
        self.stream
    }
}

impl<T> fmt::Debug for HyperIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperIo").finish_non_exhaustive()
    }
}

impl<T: AsyncRead> Read for HyperIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut target: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let buffer = this
            .buffer
            .get_or_insert_with(|| vec![0; READ_AT_ONCE].into_boxed_slice());
        let length = buffer.len().min(target.remaining());
        let read = ready!(this.stream.poll_read(cx, &mut buffer[..length]))?;
        target.put_slice(&buffer[..read.min(length)]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> Write for HyperIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_close(cx)
    }

    /// futures-io's traits cannot tell; lenio's streams do, and for others hyper's queue of slices costs little.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(cx, slices)
    }
}

/// Runs hyper's background work (HTTP/2 streams, client connections) as tasks of the current runtime.
///
/// # Examples
///
/// ```
/// use hyper::rt::Executor;
/// use lenio::compat::hyper::HyperExecutor;
///
/// # lenio::block_on(async {
/// HyperExecutor::new().execute(async { /* in a task of its own */ });
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct HyperExecutor;

impl HyperExecutor {
    /// Makes an executor.
    pub const fn new() -> Self {
        Self
    }
}

impl<F> Executor<F> for HyperExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        // hyper reports through channels of its own; the task is detached.
        drop(lenio_executor::spawn(future));
    }
}

/// Gives hyper the time of the current runtime, the virtual one included.
///
/// # Examples
///
/// See [the module](self#examples).
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct HyperTimer;

impl HyperTimer {
    /// Makes a timer.
    pub const fn new() -> Self {
        Self
    }
}

pin_project! {
    /// lenio's sleep as hyper's.
    struct HyperSleep {
        #[pin]
        sleep: lenio_time::Sleep,
    }
}

impl Future for HyperSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().sleep.poll(cx)
    }
}

impl Sleep for HyperSleep {}

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let sleep = lenio_time::sleep(duration);
        Box::pin(HyperSleep { sleep })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let sleep = lenio_time::sleep_until(deadline.into());
        Box::pin(HyperSleep { sleep })
    }

    fn now(&self) -> Instant {
        lenio_time::Instant::now().into()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HyperSleep>() {
            Some(ours) => ours.project().sleep.reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}
