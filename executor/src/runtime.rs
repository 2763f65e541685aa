//! The runtime as its owner sees it.

use crate::handle::Handle;
use crate::observe::{Metrics, Report};
use crate::scheduler::{self, Context, Shared, Worker};
use crate::task::JoinHandle;
use lenio_time::Clock;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// How long dropping a runtime waits for polls and `Drop` code that are under way.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// A set of worker threads with their tasks, a reactor, timers and a pool of blocking threads.
///
/// Most programs need none of their own: [`lenio::main`](https://docs.rs/lenio) and [`block_on`](crate::block_on) make one.
///
/// # Fairness
///
/// A runnable task is polled before any other task on the same worker is polled more than [`FAIRNESS_BOUND`](crate::FAIRNESS_BOUND)
/// times, provided that polls return. A task that wakes itself goes to the back of its worker's queue. Nothing is promised about the
/// order of tasks on different workers.
///
/// # Dropping
///
/// Dropping the runtime drops all its tasks. Outside async code that waits for polls under way, one second at most; inside async code it
/// happens in the background. Blocking jobs that have begun are left to themselves. [`shutdown`](Self::shutdown) waits as long as
/// it is told and says what was left.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use lenio_executor::Runtime;
///
/// let runtime = Runtime::builder().threads(2).name("worker").build()?;
/// let answer = runtime.block_on(async { 42 });
/// assert_eq!(answer, 42);
/// # Ok(())
/// # }
/// ```
pub struct Runtime {
    handle: Handle,
}

impl Runtime {
    pub(crate) fn from_shared(shared: Arc<Shared>) -> Self {
        Self {
            handle: Handle { shared },
        }
    }

    /// How other threads reach this runtime.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs `future` to its end on this thread, which works for the runtime meanwhile. See [`Handle::block_on`].
    ///
    /// # Panics
    ///
    /// If `future` panics.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// Starts a task. See [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.shared.spawn(future, None, Location::caller())
    }

    /// Runs a closure that blocks. See [`spawn_blocking`](crate::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, job: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.handle.spawn_blocking(job)
    }

    /// A snapshot of the runtime's counters.
    pub fn metrics(&self) -> Metrics {
        self.handle.metrics()
    }

    /// The clock that the runtime's timers follow; the way to move it if it is virtual.
    pub fn clock(&self) -> &Clock {
        &self.handle.shared.clock
    }

    /// Ends the runtime: refuses new tasks, drops the living ones on the workers, waits for what runs, `grace` at most.
    ///
    /// Tasks are dropped at their suspension points, so their `Drop` code runs, but they cannot await in it. Queued blocking jobs are
    /// cancelled; jobs that have begun are waited for. What is still running when the grace period ends is left to itself and reported.
    ///
    /// May be called inside async code of this very runtime; then the task that calls it cannot end within the grace period and is
    /// reported as still running.
    pub fn shutdown(self, grace: Duration) -> Report {
        let shared = self.handle.shared.clone();
        let clock = Clock::real();
        let until = clock.now() + grace;
        let cancelled_before = shared.cancelled();
        let (asked, blocking_cancelled) = shared.stop();
        if !drain_as_guest(&shared, grace) {
            shared.end_if_done();
        }
        let left = || until.duration_since(clock.now());
        let threads_left = if is_inside(&shared) {
            // This thread may be one of those to wait for.
            shared.wait_for_threads(Some(Duration::ZERO))
        } else {
            shared.wait_for_threads(Some(left()))
        };
        let blocking_running = shared.blocking.wait(left());
        let still_running = shared.left_behind();
        // Tasks that are spawned while others are dropped may be cancelled as well without having been asked here.
        let dropped = usize::try_from(shared.cancelled() - cancelled_before).unwrap_or(usize::MAX);
        let gone = asked.saturating_sub(still_running.len());
        let cancelled = gone.min(dropped);
        Report {
            finished: gone - cancelled,
            cancelled,
            still_running,
            blocking_cancelled,
            blocking_running,
            threads_left,
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let shared = &self.handle.shared;
        if shared.has_ended() {
            return;
        }
        shared.stop();
        if scheduler::current().is_some() {
            // Inside async code nobody may block. Worker threads end by themselves; without them this thread does what can be done.
            if shared.threads == 0 {
                drain_as_guest(shared, Duration::ZERO);
            }
        } else {
            drain_as_guest(shared, DROP_GRACE);
            shared.wait_for_threads(Some(DROP_GRACE));
        }
        if !shared.end_if_done() && shared.threads == 0 {
            // A task is still alive and nobody will ever run it: it is being woken by a foreign thread at this moment, or a `block_on` of
            // this runtime is under way further up. The task must find its scheduler, so the scheduler stays.
            std::mem::forget(shared.clone());
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish()
    }
}

/// Whether this thread is inside `shared`.
fn is_inside(shared: &Arc<Shared>) -> bool {
    scheduler::current().is_some_and(|current| Arc::ptr_eq(&current, shared))
}

/// Runs the tasks of a stopping runtime without worker threads until none lives, or for `grace`. Returns whether none lives.
///
/// With worker threads it is their work.
fn drain_as_guest(shared: &Arc<Shared>, grace: Duration) -> bool {
    if shared.threads > 0 {
        return shared.has_ended();
    }
    let Some(worker) = Worker::occupy_as_guest(shared) else {
        return false;
    };
    let context = Context::enter_worker(&worker);
    let over = worker.drain(grace);
    drop(context);
    worker.leave();
    over
}
