//! Counters of what the workers do, and a snapshot of them for users.
//!
//! Each counter has one writer, the thread that holds the place (the monitor, for the longest poll), and lives in that place's own cache lines: counting is a plain load
//! and a plain store, always on, and a reader disturbs nobody.

use lenio_sync::primitive::plain::{AtomicU64, Ordering};
use std::time::Duration;

/// One counter with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the single writer may call it.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        // ORDERING: Relaxed on both: one writer, and readers want a number, not an order.
        let value = self.0.load(Ordering::Relaxed).wrapping_add(n);
        // ORDERING: Relaxed: as above.
        self.0.store(value, Ordering::Relaxed);
    }

    /// Raises the value to `n` if it is lower. Any thread may call it.
    pub(crate) fn raise(&self, n: u64) {
        // ORDERING: Relaxed: a statistic.
        self.0.fetch_max(n, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        // ORDERING: Relaxed: a statistic.
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one place.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) polls: Counter,
    pub(crate) lifo_polls: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) steals: Counter,
    pub(crate) stolen_tasks: Counter,
    pub(crate) injected: Counter,
    pub(crate) parks: Counter,
    pub(crate) wakes_sent: Counter,
    pub(crate) budget_yields: Counter,
    /// In nanoseconds. The one counter that the monitor writes.
    pub(crate) longest_poll: Counter,
}

/// What one worker has done so far.
///
/// A worker is one of the runtime's threads, or a place for a thread inside `block_on`, which works along while it waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Whether the runtime owns the thread; else it is a place for callers of `block_on`.
    pub is_thread: bool,
    /// Polls of tasks.
    pub polls: u64,
    /// How many of those took the task from the LIFO slot.
    pub lifo_polls: u64,
    /// How many of those dropped the task's future because it was cancelled.
    pub cancelled: u64,
    /// Successful raids on another worker's queue.
    pub steals: u64,
    /// Tasks that those raids brought.
    pub stolen_tasks: u64,
    /// Tasks taken from the injector.
    pub injected: u64,
    /// Times it went to sleep.
    pub parks: u64,
    /// Other workers it woke.
    pub wakes_sent: u64,
    /// Polls that ended because the cooperative budget was used up.
    pub budget_yields: u64,
    /// The longest poll that the monitor saw. It sees polls that go on for several milliseconds; shorter ones are not timed, because a
    /// clock reading costs more than a short poll. A runtime without worker threads has no monitor, and reports zero.
    pub longest_poll: Duration,
    /// Tasks in its queue and LIFO slot at this moment.
    pub queued: usize,
}

/// A snapshot of a runtime's counters.
///
/// Taking it reads one cache line group per worker and allocates one vector; it disturbs no worker.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = lenio_executor::Runtime::builder().threads(2).build()?;
/// runtime.block_on(async { lenio_executor::spawn(async {}).await }).ok();
/// assert!(runtime.metrics().polls() >= 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// One entry per worker.
    pub workers: Vec<WorkerMetrics>,
    /// Tasks that are not finished.
    pub living_tasks: usize,
    /// Threads of the blocking pool, working or idle.
    pub blocking_threads: usize,
    /// How many of those are idle.
    pub blocking_idle: usize,
    /// Blocking jobs that wait for a thread.
    pub blocking_queued: usize,
    /// Pending timers.
    pub timers: usize,
}

impl Metrics {
    /// Polls of tasks, over all workers.
    pub fn polls(&self) -> u64 {
        self.workers.iter().map(|worker| worker.polls).sum()
    }

    /// Successful raids, over all workers.
    pub fn steals(&self) -> u64 {
        self.workers.iter().map(|worker| worker.steals).sum()
    }

    /// Times a worker went to sleep, over all workers.
    pub fn parks(&self) -> u64 {
        self.workers.iter().map(|worker| worker.parks).sum()
    }

    /// The longest poll that the monitor saw on any worker; see [`WorkerMetrics::longest_poll`].
    pub fn longest_poll(&self) -> Duration {
        self.workers
            .iter()
            .map(|worker| worker.longest_poll)
            .max()
            .unwrap_or_default()
    }
}
