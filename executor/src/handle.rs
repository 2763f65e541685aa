//! How code inside and outside a runtime reaches it.

use crate::observe::{Dump, Metrics};
use crate::policy::{Grace, StopPolicy};
use crate::scheduler::{self, Context, Root, Seat, Shared, Worker, with_worker, with_worker_of};
use crate::task::tree::Node;
use crate::task::{Birth, Home, JoinHandle, TaskId, Under, current, poll_inside};
use lenio_sync::Event;
use lenio_sync::park::Parker;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

/// A way to reach a runtime. Cheap to clone; does not keep the runtime running.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = lenio_executor::Runtime::builder().threads(1).build()?;
/// let handle = runtime.handle().clone();
/// let other = std::thread::spawn(move || handle.block_on(async { 1 + 1 }));
/// assert_eq!(other.join().ok(), Some(2));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// The runtime that this thread is inside of: a worker, a blocking thread, a `block_on`, an [`enter`](Self::enter).
    ///
    /// # Errors
    ///
    /// If the thread is inside of none.
    pub fn current() -> Result<Self, NoRuntime> {
        scheduler::current()
            .map(|shared| Self { shared })
            .ok_or(NoRuntime(()))
    }

    /// Starts a task on this runtime. See [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.shared.spawn(future, Location::caller())
    }

    /// Runs a closure that blocks on this runtime's blocking threads. See [`spawn_blocking`](crate::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, job: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let spawned_at = Location::caller();
        self.shared
            .spawn_blocking(job, &Birth::default(), spawned_at)
    }

    /// Prepares a task with a name.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let runtime = lenio_executor::Runtime::builder().threads(1).build()?;
    /// let task = runtime.handle().task().name("indexer").spawn(async { 3 });
    /// assert_eq!(runtime.block_on(task).ok(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    pub fn task(&self) -> TaskBuilder<'_> {
        TaskBuilder {
            handle: self,
            birth: Birth::default(),
        }
    }

    /// Runs `future` to its end on this thread, which works for the runtime meanwhile.
    ///
    /// The thread becomes a temporary worker: while `future` waits it polls tasks, attends to I/O and timers. So a task that it waits for
    /// usually runs right here, without a switch of threads. The price: a task that blocks its thread may block this one, and `future`
    /// with it; what must react at any time, such as an accept loop, is better off in a task of its own. If more threads are inside `block_on` than the runtime has places
    /// for (four, or one if it has no worker threads) the others just wait.
    ///
    /// May be called anywhere: inside a task it keeps the worker's other tasks going, on the same stack; inside another runtime it blocks
    /// that one's worker.
    ///
    /// # Panics
    ///
    /// If `future` panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let at = Location::caller();
        let future = pin!(future);
        with_worker_of(&self.shared, |worker| match worker {
            Some(worker) => {
                // Another runtime may have been entered since: this one is the current one again.
                let _context = Context::enter_worker(worker);
                let root = Root::new(worker.place().parker.clone(), at);
                work_as_root(worker, future, &root)
            }
            None => self.block_on_as_guest(future, at),
        })
    }

    fn block_on_as_guest<F: Future>(
        &self,
        future: Pin<&mut F>,
        at: &'static Location<'static>,
    ) -> F::Output {
        match Worker::occupy_as_guest(&self.shared) {
            Some(worker) => {
                let root = Root::new(worker.place().parker.clone(), at);
                Self::work_until(worker, future, &root)
            }
            None => self.block_on_waiting(future, at),
        }
    }

    fn work_until<F: Future>(worker: Worker, future: Pin<&mut F>, root: &Arc<Root>) -> F::Output {
        /// Leaves the place also when the future panics.
        struct Leave(Option<Worker>);
        impl Drop for Leave {
            fn drop(&mut self) {
                if let Some(worker) = self.0.take() {
                    worker.leave();
                }
            }
        }
        let leave = Leave(Some(worker));
        let Some(worker) = &leave.0 else {
            unreachable!("it was just put there")
        };
        let _context = Context::enter_worker(worker);
        work_as_root(worker, future, root)
    }

    /// No place is free: waits for the future, or for a place, whichever comes first.
    fn block_on_waiting<F: Future>(
        &self,
        mut future: Pin<&mut F>,
        at: &'static Location<'static>,
    ) -> F::Output {
        let parker = Arc::new(Parker::new(None));
        parker.adopt();
        let root = Root::new(parker.clone(), at);
        let seat = Seat {
            root: &root,
            home: || -> Arc<dyn Home> { self.shared.clone() },
        };
        let waker = root.waker();
        let mut cx = TaskContext::from_waker(&waker);
        let mut waiting = Waiting {
            shared: &self.shared,
            parker: &parker,
            is_waiting: false,
        };
        loop {
            if root.take() {
                let _context = Context::enter(&self.shared);
                let abandon = Abandon(&root);
                let polled = current::with_root(&seat, || future.as_mut().poll(&mut cx));
                if let Poll::Ready(output) = polled {
                    drop(waiting);
                    abandon.end_instead(|node| lenio_sync::wait::block_on(wait_for_end(node)));
                    return output;
                }
                std::mem::forget(abandon);
            }
            // First on the list, then the look: whoever leaves a place makes it vacant first and then looks at the list.
            waiting.enlist();
            if let Some(worker) = Worker::occupy_as_guest(&self.shared) {
                waiting.take_place();
                root.move_to(worker.place().parker.clone());
                return Self::work_until(worker, future, &root);
            }
            parker.park(None);
        }
    }

    /// Makes this the current runtime of the thread until the guard is dropped: `spawn`, timers and sockets find it.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = lenio_executor::Runtime::builder().threads(1).build()?;
    /// let inside = runtime.handle().enter();
    /// let task = lenio_executor::spawn(async { 5 });
    /// drop(inside);
    /// assert_eq!(runtime.block_on(task).ok(), Some(5));
    /// # Ok(())
    /// # }
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            _context: Context::enter(&self.shared),
            _handle: PhantomData,
        }
    }

    /// What every task of the runtime is doing: see [`Dump`].
    ///
    /// Polls no task and stops none. Costs a walk over all living tasks, and holds a lock of each worker's list for a moment.
    pub fn dump(&self) -> Dump {
        self.shared.dump()
    }

    /// A snapshot of the runtime's counters.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }
}

/// Works until the future is ready, and then until everything below it in the task tree has ended.
fn work_as_root<F: Future>(worker: &Worker, future: Pin<&mut F>, root: &Arc<Root>) -> F::Output {
    let abandon = Abandon(root);
    let output = worker.block_on(future, root);
    abandon.end_instead(|node| {
        let root = Root::new(worker.place().parker.clone(), node.site());
        worker.block_on(pin!(wait_for_end(node)), &root);
    });
    output
}

/// If the future of a `block_on` panics what is below is stopped and left to itself: nobody may wait while a panic is under way.
struct Abandon<'r>(&'r Root);

impl Abandon<'_> {
    /// The future has ended well: stops what is below, and closes the tree after `wait`.
    fn end_instead(self, wait: impl FnOnce(&Arc<Node>)) {
        if let Some(node) = self.0.node() {
            node.end_body(false);
            wait(node);
            node.close();
        }
        std::mem::forget(self);
    }
}

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if let Some(node) = self.0.node() {
            node.abandon();
            node.close();
        }
    }
}

/// Waits until nothing is alive below the future of a `block_on`, and its finalizers have run.
async fn wait_for_end(node: &Arc<Node>) {
    let mut watcher = pin!(node.watcher());
    poll_fn(|cx| node.poll_end_watching(watcher.as_mut(), cx, poll_inside)).await;
}

// Everything behind a handle is atomic or locked and stays consistent when a task unwinds; only the user's hooks, as trait objects,
// hide that from the compiler.
impl std::panic::UnwindSafe for Handle {}
impl std::panic::RefUnwindSafe for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("name", &self.shared.name)
            .field("threads", &self.shared.threads)
            .finish_non_exhaustive()
    }
}

/// A thread that waits for a place. A call to a place that it does not take goes on to the next, also on unwinding.
struct Waiting<'a> {
    shared: &'a Shared,
    parker: &'a Arc<Parker>,
    is_waiting: bool,
}

impl Waiting<'_> {
    fn enlist(&mut self) {
        // Whoever calls takes the caller off the list, so this may be for the second time.
        if !self.is_waiting || !self.shared.is_waiting(self.parker) {
            self.shared.wait_for_place(self.parker);
        }
        self.is_waiting = true;
    }

    fn take_place(&mut self) {
        self.is_waiting = false;
        self.shared.stop_waiting_for_place(self.parker);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_waiting && !self.shared.stop_waiting_for_place(self.parker) {
            self.shared.call_to_place();
        }
    }
}

/// Keeps a runtime current on this thread; see [`Handle::enter`].
#[derive(Debug)]
#[must_use = "the runtime is current only while the guard lives"]
pub struct EnterGuard<'a> {
    _context: Context<'static>,
    _handle: PhantomData<&'a Handle>,
}

/// The error of [`Handle::current`]: this thread is not inside a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRuntime(());

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this thread is not inside a runtime")
    }
}

impl Error for NoRuntime {}

/// A task to be; see [`Handle::task`].
#[derive(Debug, Clone)]
#[must_use = "nothing is spawned before `spawn` is called"]
pub struct TaskBuilder<'a> {
    handle: &'a Handle,
    birth: Birth<'static>,
}

impl TaskBuilder<'_> {
    /// Names the task, for reports. Costs an allocation.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name: String = name.into();
        self.birth.name = Some(name.into_boxed_str());
        self
    }

    /// Makes it a child of the current task or scope, whatever the policy says. See [`spawn_child`](crate::spawn_child).
    pub fn child(mut self) -> Self {
        self.birth.under = Under::Current;
        self
    }

    /// Makes it nobody's child, whatever the policy says: it goes on when its spawner ends.
    pub fn detached(mut self) -> Self {
        self.birth.under = Under::Root;
        self
    }

    /// Gives it, and what it spawns below itself, a policy of its own.
    pub fn policy(mut self, policy: StopPolicy) -> Self {
        self.birth.policy = Some(policy);
        self
    }

    /// Gives it, and what it spawns below itself, a grace of its own; the rest of the policy stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::{Grace, Handle};
    /// use std::time::Duration;
    ///
    /// lenio_executor::block_on(async {
    ///     let Ok(runtime) = Handle::current() else { return };
    ///     let stubborn = runtime
    ///         .task()
    ///         .grace(Grace::new(Duration::from_millis(1), Duration::from_secs(1)))
    ///         .spawn(std::future::pending::<()>());
    ///     lenio_executor::yield_now().await;
    ///     stubborn.stop("");
    ///     assert!(!stubborn.await.unwrap_err().is_panic());
    /// });
    /// ```
    pub fn grace(mut self, grace: Grace) -> Self {
        self.birth.grace = Some(grace);
        self
    }

    /// Stops it after that time, with the kind [`Deadline`](lenio_sync::stop::StopKind::Deadline).
    pub fn deadline(mut self, after: Duration) -> Self {
        self.birth.deadline = Some(after);
        self
    }

    /// Starts the task.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let shared = &self.handle.shared;
        shared.spawn_at(future, &self.birth, Location::caller())
    }

    /// Starts a blocking job.
    #[track_caller]
    pub fn spawn_blocking<F, T>(self, job: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = &self.handle.shared;
        shared.spawn_blocking(job, &self.birth, Location::caller())
    }
}

/// Lets every other task run that is ready on this worker, then goes on.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Fairness
///
/// The task goes to the back of its worker's queue: each task that was queued there is polled, or taken by another worker, before it runs
/// again.
///
/// # Examples
///
/// ```
/// lenio_executor::block_on(async {
///     for _ in 0..3 {
///         lenio_executor::yield_now().await;
///     }
/// });
/// ```
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs a closure that blocks, right here, after the worker's other tasks were handed to others.
///
/// For code that cannot be moved to [`spawn_blocking`](crate::spawn_blocking). If every other worker is busy a thread of the blocking pool stands in until
/// the closure returns. The task itself does not go on meanwhile: whatever else it awaits (a `join` or `select` around this call) waits
/// as well. Outside a worker, and on a runtime without worker threads, it just runs the closure.
///
/// # Panics
///
/// If `f` panics.
///
/// # Examples
///
/// ```
/// lenio_executor::block_on(async {
///     let text = lenio_executor::block_in_place(|| String::from("read from a slow disk"));
///     assert_eq!(text.len(), 21);
/// });
/// ```
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    let stand_in = with_worker(|worker| {
        let worker = worker.filter(|worker| worker.shared.threads > 0)?;
        worker.hand_over();
        let shared = &worker.shared;
        if shared.idle.is_any_asleep() {
            return None;
        }
        // Everybody is busy: a blocking thread works as a guest until this closure has returned.
        let back = Arc::new(Event::new());
        let until = back.clone();
        let handle = Handle {
            shared: shared.clone(),
        };
        let job = move || handle.block_on(until.wait());
        let alone = Birth {
            under: Under::Root,
            ..Birth::default()
        };
        drop(shared.spawn_blocking(job, &alone, Location::caller()));
        Some(back)
    });
    let _send_back = stand_in.map(SendBack);
    f()
}

/// Tells the stand-in to go, also when the closure panics.
struct SendBack(Arc<Event>);

impl Drop for SendBack {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// The identity of the task that is being polled on this thread, if one is.
///
/// # Examples
///
/// ```
/// lenio_executor::block_on(async {
///     let task = lenio_executor::spawn(async { lenio_executor::current_task() });
///     let id = task.id();
///     assert_eq!(task.await.ok().flatten(), Some(id));
/// });
/// ```
pub fn current_task() -> Option<TaskId> {
    current::id()
}
