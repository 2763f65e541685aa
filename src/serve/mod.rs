//! An accept loop that keeps serving.
//!
//! [`serve`] takes a listener and a handler and runs until it is told to stop. What usually ends or stalls hand-written accept loops
//! does not end or stall this one:
//!
//! | what happens | what the loop does |
//! |---|---|
//! | descriptors or memory run out | rests 5 ms, then twice as long each time up to 1 s; tries again as soon as a connection ends |
//! | a connection dies before it is accepted, a signal interrupts | goes on at once |
//! | a handler panics | counts it; the panic stays in the connection's task |
//! | a handler blocks its worker | other workers go on accepting and serving |
//! | too many connections ([`max_connections`](Serve::max_connections)) | leaves new ones in the kernel's queue until one ends |
//! | the listener itself breaks | stops as if it had been told to, and says why in the report |
//!
//! - `fault` sorts the errors of `accept` and keeps the back-off, as pure data.
//! - `report` holds the counts.

mod fault;
mod report;

pub use report::ServeReport;

use crate::future::race;
use fault::{Backoff, Fault};
use lenio_executor::{JoinError, JoinHandle, JoinSet, spawn};
use lenio_net::tcp::{TcpListener, TcpStream};
use lenio_time::sleep;
use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long open connections may go on after a stop, unless [`grace`](Serve::grace) says otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// Serves every connection that `listener` accepts by a task that runs `handler`.
///
/// Returns a builder to be awaited; see [`Serve`] for its options and guarantees. The handler gets the stream and the address of the
/// peer. It is called within the connection's task, so that neither a panic nor a long computation in it touches the loop.
///
/// The accept loop is a task of its own, so that it goes on even while the thread that awaits it is held up by another task.
///
/// # Cancel safety
///
/// Dropping the future of the server cancels the loop: the listener is closed, and the tasks of all open connections are dropped at
/// their next suspension point. For an end without losses use [`stop_on`](Serve::stop_on).
///
/// # Examples
///
/// ```
/// use lenio::io::{AsyncReadExt, AsyncWriteExt};
/// use lenio::net::{TcpListener, TcpStream};
/// use lenio::serve::serve;
/// use std::io;
///
/// # fn main() -> io::Result<()> {
/// # lenio::block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let address = listener.local_addr()?;
///
/// let client = lenio::spawn(async move {
///     let mut stream = TcpStream::connect(address).await?;
///     let mut greeting = String::new();
///     stream.read_to_string(&mut greeting).await?;
///     assert_eq!(greeting, "welcome");
///     Ok::<_, io::Error>(())
/// });
///
/// let report = serve(listener, |mut stream: TcpStream, _peer| async move {
///     // A connection that breaks concerns nobody but its peer.
///     let _ = stream.write_all(b"welcome").await;
/// })
/// .stop_on(client)
/// .await;
/// assert_eq!((report.accepted, report.finished), (1, 1));
/// # Ok(()) })
/// # }
/// ```
pub fn serve<H, F>(listener: TcpListener, handler: H) -> Serve<H>
where
    H: Fn(TcpStream, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    Serve {
        listener,
        handler,
        on_error: Box::new(|_| {}),
        stop: Box::pin(pending()),
        grace: GRACE,
        max_connections: usize::MAX,
    }
}

/// A server that runs when it is awaited; made by [`serve`].
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<H> {
    listener: TcpListener,
    handler: H,
    on_error: Box<dyn FnMut(&io::Error) + Send>,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    grace: Duration,
    max_connections: usize,
}

impl<H> Serve<H> {
    /// Calls `hook` with each error of `accept`, before the loop rests or goes on. A hook that blocks, blocks the loop.
    pub fn on_error(mut self, hook: impl FnMut(&io::Error) + Send + 'static) -> Self {
        self.on_error = Box::new(hook);
        self
    }

    /// Stops the server when `stop` resolves: the listener is closed, so that new connections are refused, and open ones get the
    /// [`grace`](Self::grace) to end by themselves.
    ///
    /// Their handlers are not told; where connections can live long, let the handlers watch the same signal.
    pub fn stop_on(mut self, stop: impl Future + Send + 'static) -> Self {
        self.stop = Box::pin(async move {
            stop.await;
        });
        self
    }

    /// How long open connections may go on after the stop before their tasks are cancelled. 10 s unless set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The most connections that are open at once; those beyond wait in the kernel's queue, unaccepted. No limit unless set.
    ///
    /// A limit of 0 is taken as 1: a server that never accepts anything is a mistake.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count.max(1);
        self
    }
}

impl<H, F> IntoFuture for Serve<H>
where
    H: Fn(TcpStream, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    type Output = ServeReport;
    type IntoFuture = Serving;

    fn into_future(self) -> Serving {
        Serving(State::Ready(Box::pin(self.run())))
    }
}

/// The future of a [`Serve`].
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serving(State);

enum State {
    /// Not awaited so far.
    Ready(Pin<Box<dyn Future<Output = ServeReport> + Send>>),
    Running(JoinHandle<ServeReport>),
    Over,
}

impl Future for Serving {
    type Output = ServeReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ServeReport> {
        let mut task = match std::mem::replace(&mut self.0, State::Over) {
            State::Ready(accept_loop) => spawn(accept_loop),
            State::Running(task) => task,
            State::Over => panic!("a server was polled after it had ended"),
        };
        match Pin::new(&mut task).poll(cx) {
            Poll::Ready(Ok(report)) => Poll::Ready(report),
            Poll::Ready(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime has ended under the server.
            Poll::Ready(Err(error)) => Poll::Ready(ServeReport {
                broken: Some(io::Error::other(error)),
                ..ServeReport::default()
            }),
            Poll::Pending => {
                self.0 = State::Running(task);
                Poll::Pending
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let State::Running(task) = &self.0 {
            task.cancel();
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}

/// What the loop waits for.
enum Event {
    Stop,
    Rested,
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    Ended(Result<(), JoinError>),
}

impl<H, F> Serve<H>
where
    H: Fn(TcpStream, SocketAddr) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    async fn run(self) -> ServeReport {
        let Self {
            listener,
            handler,
            mut on_error,
            mut stop,
            grace,
            max_connections,
        } = self;
        let handler = Arc::new(handler);
        let mut report = ServeReport::default();
        let mut backoff = Backoff::default();
        let mut open = JoinSet::new();
        loop {
            let is_full = open.len() >= max_connections;
            let rest = backoff.rest();
            // Ended connections before new ones: there are at most as many as are open, so they starve nobody.
            let event = race((
                async {
                    stop.as_mut().await;
                    Event::Stop
                },
                async {
                    match open.join_next().await {
                        Some(outcome) => Event::Ended(outcome),
                        None => pending().await,
                    }
                },
                async {
                    if let Some(rest) = rest {
                        sleep(rest).await;
                        return Event::Rested;
                    }
                    if is_full {
                        return pending().await;
                    }
                    Event::Accepted(listener.accept().await)
                },
            ));
            match event.await {
                Event::Stop => break,
                Event::Rested => backoff.rested(),
                Event::Ended(outcome) => {
                    report.count(&outcome);
                    // What was short may be there again.
                    backoff.rested();
                }
                Event::Accepted(Ok((stream, peer))) => {
                    backoff.reset();
                    report.accepted += 1;
                    let handler = handler.clone();
                    open.spawn(async move {
                        let connection = handler(stream, peer);
                        drop(handler);
                        connection.await;
                    });
                }
                Event::Accepted(Err(error)) => {
                    report.accept_errors += 1;
                    on_error(&error);
                    match Fault::of(&error) {
                        Fault::Connection => {}
                        Fault::Exhausted => backoff.start(),
                        Fault::Listener => {
                            report.broken = Some(error);
                            break;
                        }
                    }
                }
            }
        }
        drop(listener);
        // Whatever asked for the stop is let go: a second Ctrl-C, say, ends the process as if nobody listened to it.
        drop(stop);
        drain(open, grace, &mut report).await;
        report
    }
}

/// Waits for the open connections, and cancels those that are still open when the grace is over.
async fn drain(mut open: JoinSet<()>, grace: Duration, report: &mut ServeReport) {
    let mut is_over = false;
    let mut over = std::pin::pin!(sleep(grace));
    while !open.is_empty() {
        let ended = race((async { open.join_next().await }, async {
            if is_over {
                return pending().await;
            }
            over.as_mut().await;
            None
        }));
        match ended.await {
            Some(outcome) => report.count(&outcome),
            None => {
                is_over = true;
                open.cancel_all();
            }
        }
    }
}

impl<H> fmt::Debug for Serve<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("grace", &self.grace)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
