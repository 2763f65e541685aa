#![expect(
    unsafe_code,
    reason = "tasks whose futures must stay on the thread of their set"
)]
//! Tasks that stay on one thread.

use crate::context;
use crate::scheduler;
use crate::task::{self, Home, JoinHandle, Owner, Ran, Refusal, Runnable, contain};
use lenio_sync::budget;
use lenio_sync::park::Parker;
use lenio_sync::wait::{WaitQueue, Waiter, WakeBatch};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

/// Tasks polled in a row before the set lets the rest of its worker run.
const PER_TURN: usize = 64;

thread_local! {
    /// The set that is being polled on this thread.
    static CURRENT: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// A set of tasks that need not be [`Send`]: they run on the thread that runs the set.
///
/// The set is driven by [`run_until`](Self::run_until), inside `block_on`. Tasks are added with [`LocalSet::spawn_local`], or with the
/// free function [`spawn_local`] from within. Dropping the set drops its tasks, on its own thread.
///
/// # Fairness
///
/// Tasks of the set are polled in the order in which they were woken; after 64 polls in a row the thread's other work has its turn.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// let set = lenio_executor::LocalSet::new();
/// let sum = lenio_executor::block_on(set.run_until(async {
///     let sum = Rc::new(Cell::new(0));
///     let adder = sum.clone();
///     let task = lenio_executor::spawn_local(async move { adder.set(adder.get() + 5) });
///     task.await.map(|()| sum.get())
/// }));
/// assert_eq!(sum.ok(), Some(5));
/// ```
pub struct LocalSet {
    shared: Arc<Shared>,
    /// Neither Send nor Sync: the set stays where its tasks are.
    _home: PhantomData<*const ()>,
}

struct Shared {
    owner: Owner,
    /// What is runnable; whoever drives the set and found nothing waits for it. There may be several drivers, one within the other
    /// or side by side in one task: each is woken, because any of them may be gone before it comes round to polling.
    queue: WaitQueue<Runnables>,
}

type Runnables = VecDeque<Runnable>;
type Driver<'a> = Waiter<'a, Runnables>;

impl LocalSet {
    /// Makes an empty set, at home on this thread.
    pub fn new() -> Self {
        let shared = Arc::new_cyclic(|this: &Weak<Shared>| Shared {
            // SAFETY: the set's drop waits until every task is done, and `schedule` may be called from any thread.
            owner: unsafe { Owner::new(schedule, home, this.as_ptr().cast()) },
            queue: WaitQueue::new(Runnables::new()),
        });
        Self {
            shared,
            _home: PhantomData,
        }
    }

    /// Adds a task to the set. It runs while the set is driven.
    ///
    /// # Examples
    ///
    /// ```
    /// let set = lenio_executor::LocalSet::new();
    /// let task = set.spawn_local(async { std::rc::Rc::new(7) });
    /// let seven = lenio_executor::block_on(set.run_until(task));
    /// assert_eq!(seven.ok().as_deref(), Some(&7));
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_in(&self.shared, future, Location::caller())
    }

    /// Drives the set until `future` is ready, and returns its output. Tasks that are left stay in the set.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `future`; the set's tasks stay.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut driver = pin!(Driver::new(&self.shared.queue));
        std::future::poll_fn(|cx| {
            let inside = Inside::enter(&self.shared);
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            drop(inside);
            self.turn(driver.as_mut(), cx);
            Poll::Pending
        })
        .await
    }

    /// Drives the set until all its tasks have finished.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the tasks stay in the set.
    pub async fn run(&self) {
        let mut driver = pin!(Driver::new(&self.shared.queue));
        std::future::poll_fn(|cx| {
            self.turn(driver.as_mut(), cx);
            if self.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Whether no task of the set is unfinished.
    pub fn is_empty(&self) -> bool {
        self.shared.owner.living() == 0
    }

    /// Polls what is runnable, and arranges for `cx` to be woken when there is more.
    fn turn(&self, mut driver: Pin<&mut Driver<'_>>, cx: &mut Context<'_>) {
        let _inside = Inside::enter(&self.shared);
        for _ in 0..PER_TURN {
            let Some(runnable) = self.shared.next_or_wait(driver.as_mut(), cx) else {
                return;
            };
            self.shared.run(runnable);
        }
        cx.waker().wake_by_ref();
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet")
            .field("tasks", &self.shared.owner.living())
            .finish()
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.owner.close();
        shared.owner.cancel_all();
        if is_current(shared) {
            // Dropped by one of its own tasks: that one cannot end while it drops us. What it needs stays for ever.
            while let Some(runnable) = shared.next() {
                drop(runnable);
            }
            std::mem::forget(shared.clone());
            return;
        }
        let parker = Arc::new(Parker::new(None));
        parker.adopt();
        let waker = Waker::from(Arc::new(Unpark(parker.clone())));
        let mut cx = Context::from_waker(&waker);
        let mut driver = pin!(Driver::new(&shared.queue));
        let _inside = Inside::enter(shared);
        while shared.owner.living() > 0 {
            match shared.next_or_wait(driver.as_mut(), &mut cx) {
                Some(runnable) => shared.run(runnable),
                // A foreign thread has won the right to queue a task and is about to: a few instructions away.
                None => {
                    parker.park(None);
                }
            }
        }
    }
}

struct Unpark(Arc<Parker>);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Shared {
    fn next(&self) -> Option<Runnable> {
        self.queue.lock().pop_front()
    }

    /// What is to be polled next. Where there is nothing, `driver` waits until there is.
    fn next_or_wait(&self, driver: Pin<&mut Driver<'_>>, cx: &mut Context<'_>) -> Option<Runnable> {
        // The look without the driver spares the clone of the waker.
        self.next().or_else(
            || match driver.poll(0, cx, |runnables, _| runnables.pop_front()) {
                Poll::Ready(runnable) => Some(runnable),
                Poll::Pending => None,
            },
        )
    }

    /// Polls a task of the set, on its home thread.
    fn run(&self, runnable: Runnable) {
        let outer = budget::start();
        // A task of its own, although it is polled within whatever drives the set.
        let hidden = context::hide();
        let ran = runnable.run(Some(&self.owner));
        drop(hidden);
        outer.resume();
        if let Ran::Again(runnable) = ran {
            // Its driver looks again before it waits; the others need not know.
            self.queue.lock().push_back(runnable);
        }
    }
}

/// The owner's way back to the set. Any thread.
fn schedule(shared: *const (), runnable: Runnable) {
    let shared = shared.cast::<Shared>();
    // SAFETY: the task is not done, so the set's drop has not returned and the set is alive.
    unsafe { Arc::increment_strong_count(shared) };
    // SAFETY: the count was raised for this one.
    let shared = unsafe { Arc::from_raw(shared) };
    let mut drivers = WakeBatch::new();
    let mut queue = shared.queue.lock();
    queue.push_back(runnable);
    queue.wake_all(0, &mut drivers);
    drop(queue);
    // A driver whose waker panics is nothing that whoever woke the task could be blamed for.
    contain(|| drivers.wake_all());
}

/// A set has no clock of its own: what stops its tasks does so within a runtime, or their grace is for ever.
fn home(_: *const ()) -> Option<Arc<dyn Home>> {
    scheduler::current().map(|shared| -> Arc<dyn Home> { shared })
}

/// Adds a task to the set that is being driven on this thread.
///
/// Outside of a set the task is refused, which the handle reports.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// let refused = lenio_executor::block_on(lenio_executor::spawn_local(async { Rc::new(1) }));
/// assert!(refused.unwrap_err().is_refused());
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawned_at = Location::caller();
    match current() {
        Some(shared) => spawn_in(&shared, future, spawned_at),
        None => JoinHandle::refused(Refusal::NoLocalSet),
    }
}

fn spawn_in<F>(
    shared: &Arc<Shared>,
    future: F,
    spawned_at: &'static Location<'static>,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if shared.owner.is_closed() {
        return JoinHandle::refused(Refusal::Stopping);
    }
    // SAFETY: the set outlives its tasks (`LocalSet::drop`), and runnables are only used by `run` and `drop` of the set, both on the
    // thread of the set, which is this one: neither the set nor a handle to it can be sent.
    let spawned =
        unsafe { task::new_local(future, NonNull::from(&shared.owner), None, spawned_at) };
    shared.owner.list(&spawned.runnable);
    schedule(Arc::as_ptr(shared).cast(), spawned.runnable);
    spawned.handle
}

/// The set that is being driven on this thread. None any more while the thread's locals are being destroyed.
fn current() -> Option<Arc<Shared>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok()?
}

fn is_current(shared: &Arc<Shared>) -> bool {
    current().is_some_and(|current| Arc::ptr_eq(&current, shared))
}

fn replace_current(set: Option<Arc<Shared>>) -> Option<Arc<Shared>> {
    CURRENT
        .try_with(|current| current.replace(set))
        .unwrap_or(None)
}

/// Makes a set the current one of the thread for a while.
struct Inside {
    outer: Option<Arc<Shared>>,
}

impl Inside {
    fn enter(shared: &Arc<Shared>) -> Self {
        Self {
            outer: replace_current(Some(shared.clone())),
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        drop(replace_current(self.outer.take()));
    }
}
