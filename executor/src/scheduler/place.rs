#![expect(unsafe_code, reason = "a static location, published as a pointer")]
//! What others may see of one worker.

use super::queue::{FarEnd, LocalQueue};
use super::slot::LifoSlot;
use crate::observe::{Counters, WorkerMetrics};
use crate::task::{Owner, Runnable};
use lenio_sync::park::Parker;
use lenio_sync::primitive::Mutex;
use lenio_sync::primitive::plain::{AtomicPtr, AtomicU64, Ordering};
use lenio_time::Timers;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// One worker as the others see it. Lives as long as the runtime; threads come and go.
///
/// Aligned to two cache lines, which is what processors prefetch together, so that neighbours do not disturb each other.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Place {
    pub(crate) lifo: LifoSlot,
    pub(crate) far_end: FarEnd,
    pub(crate) parker: Arc<Parker>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) owner: Owner,
    pub(crate) counters: Counters,
    pub(crate) poll: PollInProgress,
    /// The near end of the queue while nobody occupies the place.
    pub(crate) vacant: Mutex<Option<LocalQueue>>,
}

impl Place {
    pub(crate) fn new(parker: Parker, timers: Arc<Timers>, owner: Owner) -> Self {
        let (near, far_end) = LocalQueue::new();
        Self {
            lifo: LifoSlot::new(),
            far_end,
            parker: Arc::new(parker),
            timers,
            owner,
            counters: Counters::default(),
            poll: PollInProgress::default(),
            vacant: Mutex::new(Some(near)),
        }
    }

    /// Tasks that wait here.
    pub(crate) fn queued(&self) -> usize {
        self.far_end.len() + usize::from(!self.lifo.is_empty())
    }

    pub(crate) fn metrics(&self, is_thread: bool) -> WorkerMetrics {
        let counters = &self.counters;
        WorkerMetrics {
            is_thread,
            polls: counters.polls.value(),
            lifo_polls: counters.lifo_polls.value(),
            cancelled: counters.cancelled.value(),
            steals: counters.steals.value(),
            stolen_tasks: counters.stolen_tasks.value(),
            injected: counters.injected.value(),
            parks: counters.parks.value(),
            wakes_sent: counters.wakes_sent.value(),
            budget_yields: counters.budget_yields.value(),
            longest_poll: Duration::from_nanos(counters.longest_poll.value()),
            queued: self.queued(),
        }
    }
}

/// What is being polled here, for the monitor: written by the worker with plain stores, read by others at any time.
///
/// The fields are read one by one; the monitor believes them only if the poll counter did not move in between.
#[derive(Debug, Default)]
pub(crate) struct PollInProgress {
    /// 0: nothing; `ROOT`: the future of `block_on`; else a task id.
    id: AtomicU64,
    /// Where it was spawned. Null until the first poll.
    site: AtomicPtr<Location<'static>>,
    /// The value of the poll counter at which the monitor found this worker stuck, plus one; 0: not stuck.
    stuck_at: AtomicU64,
}

const ROOT: u64 = u64::MAX;

/// The poll around a poll: an id and a spawn site, zero and anything where there is none.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(crate) struct Outer(u64, *mut Location<'static>);

/// The poll that [`PollInProgress`] describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Polling {
    /// `None`: the future of `block_on`.
    pub(crate) id: Option<u64>,
    pub(crate) site: Option<&'static Location<'static>>,
}

impl PollInProgress {
    /// A task is being polled from now on.
    #[inline(always)]
    pub(crate) fn start(&self, runnable: &Runnable) {
        let id = runnable.id().as_u64();
        // ORDERING: Relaxed on all of these: the reader checks the poll counter and wants a hint.
        self.id.store(id, Ordering::Relaxed);
        let site = ptr::from_ref(runnable.spawned_at()).cast_mut();
        // ORDERING: Relaxed: as above.
        self.site.store(site, Ordering::Relaxed);
    }

    /// What is being polled, if anything is.
    pub(crate) fn read(&self) -> Option<Polling> {
        // ORDERING: Relaxed: as in `start`.
        let id = self.id.load(Ordering::Relaxed);
        if id == 0 {
            return None;
        }
        if id == ROOT {
            return Some(Polling {
                id: None,
                site: None,
            });
        }
        // ORDERING: Relaxed: what it points to is static.
        let site = self.site.load(Ordering::Relaxed).cast_const();
        Some(Polling {
            id: Some(id),
            // SAFETY: only `start` stores here, and what it stores is a `&'static Location`; null is the initial value.
            site: unsafe { site.as_ref() },
        })
    }

    pub(crate) fn start_root(&self) -> Outer {
        let outer = self.outer();
        // ORDERING: Relaxed: as in `start`.
        self.id.store(ROOT, Ordering::Relaxed);
        outer
    }

    /// What is being polled, to be put back by [`restore`](Self::restore) after a poll within it.
    pub(crate) fn outer(&self) -> Outer {
        // ORDERING: Relaxed: read by the writer itself.
        let id = self.id.load(Ordering::Relaxed);
        // ORDERING: Relaxed: as above.
        Outer(id, self.site.load(Ordering::Relaxed))
    }

    /// The poll is over, and was within no other.
    #[inline(always)]
    pub(crate) fn end(&self) {
        // ORDERING: Relaxed: as in `start`. The site is not read without an id.
        self.id.store(0, Ordering::Relaxed);
    }

    /// The poll is over, and was within this one.
    pub(crate) fn restore(&self, Outer(id, site): Outer) {
        // ORDERING: Relaxed: as in `start`.
        self.id.store(id, Ordering::Relaxed);
        // ORDERING: Relaxed: as in `start`.
        self.site.store(site, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn is_polling(&self) -> bool {
        // ORDERING: Relaxed: as in `start`.
        self.id.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn mark_stuck(&self, polls: u64) {
        // ORDERING: Relaxed: a hint for thieves; taking the task is an exchange of its own.
        self.stuck_at.store(polls + 1, Ordering::Relaxed);
    }

    pub(crate) fn is_stuck(&self, polls: u64) -> bool {
        // ORDERING: Relaxed: as above.
        self.stuck_at.load(Ordering::Relaxed) == polls + 1
    }
}
