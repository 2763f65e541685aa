#![expect(unsafe_code, reason = "jobs are task cells whose owner is the pool")]
//! Threads for work that blocks.
//!
//! A blocking job is a task whose one poll runs the closure. It lives in the same cell and has the same handle as any other task,
//! but its owner is the pool: waking it queues it here. Who is woken for it, and when a thread is made, is decided in `queue`.
//!
//! A [`Lane`] is a queue of its own with one thread. Its jobs belong to the pool like all others, so that a shutdown finds them.

mod lane;
mod queue;

use crate::observe::LeftBehind;
use crate::task::{
    self, JoinHandle, Owner, PlaceInTree, Ran, Refusal, Runnable, Spawned, adopt_newborn,
};
use lenio_sync::primitive::Mutex;
use lenio_sync::primitive::plain::{AtomicU64, Ordering};
use lenio_time::Clock;
use queue::{JobQueue, Offered};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

pub(crate) use lane::Lane;
pub(crate) use queue::Counts;

/// The blocking threads of a runtime.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    queue: JobQueue<Runnable>,
    owner: Owner,
    /// Makes whoever holds it the owner's lister.
    lister: Mutex<()>,
    /// Those that somebody has; the others are forgotten now and then.
    lanes: Mutex<Vec<Weak<Lane>>>,
    idle_time: Duration,
    /// For thread names.
    started: AtomicU64,
    /// Jobs that a thread took and did not run, because they had been stopped.
    dropped: AtomicU64,
}

/// A closure as a future: its one poll runs it.
struct Job<F>(Option<F>);

// The closure is moved out before it is called; nothing is ever pinned.
impl<F> Unpin for Job<F> {}

impl<T, F: FnOnce() -> T> Future for Job<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<T> {
        match self.0.take() {
            // A blocking job may block: the cooperative budget is not for it.
            Some(job) => Poll::Ready(job()),
            None => unreachable!("a finished task is not polled again"),
        }
    }
}

impl BlockingPool {
    pub(crate) fn new(owner: Owner, max_threads: usize, idle_time: Duration) -> Self {
        Self {
            queue: JobQueue::new(max_threads, idle_time),
            owner,
            lister: Mutex::new(()),
            lanes: Mutex::new(Vec::new()),
            idle_time,
            started: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Queues `job`; calls `start_thread` if another thread is needed. Refused once the pool stops.
    pub(crate) fn spawn<F, T>(
        &self,
        job: F,
        place: PlaceInTree,
        spawned_at: &'static Location<'static>,
        start_thread: impl FnOnce() -> io::Result<()>,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.list(job, place, spawned_at) {
            Ok(spawned) => {
                self.submit(spawned.runnable, start_thread);
                spawned.handle
            }
            Err(refusal) => JoinHandle::refused(refusal),
        }
    }

    /// Queues `job` behind the others of `lane`; calls `start_thread` if the lane has no thread. Refused once the lane is closed.
    pub(crate) fn spawn_in_lane<F, T>(
        &self,
        lane: &Lane,
        job: F,
        place: PlaceInTree,
        spawned_at: &'static Location<'static>,
        start_thread: impl FnOnce() -> io::Result<()>,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if lane.is_closed() {
            return JoinHandle::refused(self.why_closed());
        }
        let spawned = match self.list(job, place, spawned_at) {
            Ok(spawned) => spawned,
            Err(refusal) => return JoinHandle::refused(refusal),
        };
        match lane.offer(spawned.runnable, start_thread) {
            Ok(()) => spawned.handle,
            Err(runnable) => {
                drop(runnable);
                JoinHandle::refused(self.why_closed())
            }
        }
    }

    fn why_closed(&self) -> Refusal {
        if self.owner.is_closed() {
            Refusal::Stopping
        } else {
            Refusal::Closed
        }
    }

    /// Makes a job that is known to a shutdown. The caller queues it.
    fn list<F, T>(
        &self,
        job: F,
        place: PlaceInTree,
        spawned_at: &'static Location<'static>,
    ) -> Result<Spawned<T>, Refusal>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if place.is_refused_by(&self.owner) {
            return Err(Refusal::Stopping);
        }
        let owner = NonNull::from(&self.owner);
        // SAFETY: the pool is part of the runtime, which outlives every job that is not done: each thread of the pool holds it.
        let spawned = unsafe { task::new_task(Job(Some(job)), owner, place.node, spawned_at) };
        if let Some(parent) = &place.parent {
            adopt_newborn(parent, &spawned.runnable, place.inherits_policy);
        }
        let lister = self.lister.lock();
        self.owner.list(&spawned.runnable);
        drop(lister);
        Ok(spawned)
    }

    /// Makes a lane, whose thread is started by its first job and carries this name.
    pub(crate) fn open_lane(&self, name: String) -> Arc<Lane> {
        let lane = Arc::new(Lane::new(name, self.idle_time));
        let mut lanes = self.lanes.lock();
        if lanes.len() == lanes.capacity() {
            lanes.retain(|lane| lane.strong_count() > 0);
        }
        lanes.push(Arc::downgrade(&lane));
        drop(lanes);
        if self.owner.is_closed() {
            // Who stops the pool closes it first, and then looks at the lanes: it sees this one, or is seen.
            drop(lane.stop());
        }
        lane
    }

    fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Queues a job. If the pool has begun to stop the job is cancelled, which its handle reports.
    pub(crate) fn submit(&self, runnable: Runnable, start_thread: impl FnOnce() -> io::Result<()>) {
        match self.queue.offer(runnable) {
            Offered::Queued => {}
            Offered::Refused(runnable) => drop(runnable),
            Offered::StartThread => {
                if start_thread().is_err() {
                    // The system refused a thread. Jobs that nobody is left to run are cancelled rather than left to wait for ever.
                    drop(self.queue.thread_failed());
                }
            }
        }
    }

    /// The next job for a thread of the pool; `None`: the thread ends.
    pub(crate) fn next(&self) -> Option<Runnable> {
        self.queue.next()
    }

    /// Notes what became of a job.
    pub(crate) fn note(&self, ran: &Ran) {
        if matches!(ran, Ran::Cancelled) {
            // ORDERING: Relaxed: a statistic.
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many jobs were taken and not run.
    pub(crate) fn dropped(&self) -> usize {
        // ORDERING: Relaxed: a statistic.
        usize::try_from(self.dropped.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// A job has been run.
    pub(crate) fn finished(&self) {
        self.queue.finished();
        self.owner.sweep_if_worth_it();
    }

    /// A job of a lane has been run.
    pub(crate) fn finished_in(&self, lane: &Lane) {
        lane.finished();
        self.owner.sweep_if_worth_it();
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// For thread names.
    pub(crate) fn next_number(&self) -> u64 {
        // ORDERING: Relaxed: a number for a name.
        self.started.fetch_add(1, Ordering::Relaxed)
    }

    /// Refuses further jobs and cancels those that wait. Returns how many.
    pub(crate) fn stop(&self) -> usize {
        self.owner.close();
        let queued = self.queue.stop();
        let mut cancelled = queued.len();
        drop(queued);
        for lane in self.lanes() {
            let queued = lane.stop();
            cancelled += queued.len();
            drop(queued);
        }
        cancelled
    }

    /// Waits until no job runs, at most for `timeout`. Returns those that still run.
    pub(crate) fn wait(&self, timeout: Duration) -> Vec<LeftBehind> {
        let clock = Clock::real();
        let until = clock.now() + timeout;
        let mut running = Vec::new();
        let mut is_idle = self.queue.wait(timeout);
        for lane in self.lanes() {
            is_idle &= lane.wait(until.duration_since(clock.now()));
        }
        if !is_idle {
            self.owner
                .for_each_living(|job| running.push(LeftBehind::of(job)));
        }
        running
    }

    pub(crate) fn counts(&self) -> Counts {
        self.queue.counts()
    }

    /// Whether no job waits or runs.
    pub(crate) fn is_idle(&self) -> bool {
        let counts = self.counts();
        counts.running == 0 && counts.queued == 0 && self.lanes().iter().all(|lane| lane.is_idle())
    }
}
