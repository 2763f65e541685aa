//! tokio, multi-thread and current-thread: is lenio ahead of the runtime that most programs use?
//!
//! A regression would be an option here that a plain `#[tokio::main]` does not set (the number of workers aside).

use std::future::Future;
use std::io;
use std::net;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::joined::Joined;
use super::{Os, Rt};

/// tokio with its multi-thread scheduler, or with the one that runs on the thread in `block_on`.
pub(crate) struct Tokio<const MULTI: bool>(Runtime);

pub(crate) type TokioMt = Tokio<true>;
pub(crate) type TokioCt = Tokio<false>;

impl<const MULTI: bool> Rt for Tokio<MULTI> {
    const NAME: &'static str = if MULTI { "tokio-mt" } else { "tokio-ct" };
    const IS_MULTI: bool = MULTI;
    type Os = TokioOs;
    type Join<T: Send + 'static> = Joined<JoinHandle<T>>;

    fn start(workers: usize) -> Self {
        let mut builder = if MULTI {
            Builder::new_multi_thread()
        } else {
            Builder::new_current_thread()
        };
        if MULTI {
            builder.worker_threads(workers);
        }
        Tokio(builder.enable_all().build().expect("tokio starts"))
    }

    fn block_on<F: Future>(&self, root: F) -> F::Output {
        self.0.block_on(root)
    }

    fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Joined(tokio::spawn(task))
    }

    fn detach(task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }
}

/// tokio's timers, blocking pool and sockets.
pub(crate) struct TokioOs;

impl Os for TokioOs {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Hyper = TokioIo<TcpStream>;

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    fn blocking(work: impl FnOnce() + Send + 'static) -> impl Future<Output = ()> + Send + 'static {
        Joined(tokio::task::spawn_blocking(work))
    }

    fn listen(listener: net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        stream.read(buffer).await
    }

    async fn write_all(stream: &mut TcpStream, buffer: &[u8]) -> io::Result<()> {
        stream.write_all(buffer).await
    }

    fn hyper(stream: TcpStream) -> Self::Hyper {
        TokioIo::new(stream)
    }
}
