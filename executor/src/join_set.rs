//! A group of tasks whose outcomes are taken as they come.

use crate::entry::spawn;
use crate::handle::Handle;
use crate::task::{JoinError, JoinHandle, TaskId};
use lenio_sync::budget;
use lenio_sync::primitive::Mutex;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

/// A group of tasks. [`join_next`](Self::join_next) yields outcomes in the order in which the tasks finish; dropping the set cancels what
/// is left.
///
/// A task that finishes is found without looking at the others: `join_next` costs the same for ten tasks and for ten thousand.
///
/// # Examples
///
/// ```
/// use lenio_executor::JoinSet;
///
/// lenio_executor::block_on(async {
///     let mut squares = JoinSet::new();
///     for n in 1..=3 {
///         squares.spawn(async move { n * n });
///     }
///     let mut sum = 0;
///     while let Some(square) = squares.join_next().await {
///         sum += square.unwrap_or(0);
///     }
///     assert_eq!(sum, 14);
/// });
/// ```
pub struct JoinSet<T> {
    tasks: HashMap<u64, JoinHandle<T>>,
    finished: Arc<Finished>,
    next_key: u64,
}

/// What the tasks of a set report to.
#[derive(Default)]
struct Finished {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    keys: VecDeque<u64>,
    joiner: Option<Waker>,
}

/// The waker that a member's handle is polled with: it says which one has finished.
struct Member {
    key: u64,
    finished: Arc<Finished>,
}

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        let mut queue = self.finished.queue.lock();
        queue.keys.push_back(self.key);
        let joiner = queue.joiner.take();
        drop(queue);
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }
}

impl<T> JoinSet<T> {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self {
            tasks: HashMap::new(),
            finished: Arc::default(),
            next_key: 0,
        }
    }

    /// How many tasks the set holds: those that run, and those whose outcome has not been taken.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether the set holds no task.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Adds a task that exists already.
    ///
    /// # Examples
    ///
    /// ```
    /// use lenio_executor::{JoinSet, spawn};
    ///
    /// lenio_executor::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.insert(spawn(async { "found" }));
    ///     assert_eq!(set.join_next().await.and_then(Result::ok), Some("found"));
    /// });
    /// ```
    pub fn insert(&mut self, mut task: JoinHandle<T>) -> TaskId {
        let id = task.id();
        let key = self.next_key;
        self.next_key += 1;
        let member = Arc::new(Member {
            key,
            finished: self.finished.clone(),
        });
        if task.report_to(Waker::from(member.clone())) {
            member.wake();
        }
        self.tasks.insert(key, task);
        id
    }

    /// Waits for the next task to finish; `None` if the set is empty.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: an outcome leaves the set only when it is returned.
    ///
    /// # Fairness
    ///
    /// Outcomes come in the order in which the tasks finished.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        std::future::poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// Polls for the next outcome; `Ready(None)` if the set is empty.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        ready!(budget::poll_proceed(cx));
        if self.tasks.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(outcome) = self.try_join_next() {
            return Poll::Ready(Some(outcome));
        }
        let waker = cx.waker().clone();
        let mut queue = self.finished.queue.lock();
        let old = queue.joiner.replace(waker);
        let finished = !queue.keys.is_empty();
        drop(queue);
        drop(old);
        if finished {
            return Poll::Ready(self.try_join_next());
        }
        Poll::Pending
    }

    /// Takes the outcome of a task that has finished, if there is one.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        loop {
            let key = self.finished.queue.lock().keys.pop_front()?;
            // Each key belongs to a task until it is taken out here.
            let Some(mut task) = self.tasks.remove(&key) else {
                continue;
            };
            if let Some(outcome) = task.take_outcome() {
                return Some(outcome);
            }
            // Woken although it has not finished: nothing of ours does that. Keep it and its place.
            self.insert(task);
        }
    }

    /// Asks every task to be dropped at its next suspension point. They stay in the set, and their outcomes tell what became of them.
    pub fn cancel_all(&self) {
        self.tasks.values().for_each(JoinHandle::cancel);
    }

    /// Cancels every task and waits until all have ended. Outcomes are dropped.
    ///
    /// # Cancel safety
    ///
    /// The tasks stay cancelled; those that have not ended stay in the set.
    pub async fn shutdown(&mut self) {
        self.cancel_all();
        while self.join_next().await.is_some() {}
    }

    /// Empties the set and lets the tasks run on.
    pub fn detach_all(&mut self) {
        self.tasks.clear();
        // What they have reported, or are about to report, must not be taken for a report of the tasks to come.
        self.finished = Arc::default();
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Starts a task in the set. See [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> TaskId
    where
        F: Future<Output = T> + Send + 'static,
    {
        let task = spawn(future);
        self.insert(task)
    }

    /// Starts a task of `runtime` in the set.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, runtime: &Handle) -> TaskId
    where
        F: Future<Output = T> + Send + 'static,
    {
        let task = runtime.spawn(future);
        self.insert(task)
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
