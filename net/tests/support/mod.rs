//! The smallest possible runtime: one thread that polls futures and turns the reactor when all of them wait.
#![allow(
    dead_code,
    reason = "every test file is a crate of its own and uses a part of this"
)]

use lenio_net::reactor::{EnterGuard, Reactor, enter};
use lenio_net::tcp::{TcpListener, TcpStream};
use lenio_sync::wait::WakeBatch;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A reactor that is entered, and turned by whoever waits.
pub(crate) struct World {
    pub(crate) reactor: Arc<Reactor>,
    _entered: EnterGuard,
}

/// How long a test may wait for the kernel in one go. Nothing waits that long unless a wake-up was lost.
const STUCK: Duration = Duration::from_secs(5);

impl World {
    pub(crate) fn new() -> Self {
        let reactor = Reactor::new().expect("a reactor");
        Self {
            _entered: enter(&reactor),
            reactor,
        }
    }

    /// Runs a future to its end.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(flag.clone());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let mut idle_turns = 0;
            while !flag.take() {
                idle_turns = if self.turn(Some(STUCK)) > 0 {
                    0
                } else {
                    idle_turns + 1
                };
                assert!(idle_turns < 4, "stuck: a wake-up was lost");
            }
        }
    }

    /// One turn; wakes after giving it up. Returns how many events there were.
    pub(crate) fn turn(&self, timeout: Option<Duration>) -> usize {
        let mut batch = WakeBatch::new();
        let mut turn = self.reactor.try_turn().expect("nobody else turns");
        let events = turn.wait(timeout, &mut batch).expect("waiting for events");
        drop(turn);
        batch.wake_all();
        events
    }

    /// Delivers what the kernel has now, without waiting.
    pub(crate) fn settle(&self) {
        while self.turn(Some(Duration::ZERO)) > 0 {}
    }

    /// A connection and its peer, both ours.
    pub(crate) fn pair(&self) -> (TcpStream, TcpStream) {
        self.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let addr = listener.local_addr()?;
            let (near, far) = join(TcpStream::connect(addr), listener.accept()).await;
            io::Result::Ok((near?, far?.0))
        })
        .expect("a connection over loopback")
    }
}

/// Polls a future once, with a waker that counts.
pub(crate) fn poll_once<F: Future + ?Sized>(
    future: Pin<&mut F>,
    flag: &Arc<Flag>,
) -> Poll<F::Output> {
    let waker = Waker::from(flag.clone());
    future.poll(&mut Context::from_waker(&waker))
}

/// A waker that remembers that, and how often, it was woken.
#[derive(Default)]
pub(crate) struct Flag {
    is_set: AtomicBool,
    wakes: AtomicUsize,
}

impl Flag {
    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    pub(crate) fn take(&self) -> bool {
        self.is_set.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Acquire)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::AcqRel);
        self.is_set.store(true, Ordering::Release);
    }
}

/// Runs two futures on one task.
pub(crate) async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_out, mut b_out) = (None, None);
    std::future::poll_fn(|cx| {
        if a_out.is_none() {
            if let Poll::Ready(output) = a.as_mut().poll(cx) {
                a_out = Some(output);
            }
        }
        if b_out.is_none() {
            if let Poll::Ready(output) = b.as_mut().poll(cx) {
                b_out = Some(output);
            }
        }
        match (a_out.take(), b_out.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_out, b_out) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs many futures on one task.
pub(crate) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), None))
        .collect();
    std::future::poll_fn(|cx| {
        for (future, output) in &mut running {
            if output.is_none() {
                if let Poll::Ready(done) = future.as_mut().poll(cx) {
                    *output = Some(done);
                }
            }
        }
        if running.iter().any(|(_, output)| output.is_none()) {
            return Poll::Pending;
        }
        Poll::Ready(
            running
                .iter_mut()
                .filter_map(|(_, output)| output.take())
                .collect(),
        )
    })
    .await
}
