//! Which runtimes are compared, and through which narrow trait?
//!
//! Every workload is one generic function over [`Rt`], so all runtimes run the very same body. An implementation is
//! about sixty lines and uses only the runtime's public API and its defaults. A regression here would be a runtime
//! that gets help the others do not get: a larger queue, a tuned knob, a pre-warmed pool.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

#[cfg(feature = "rivals")]
mod async_io;
mod joined;
mod lenio;
#[cfg(feature = "rivals")]
mod smol;
#[cfg(feature = "rivals")]
mod tokio;

pub(crate) use joined::Joined;

/// A runtime: runs tasks on worker threads.
///
/// Tasks are started through associated functions, because that is how programs do it: from inside, without a handle.
pub(crate) trait Rt: Sized + 'static {
    /// The column's name.
    const NAME: &'static str;
    /// Whether the number of workers can be chosen; otherwise there is one, the thread in `block_on`.
    const IS_MULTI: bool;
    /// Time, blocking work and sockets of this runtime.
    type Os: Os;
    /// The handle of a started task.
    type Join<T: Send + 'static>: Future<Output = T> + Send + 'static;

    /// Starts the runtime.
    fn start(workers: usize) -> Self;
    /// Runs a future on the calling thread, *outside* of the workers where the runtime knows such a place.
    fn block_on<F: Future>(&self, root: F) -> F::Output;
    /// Starts a task whose output is awaited later.
    fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Self::Join<T>;
    /// Starts a task that nobody waits for.
    fn detach(task: impl Future<Output = ()> + Send + 'static);
    /// The runtime's own way to let others run.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Runs the root *inside*: as a task, so that what it starts is started by a worker.
    fn run_inside<T: Send + 'static>(&self, root: impl Future<Output = T> + Send + 'static) -> T {
        self.block_on(async { Self::spawn(root).await })
    }
}

/// What a runtime offers of the outside world.
pub(crate) trait Os: 'static {
    /// A listening socket.
    type Listener: Send + Sync + 'static;
    /// A connected socket, with TCP_NODELAY set.
    type Stream: Send + 'static;
    /// The socket as hyper wants it.
    type Hyper: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static;

    /// Waits on the runtime's timers.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;
    /// Runs a closure on the runtime's blocking pool.
    fn blocking(work: impl FnOnce() + Send + 'static) -> impl Future<Output = ()> + Send + 'static;
    /// Takes over a listening, non-blocking socket.
    fn listen(listener: TcpListener) -> io::Result<Self::Listener>;
    /// Waits for the next connection.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    /// Reads what is there, at least one byte; 0 is the end.
    fn read(
        stream: &mut Self::Stream,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;
    /// Writes the whole buffer.
    fn write_all(
        stream: &mut Self::Stream,
        buffer: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;
    /// Wraps the socket for hyper.
    fn hyper(stream: Self::Stream) -> Self::Hyper;
}

/// Something that is to be done with a runtime known only by its name.
pub(crate) trait Visit {
    /// What comes out of it.
    type Out;
    /// Does it.
    fn visit<R: Rt>(self) -> Self::Out;
}

/// Calls the visitor with the runtime of that name, if this build has it.
// The one place, besides `mod` lines, where features show: the list of what was compiled.
pub(crate) fn with<V: Visit>(name: &str, visitor: V) -> Option<V::Out> {
    match name {
        "lenio" => Some(visitor.visit::<lenio::Lenio>()),
        #[cfg(feature = "rivals")]
        "tokio-mt" => Some(visitor.visit::<tokio::TokioMt>()),
        #[cfg(feature = "rivals")]
        "tokio-ct" => Some(visitor.visit::<tokio::TokioCt>()),
        #[cfg(feature = "rivals")]
        "smol" => Some(visitor.visit::<smol::Smol>()),
        #[cfg(feature = "rivals")]
        "smol-static" => Some(visitor.visit::<smol::SmolStatic>()),
        _ => None,
    }
}

/// The runtime under test; every other one is a peer.
pub(crate) const OURS: &str = "lenio";
/// The peer that the second ratio is taken against.
pub(crate) const MAIN_PEER: &str = "tokio-mt";
/// What no runtime can beat; shown, never judged.
pub(crate) const FLOOR: &str = "floor";

const ALL: [&str; 5] = [OURS, MAIN_PEER, "tokio-ct", "smol", "smol-static"];

/// The runtimes of this build, in the order of the columns.
pub(crate) fn names() -> Vec<&'static str> {
    struct Exists;
    impl Visit for Exists {
        type Out = ();
        fn visit<R: Rt>(self) {}
    }
    ALL.into_iter()
        .filter(|name| with(name, Exists).is_some())
        .collect()
}
