//! lenio: the runtime under test, through its public API and with its defaults, as every other one here.
//!
//! A regression would be an option in `start` that the documentation's first example does not set.

use std::future::Future;
use std::io;
use std::net;
use std::time::Duration;

use lenio::compat::hyper::HyperIo;
use lenio::io::AsyncWriteExt;
use lenio::net::{TcpListener, TcpStream};
use lenio::{JoinHandle, Runtime};

use super::joined::Joined;
use super::{Os, Rt};

/// lenio's runtime.
pub(crate) struct Lenio(Runtime);

impl Rt for Lenio {
    const NAME: &'static str = "lenio";
    const IS_MULTI: bool = true;
    type Os = LenioOs;
    type Join<T: Send + 'static> = Joined<JoinHandle<T>>;

    fn start(workers: usize) -> Self {
        Lenio(
            Runtime::builder()
                .threads(workers)
                .build()
                .expect("lenio starts"),
        )
    }

    fn block_on<F: Future>(&self, root: F) -> F::Output {
        self.0.block_on(root)
    }

    fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Joined(lenio::spawn(task))
    }

    fn detach(task: impl Future<Output = ()> + Send + 'static) {
        drop(lenio::spawn(task));
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        lenio::yield_now()
    }
}

/// lenio's timers, blocking pool and sockets.
pub(crate) struct LenioOs;

impl Os for LenioOs {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Hyper = HyperIo<TcpStream>;

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        lenio::time::sleep(duration)
    }

    fn blocking(work: impl FnOnce() + Send + 'static) -> impl Future<Output = ()> + Send + 'static {
        Joined(lenio::spawn_blocking(work))
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
        HyperIo::new(stream)
    }
}
