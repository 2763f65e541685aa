//! The runtime as its owner sees it.

use crate::handle::Handle;
use crate::observe::{Dump, Metrics, Report};
use crate::scheduler::{self, Context, Shared, Worker};
use crate::task::tree::Node;
use crate::task::{JoinHandle, current, reason};
use lenio_sync::stop::StopKind;
use lenio_time::{Clock, timeout};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// How long dropping a runtime waits for polls and `Drop` code that are under way.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// How long tasks whose finalizers were cut have to go.
const CUT_GRACE: Duration = Duration::from_millis(100);

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
/// Dropping the runtime drops all its tasks, without asking them to stop first: for that there is [`shutdown`](Self::shutdown), which
/// waits as long as it is told and says what was left. Outside async code the drop waits for polls under way, one second at most; inside
/// async code it happens in the background. Blocking jobs that have begun are left to themselves.
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
    #[track_caller]
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
        self.handle.shared.spawn(future, Location::caller())
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

    /// What every task of the runtime is doing: see [`Handle::dump`].
    pub fn dump(&self) -> Dump {
        self.handle.dump()
    }

    /// A snapshot of the runtime's counters.
    pub fn metrics(&self) -> Metrics {
        self.handle.metrics()
    }

    /// The clock that the runtime's timers follow; the way to move it if it is virtual.
    pub fn clock(&self) -> &Clock {
        &self.handle.shared.clock
    }

    /// Ends the runtime gently: asks every task to stop, with the kind [`Shutdown`](StopKind::Shutdown); cancels what is left after
    /// `grace`; and reports what does not even end then.
    ///
    /// From the beginning on tasks without a parent are refused; a task that cleans up may still spawn children inside of a
    /// [`shield`](crate::shield). Tasks that wait with [`or_stop`](crate::StopExt::or_stop) end at once, and the call returns when the last
    /// one has. Tasks that do not look at stops keep it waiting for the whole grace; then they are dropped at their suspension points,
    /// with one second for what is in a poll. Queued blocking jobs never run; jobs that have begun are waited for.
    ///
    /// May be called inside async code of this very runtime; then the task that calls it cannot end within the grace and is reported
    /// as still running.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// use lenio_executor::{Runtime, stopped};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::builder().threads(1).build()?;
    /// let task = runtime.spawn(async { stopped().await });
    /// runtime.block_on(lenio_executor::yield_now());
    /// let report = runtime.shutdown(Duration::from_secs(5));
    /// assert!(report.is_clean());
    /// assert_eq!(report.finished + report.cancelled, 1);
    /// # drop(task);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn shutdown(self, grace: Duration) -> Report {
        let shared = self.handle.shared.clone();
        let before = Before::of(&shared);
        let reason = reason(StopKind::Shutdown, "");
        // Whoever is polled further up this stack cannot end while it is waited for here.
        let me = current::with_task_node(|node| node.cloned());
        self.block_on(async {
            let ended = async {
                loop {
                    let roots = shared.stop_gently(&reason).into_iter();
                    let is_me =
                        |root: &Arc<Node>| me.as_ref().is_some_and(|me| Arc::ptr_eq(me, root));
                    let mut others = roots.filter(|root| !is_me(root)).peekable();
                    if others.peek().is_none() {
                        break;
                    }
                    for root in others {
                        root.wait_until(|seen| seen.is_done()).await;
                    }
                }
            };
            // What has not ended by then is cancelled.
            let _ = timeout(grace, ended).await;
        });
        end(&shared, &before, DROP_GRACE)
    }

    /// Ends the runtime at once: drops every task at its suspension point, on the workers, and waits for what is in a poll, at most
    /// that long.
    ///
    /// The tasks' `Drop` code runs, and so do their async finalizers, for as long as the wait lasts. Queued blocking jobs are cancelled; jobs that have begun are waited
    /// for. What is still running at the end is left to itself and reported.
    ///
    /// May be called inside async code of this very runtime; see [`shutdown`](Self::shutdown).
    pub fn shutdown_now(self, wait: Duration) -> Report {
        let shared = self.handle.shared.clone();
        let before = Before::of(&shared);
        end(&shared, &before, wait)
    }
}

/// What a runtime was when its shutdown began.
struct Before {
    alive: usize,
    cancelled: u64,
    jobs_dropped: usize,
}

impl Before {
    fn of(shared: &Shared) -> Self {
        Self {
            alive: shared.living_tasks(),
            cancelled: shared.cancelled(),
            jobs_dropped: shared.blocking.dropped(),
        }
    }
}

/// Cancels what is left, and waits for it.
fn end(shared: &Arc<Shared>, before: &Before, wait: Duration) -> Report {
    let clock = Clock::real();
    let until = clock.now() + wait;
    let queued = shared.stop();
    if !drain_as_guest(shared, wait) {
        shared.end_if_done();
    }
    let left = || until.duration_since(clock.now());
    let threads_left = if is_inside(shared) {
        // This thread may be one of those to wait for.
        shared.wait_for_threads(Some(Duration::ZERO))
    } else {
        shared.wait_for_threads(Some(left()))
    };
    let blocking_running = shared.blocking.wait(left());
    let threads_left = if shared.living() > 0 {
        cut_finalizers(shared)
    } else {
        threads_left
    };
    let still_running = shared.left_behind();
    // Tasks that are spawned while others are dropped may be cancelled as well.
    let dropped = usize::try_from(shared.cancelled() - before.cancelled).unwrap_or(usize::MAX);
    let gone = before.alive.saturating_sub(still_running.len());
    let cancelled = gone.min(dropped);
    Report {
        finished: gone - cancelled,
        cancelled,
        still_running,
        blocking_cancelled: queued + shared.blocking.dropped() - before.jobs_dropped,
        blocking_running,
        threads_left,
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
            if shared.living() > 0 {
                cut_finalizers(shared);
            }
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

/// The last resort of a shutdown whose time is over: drops finalizers that do not end. Returns how many threads have not ended then.
fn cut_finalizers(shared: &Arc<Shared>) -> usize {
    shared.cut_finalizers();
    if !drain_as_guest(shared, CUT_GRACE) {
        shared.end_if_done();
    }
    let wait = if scheduler::current().is_some() {
        Duration::ZERO
    } else {
        CUT_GRACE
    };
    shared.wait_for_threads(Some(wait))
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
