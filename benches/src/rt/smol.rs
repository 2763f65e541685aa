//! smol: async-executor's `Executor` and `StaticExecutor`, the smallest cells and the plainest queues among the peers.
//!
//! Workers are threads in `async_io::block_on(executor.run(pending()))`, as smol's documentation shows. A regression
//! would be a difference between the two beyond the executor's type.

use std::future::{Future, pending};
use std::marker::PhantomData;
use std::thread;

use async_executor::{Executor, StaticExecutor, Task};

use super::Rt;
use super::async_io::AsyncIo;

static EXECUTOR: Executor<'static> = Executor::new();
static STATIC_EXECUTOR: StaticExecutor = StaticExecutor::new();

/// `async_executor::Executor` in a static.
pub(crate) type Smol = SmolOn<Shared>;
/// `async_executor::StaticExecutor`.
pub(crate) type SmolStatic = SmolOn<Static>;

/// The two executors, which share no trait of their own.
pub(crate) trait Queue: 'static {
    const NAME: &'static str;
    /// Runs tasks on the calling thread for ever.
    fn run();
    fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Task<T>;
}

pub(crate) struct Shared;

impl Queue for Shared {
    const NAME: &'static str = "smol";

    fn run() {
        async_io::block_on(EXECUTOR.run(pending()))
    }

    fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Task<T> {
        EXECUTOR.spawn(task)
    }
}

pub(crate) struct Static;

impl Queue for Static {
    const NAME: &'static str = "smol-static";

    fn run() {
        async_io::block_on(STATIC_EXECUTOR.run(pending()))
    }

    fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Task<T> {
        STATIC_EXECUTOR.spawn(task)
    }
}

/// smol on one of its executors.
pub(crate) struct SmolOn<Q>(PhantomData<Q>);

impl<Q: Queue> Rt for SmolOn<Q> {
    const NAME: &'static str = Q::NAME;
    const IS_MULTI: bool = true;
    type Os = AsyncIo;
    type Join<T: Send + 'static> = Task<T>;

    fn start(workers: usize) -> Self {
        for _ in 0..workers {
            thread::spawn(Q::run);
        }
        SmolOn(PhantomData)
    }

    fn block_on<F: Future>(&self, root: F) -> F::Output {
        async_io::block_on(root)
    }

    fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        Q::spawn(task)
    }

    fn detach(task: impl Future<Output = ()> + Send + 'static) {
        Q::spawn(task).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        futures_lite::future::yield_now()
    }
}
