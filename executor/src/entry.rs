//! The functions that need no runtime in hand: they use the current one, or a process-wide default.

use crate::handle::Handle;
use crate::runtime::Runtime;
use crate::scheduler::with_worker;
use crate::task::{Birth, JoinHandle, Under};
use std::panic::Location;
use std::sync::OnceLock;

/// Starts a task: `future` runs concurrently with the caller, on any worker.
///
/// The task belongs to the current runtime; outside of any it goes to a process-wide default runtime, which is started on first use.
/// It runs whether or not the handle is awaited, and on after the handle is dropped. During a shutdown the task is refused, which
/// the handle reports.
///
/// Cost: one allocation, no lock.
///
/// # Examples
///
/// ```
/// lenio_executor::block_on(async {
///     let greeting = lenio_executor::spawn(async { "hello" });
///     assert_eq!(greeting.await.ok(), Some("hello"));
/// });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned_at = Location::caller();
    with_worker(|worker| match worker {
        Some(worker) => worker.shared.spawn(future, spawned_at),
        None => current_or_default().shared.spawn(future, spawned_at),
    })
}

/// Starts a task as a child of the current task or scope.
///
/// As [`spawn`], but the task belongs to whoever spawns it: a stop of the parent reaches it, and when the parent's body ends it is stopped
/// and then waited for. A child of a parent that is stopped already is born stopped: it is never polled, and its handle says why. Outside of a task it is nobody's child.
///
/// Cost: two allocations and four short locks, over its life.
///
/// # Examples
///
/// ```
/// use lenio_executor::{JoinError, StopExt, spawn, spawn_child, yield_now};
///
/// # fn main() -> Result<(), JoinError> {
/// lenio_executor::block_on(async {
///     let parent = spawn(async {
///         let child = spawn_child(async { std::future::pending::<()>().or_stop().await });
///         child.await
///     });
///     yield_now().await;
///     parent.stop("all of you");
///     let in_child = parent.await?;
///     // It was stopped before its first poll, or in its wait.
///     assert!(in_child.map_or(true, |waited| waited.is_err()));
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn spawn_child<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let birth = Birth {
        under: Under::Current,
        ..Birth::default()
    };
    let handle = current_or_default();
    handle.shared.spawn_at(future, &birth, Location::caller())
}

/// Runs a closure that blocks, on a thread made for that.
///
/// A job that has begun cannot be cancelled. A job that waits in the queue can: it then never runs. During a shutdown a job is refused,
/// which the handle reports: it either runs or says that it did not.
///
/// # Cancel safety
///
/// Dropping the handle lets the job run on.
///
/// # Fairness
///
/// Jobs start in the order in which they were spawned. At most [`blocking_threads`](crate::Builder::blocking_threads) run at a time.
///
/// # Examples
///
/// ```
/// lenio_executor::block_on(async {
///     let sum = lenio_executor::spawn_blocking(|| (1..=100).sum::<u32>());
///     assert_eq!(sum.await.ok(), Some(5050));
/// });
/// ```
#[track_caller]
pub fn spawn_blocking<F, T>(job: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let spawned_at = Location::caller();
    let handle = current_or_default();
    handle
        .shared
        .spawn_blocking(job, &Birth::default(), spawned_at)
}

/// Runs `future` to its end on this thread, inside the current runtime or the process-wide default one.
///
/// See [`Handle::block_on`]. The default runtime has one worker per available core, and is never shut down.
///
/// # Panics
///
/// If `future` panics, or if the default runtime cannot be started because the system refuses its descriptors or threads. Build a
/// [`Runtime`](crate::Runtime) to handle that error.
///
/// # Examples
///
/// ```
/// assert_eq!(lenio_executor::block_on(async { 6 * 7 }), 42);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    current_or_default().block_on(future)
}

/// The current runtime, else the process-wide default one, which is started if need be.
pub(crate) fn current_or_default() -> Handle {
    Handle::current().unwrap_or_else(|_| default_runtime().clone())
}

/// The runtime of code that is inside of none.
///
/// # Panics
///
/// If the system refuses it; see [`block_on`](crate::block_on).
fn default_runtime() -> &'static Handle {
    static DEFAULT: OnceLock<Runtime> = OnceLock::new();
    let runtime = DEFAULT.get_or_init(|| match Runtime::builder().name("lenio").build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("the default runtime could not be started: {error}"),
    });
    runtime.handle()
}
