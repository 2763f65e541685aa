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
//! # How it ends
//!
//! Three things stop a server: what was given to [`stop_on`](Serve::stop_on), a signal after [`stop_on_signals`](Serve::stop_on_signals), and a
//! stop of the task or scope that awaits it. Then, in this order:
//!
//! 1. The signals are let go of, so that a second one ends the process at once.
//! 2. Each connection is stopped, with the reason: its waits with [`or_stop`](lenio_executor::StopExt::or_stop) end, and
//!    [`check_stop`](lenio_executor::check_stop) says so. A connection that was accepted a moment ago gets at least its first poll.
//! 3. No new connection begins; those whose peers believe them to be open, because the kernel has completed them, are accepted and served
//!    like the others. Then the listener is closed: further connections are refused.
//! 4. The connections have the [`grace`](Serve::grace) to end by themselves. What is left then is cancelled.
//! 5. The report says what became of each.
//!
//! A handler that never looks at stops has the whole grace as well. What a handler ought to do depends on its protocol; the example
//! `graceful` shows it for HTTP/1.1.
//!
//! - `accept` is the loop.
//! - `fault` sorts the errors of `accept` and keeps the back-off, as pure data.
//! - `report` holds the counts.

mod accept;
mod fault;
mod report;

pub use report::ServeReport;

use crate::future::race;
use accept::{AcceptLoop, Options};
use lenio_executor::{JoinHandle, spawn_child};
use lenio_net::signal::{Signal, receiver};
use lenio_net::tcp::{TcpListener, TcpStream};
use lenio_sync::stop::{StopKind, StopReason};
use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long open connections may go on after a stop, unless [`grace`](Serve::grace) says otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// Serves every connection that `listener` accepts by a task that runs `handler`.
///
/// Returns a builder to be awaited; see [`Serve`] for its options and guarantees. The handler gets the stream and the address of the
/// peer. It is called within the connection's task, so that neither a panic nor a long computation in it touches the loop.
///
/// The accept loop is a task of its own, a child of the one that awaits the server, so that it goes on even while the thread that awaits
/// it is held up by another task. The connections are its children.
///
/// A stop of the task or scope that awaits the server stops the server, and the server ends gently, [as described](self#how-it-ends);
/// so await it as it is, not with [`or_stop`](lenio_executor::StopExt::or_stop), which would drop it. The grace of that task's
/// [`StopPolicy`](lenio_executor::StopPolicy), 5 s by default, bounds the server's then.
///
/// # Cancel safety
///
/// Dropping the future of the server cancels the loop: the tasks of all open connections are dropped at their next suspension point, and
/// the listener is closed. For an end without losses stop it.
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
        options: Options {
            on_error: Box::new(|_| {}),
            grace: GRACE,
            max_connections: usize::MAX,
        },
        stop: Box::pin(pending()),
    }
}

/// A server that runs when it is awaited; made by [`serve`].
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<H> {
    listener: TcpListener,
    handler: H,
    options: Options,
    stop: Pin<Box<dyn Future<Output = StopReason> + Send>>,
}

impl<H> Serve<H> {
    /// Calls `hook` with each error of `accept`, before the loop rests or goes on. A hook that blocks, blocks the loop.
    pub fn on_error(mut self, hook: impl FnMut(&io::Error) + Send + 'static) -> Self {
        self.options.on_error = Box::new(hook);
        self
    }

    /// Stops the server when `stop` resolves, with the kind [`Requested`](StopKind::Requested); see [how it ends](self#how-it-ends).
    ///
    /// May be called several times; the first one counts, and then all are dropped.
    pub fn stop_on(self, stop: impl Future + Send + 'static) -> Self {
        self.or_stop_on(async move {
            stop.await;
            StopReason::new(StopKind::Requested).with_message("the server was told to stop")
        })
    }

    /// Stops the server on Ctrl-C and on `SIGTERM`, with the kind [`Shutdown`](StopKind::Shutdown) and the name of the signal as the
    /// message; see [how it ends](self#how-it-ends).
    ///
    /// From this call on the two signals no longer end the process. The first one begins the stop and gives them their old meaning back,
    /// so a second one ends the process at once.
    ///
    /// # Errors
    ///
    /// Those of [`receiver`]: outside a runtime, or when no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use lenio::net::{TcpListener, TcpStream};
    /// use lenio::serve::serve;
    ///
    /// #[lenio::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:7007").await?;
    ///     let report = serve(listener, |stream: TcpStream, _peer| async move { drop(stream) })
    ///         .stop_on_signals()?
    ///         .await;
    ///     println!("{report}");
    ///     Ok(())
    /// }
    /// ```
    pub fn stop_on_signals(self) -> io::Result<Self> {
        let mut signals = receiver([Signal::Interrupt, Signal::Terminate])?;
        Ok(self.or_stop_on(async move {
            match signals.recv().await {
                Ok(signal) => StopReason::new(StopKind::Shutdown).with_message(signal.to_string()),
                // The runtime has gone, and the server with it.
                Err(_) => pending().await,
            }
        }))
    }

    fn or_stop_on(mut self, stop: impl Future<Output = StopReason> + Send + 'static) -> Self {
        self.stop = Box::pin(race((self.stop, stop)));
        self
    }

    /// How long open connections may go on after the stop before their tasks are cancelled. 10 s unless set.
    ///
    /// It is the [`Grace`](lenio_executor::Grace) of the connections' tasks, and of what they spawn below themselves: each connection that is cut
    /// is reported as a [`StopEvent::GraceOver`](lenio_executor::StopEvent), and one that is inside a single poll for twice as long as `Stuck`.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// The most connections that are open at once; those beyond wait in the kernel's queue, unaccepted. No limit unless set.
    ///
    /// A limit of 0 is taken as 1: a server that never accepts anything is a mistake.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.options.max_connections = count.max(1);
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
        let accept_loop = AcceptLoop::new(self.listener, self.handler, self.options);
        Serving(State::Ready(Box::pin(accept_loop.run(self.stop))))
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
            State::Ready(accept_loop) => spawn_child(accept_loop),
            State::Running(task) => task,
            State::Over => panic!("a server was polled after it had ended"),
        };
        match Pin::new(&mut task).poll(cx) {
            Poll::Ready(Ok(report)) => Poll::Ready(report),
            Poll::Ready(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // Stopped before it began.
            Poll::Ready(Err(error)) if error.is_stopped() => Poll::Ready(ServeReport {
                reason: error.reason().cloned(),
                ..ServeReport::default()
            }),
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

impl<H> fmt::Debug for Serve<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("grace", &self.options.grace)
            .field("max_connections", &self.options.max_connections)
            .finish_non_exhaustive()
    }
}
