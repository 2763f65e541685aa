#![expect(unsafe_code, reason = "an intrusive list of counted tasks")]
//! The list of living tasks, so that a shutdown and a dump find every one of them.
//!
//! Each worker has an [`Owner`], and so has everything else that spawns. A task is pushed at birth: two stores, no lock, no allocation. It is *not* unlinked when it finishes; the finisher marks it as retired and counts it as dead. When half of a list is
//! dead a *pass* begins, which unlinks the dead, [`STEP`] visits at a time: at spawns, at maintenance, and before a worker would park.
//! So a finished task costs about two visits, no lock is shared between spawning and finishing workers, nobody ever walks a
//! long list in one go, and a list holds about as many dead as living tasks at most, plus [`SWEEP_AT`].
//!
//! The list's reference is what keeps a task alive until it is retired: neither its queue nor its poll counts one.
//!
//! Rejected: a doubly linked list under a lock (two locked operations per task, contended when tasks finish elsewhere than where
//! they were spawned), and a walk over the workers' memory chunks (needs an allocator of our own).
//!
//! # Who may touch the links
//!
//! | what | who | when |
//! |---|---|---|
//! | `head` | the lister pushes; nobody else writes it: a pass begins behind the first task | |
//! | `owned_next` of a listed task | the pusher before the push; then whoever holds `sweeping` | |
//! | `next` of a listed task | its queue while it is queued; the finisher retires it by pointing it at [`RETIRED`] | |
//! | a listed task's memory | kept alive by the list's reference, given up by the sweeper | once it is retired |

use super::header::{Base, Header, drop_reference, free};
use super::home::Home;
use super::runnable::Runnable;
use super::state::Wake;
use lenio_sync::primitive::Mutex;
use lenio_sync::primitive::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicUsize, Ordering};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Every task is accepted.
const OPEN: u8 = 0;
/// Tasks without a parent are refused.
const NO_ROOTS: u8 = 1;
/// Every task is refused.
const CLOSED: u8 = 2;

/// Dead tasks that a list may hold before a pass begins.
const SWEEP_AT: usize = 64;
/// Tasks that one step of a pass visits: a few microseconds at most.
const STEP: usize = 64;

/// Who the tasks of one worker, or of one spawner outside the workers, belong to.
///
/// At any time at most one thread lists tasks: the worker of the place, the thread of the local set, or whoever holds the lock of the
/// spawner. That thread is the owner's *lister*; it counts with plain loads and stores.
pub(crate) struct Owner {
    head: AtomicPtr<Header>,
    /// Tasks that were ever listed. Written by the lister.
    listed: AtomicUsize,
    /// Tasks that finished on the lister's thread. Written by the lister.
    dead_here: AtomicUsize,
    /// Tasks that finished elsewhere.
    dead_elsewhere: AtomicUsize,
    /// Tasks that were swept. Written under `sweeping`.
    swept: AtomicUsize,
    /// `OPEN`, `NO_ROOTS` or `CLOSED`.
    closed: AtomicU8,
    /// Whether a pass is under way. Written under `sweeping`.
    passing: AtomicBool,
    sweeping: Mutex<Pass>,
    schedule: fn(*const (), Runnable),
    home: fn(*const ()) -> Option<Arc<dyn Home>>,
    scheduler: *const (),
}

/// Where a pass stands: at a task that stays, whose successor is next.
struct Pass(Option<NonNull<Header>>);

// SAFETY: `scheduler` and the pass forbid the auto traits. A pass points to a listed task, which is alive and is unlinked only by
// whoever holds the lock around the pass. `scheduler` is only handed back to `schedule`, whose author vouches for it (`Owner::new`).
unsafe impl Send for Owner {}
// SAFETY: as above; everything else is atomic or locked.
unsafe impl Sync for Owner {}

impl Owner {
    /// Makes an empty list whose tasks are queued by `schedule(scheduler, runnable)`, and whose runtime is `home(scheduler)`.
    ///
    /// # Safety
    ///
    /// Both may be called with `scheduler` from any thread, for as long as a task of this owner is not done.
    pub(crate) unsafe fn new(
        schedule: fn(*const (), Runnable),
        home: fn(*const ()) -> Option<Arc<dyn Home>>,
        scheduler: *const (),
    ) -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            listed: AtomicUsize::new(0),
            dead_here: AtomicUsize::new(0),
            dead_elsewhere: AtomicUsize::new(0),
            swept: AtomicUsize::new(0),
            closed: AtomicU8::new(OPEN),
            passing: AtomicBool::new(false),
            sweeping: Mutex::new(Pass(None)),
            schedule,
            home,
            scheduler,
        }
    }

    /// The owner of a task.
    ///
    /// # Safety
    ///
    /// The task is not retired, or the caller runs inside the owner's scheduler: then the owner is alive for `'a`.
    pub(super) unsafe fn of<'a>(task: &Header) -> &'a Self {
        // SAFETY: every cell is made with an owner (`new_local`), which outlives its tasks.
        unsafe { task.owner.cast::<Self>().as_ref() }
    }

    /// The runtime behind it, if there is one.
    pub(super) fn home(&self) -> Option<Arc<dyn Home>> {
        (self.home)(self.scheduler)
    }

    pub(super) fn schedule(&self, runnable: Runnable) {
        (self.schedule)(self.scheduler, runnable);
    }

    /// Lists a newborn task. To be called by the lister, once per task, before its first poll.
    #[inline]
    pub(crate) fn list(&self, newborn: &Runnable) {
        // SAFETY: a newborn task is alive, and its list reference was counted at birth.
        unsafe { self.push(newborn.task()) };
        add(&self.listed);
        self.sweep_if_worth_it();
    }

    /// # Safety
    ///
    /// The list gets one reference to `task`, which is not listed.
    unsafe fn push(&self, task: NonNull<Header>) {
        // SAFETY: alive by the reference that the list gets.
        let base = unsafe { Header::base(task) };
        // ORDERING: Relaxed: only the lister writes `head`, and it is us; what the last lister wrote came with the role.
        let head = self.head.load(Ordering::Relaxed);
        // ORDERING: Relaxed: published by the store below.
        base.owned_next.store(head, Ordering::Relaxed);
        // ORDERING: Release publishes the link (and the newborn's header) to the Acquire in `walk` and `sweep`. Older tasks were
        // published by older stores; a later store by the next lister continues from what it saw of this one.
        self.head.store(task.as_ptr(), Ordering::Release);
    }

    /// Marks a finished task as one that nobody works on any more. The caller does not touch it afterwards.
    #[inline]
    pub(super) fn retire(base: &Base) {
        let mark = ptr::from_ref(&RETIRED).cast_mut().cast::<Header>();
        // ORDERING: Release pairs with the Acquire in `is_retired`: the finisher's uses of the cell are over.
        base.header.next.store(mark, Ordering::Release);
    }

    fn is_retired(base: &Base) -> bool {
        // ORDERING: Acquire pairs with the Release in `retire`.
        let next = base.header.next.load(Ordering::Acquire);
        ptr::eq(next.cast_const().cast(), &RETIRED)
    }

    /// Counts a retired task. `mine` is the owner whose lister the calling thread is.
    #[inline]
    pub(super) fn note_dead(&self, mine: Option<&Self>) {
        if mine.is_some_and(|mine| ptr::eq(mine, self)) {
            add(&self.dead_here);
        } else {
            // ORDERING: Release pairs with the Acquire in `living`.
            self.dead_elsewhere.fetch_add(1, Ordering::Release);
        }
    }

    fn dead(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `note_dead`: whoever counts a task as dead sees what its last poll did.
        let elsewhere = self.dead_elsewhere.load(Ordering::Acquire);
        // ORDERING: Acquire pairs with the Release in `add`.
        elsewhere.wrapping_add(self.dead_here.load(Ordering::Acquire))
    }

    /// Whether at least half of the list is dead, and enough to pay for a walk.
    #[inline]
    fn is_worth_sweeping(&self) -> bool {
        // ORDERING: Relaxed on all: a hint; a stale answer delays a sweep. The counts may wrap and may run behind a sweep.
        let swept = self.swept.load(Ordering::Relaxed);
        // ORDERING: Relaxed: as above.
        let here = self.dead_here.load(Ordering::Relaxed);
        // ORDERING: Relaxed: as above.
        let elsewhere = self.dead_elsewhere.load(Ordering::Relaxed);
        let dead = here.wrapping_add(elsewhere).wrapping_sub(swept);
        if dead < SWEEP_AT {
            return false;
        }
        // ORDERING: Relaxed: as above.
        let listed = self.listed.load(Ordering::Relaxed).wrapping_sub(swept);
        dead <= listed && dead.wrapping_mul(2) >= listed
    }

    /// Takes a step of a pass where one is under way or worth it. Returns whether the pass goes on after it.
    #[inline]
    pub(crate) fn sweep_if_worth_it(&self) -> bool {
        // ORDERING: Relaxed: a hint; the pass itself is behind the lock.
        (self.passing.load(Ordering::Relaxed) || self.is_worth_sweeping()) && self.sweep()
    }

    /// One step. Returns at once if somebody else is at it.
    #[cold]
    pub(super) fn sweep(&self) -> bool {
        let Some(mut pass) = self.sweeping.try_lock() else {
            return false;
        };
        // ORDERING: Acquire pairs with the Release in `push`.
        let newest = || NonNull::new(self.head.load(Ordering::Acquire));
        let Some(mut stays) = pass.0.or_else(newest) else {
            return false;
        };
        let mut swept = 0;
        for _ in 0..STEP {
            // SAFETY: listed, hence alive by the list's reference.
            let behind = unsafe { &Header::base(stays).owned_next };
            // ORDERING: Relaxed: ordered by the Acquire above, or by the lock; only we change links while we hold it.
            let Some(task) = NonNull::new(behind.load(Ordering::Relaxed)) else {
                pass.0 = None;
                break;
            };
            // SAFETY: listed, hence alive by the list's reference.
            let base = unsafe { Header::base(task) };
            if !Self::is_retired(base) {
                stays = task;
                pass.0 = Some(stays);
                continue;
            }
            // ORDERING: Relaxed: as above.
            let next = base.owned_next.load(Ordering::Relaxed);
            // ORDERING: Relaxed: made visible by the lock.
            behind.store(next, Ordering::Relaxed);
            pass.0 = Some(stays);
            swept += 1;
            if base.header.state.is_last_reference() {
                // SAFETY: the list's reference is the last one, and the task is unlinked.
                unsafe { free(task) };
            } else {
                // SAFETY: the list's reference, given up once: the task is unlinked.
                unsafe { drop_reference(task) };
            }
        }
        // ORDERING: Relaxed: written under `sweeping` only.
        let before = self.swept.load(Ordering::Relaxed);
        // ORDERING: Relaxed: a hint for `is_worth_sweeping`.
        self.swept
            .store(before.wrapping_add(swept), Ordering::Relaxed);
        let goes_on = pass.0.is_some();
        // ORDERING: Relaxed: a hint, see `sweep_if_worth_it`.
        self.passing.store(goes_on, Ordering::Relaxed);
        goes_on
    }

    /// Calls `f` for each task that is not done. Blocks while somebody sweeps. `f` must not run user code.
    pub(crate) fn for_each_living(&self, mut f: impl FnMut(&Header)) {
        self.walk(|task| {
            // SAFETY: listed, hence alive for the duration of the call.
            f(unsafe { task.as_ref() });
        });
    }

    fn walk(&self, mut f: impl FnMut(NonNull<Header>)) {
        let _walking = self.sweeping.lock();
        // ORDERING: Acquire pairs with the Release in `push`.
        let mut at = self.head.load(Ordering::Acquire);
        while let Some(task) = NonNull::new(at) {
            // SAFETY: listed, hence alive; nobody unlinks while `sweeping` is held.
            let base = unsafe { Header::base(task) };
            if !base.header.state.is_done() {
                f(task);
            }
            // ORDERING: Relaxed: ordered by the Acquire above.
            at = base.owned_next.load(Ordering::Relaxed);
        }
    }

    /// Refuses further tasks that nobody is the parent of.
    pub(crate) fn refuse_roots(&self) {
        // ORDERING: Release pairs with the Acquire in `refuses_roots`. Closed stays closed.
        self.closed.fetch_max(NO_ROOTS, Ordering::Release);
    }

    /// Refuses further tasks. Tasks that are being listed at this moment are found by the next [`cancel_all`](Self::cancel_all) of
    /// the thread that lists them.
    pub(crate) fn close(&self) {
        // ORDERING: Release pairs with the Acquire in `is_closed`.
        self.closed.store(CLOSED, Ordering::Release);
    }

    #[inline]
    pub(crate) fn refuses_roots(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `refuse_roots` and `close`.
        self.closed.load(Ordering::Acquire) != OPEN
    }

    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `close`.
        self.closed.load(Ordering::Acquire) == CLOSED
    }

    /// Every task that is not done, each with a reference of its own that the caller gives up.
    pub(super) fn living_tasks(&self) -> Vec<NonNull<Header>> {
        let mut living = Vec::new();
        self.walk(|task| {
            // SAFETY: listed, hence alive for the duration of the call.
            unsafe { task.as_ref() }.state.add_reference();
            living.push(task);
        });
        living
    }

    /// Asks every living task to be dropped.
    pub(crate) fn cancel_all(&self) {
        // Submitting runs scheduler code, so it waits until the walk is over.
        let mut submit = Vec::new();
        self.walk(|task| {
            // SAFETY: listed, hence alive for the duration of the call.
            let state = unsafe { &task.as_ref().state };
            if state.is_cancelled() {
                return;
            }
            if state.cancel() == Wake::Submit {
                // SAFETY: the verdict is the right to poll.
                submit.push(unsafe { Runnable::from_raw(task) });
            }
        });
        for runnable in submit {
            runnable.submit();
        }
    }

    /// How many listed tasks are not retired. Never too few once the owner is closed and nobody lists any more.
    pub(crate) fn living(&self) -> usize {
        let dead = self.dead();
        // ORDERING: Acquire pairs with the Release in `add`. Read after the dead, each of which was listed before it died.
        let listed = self.listed.load(Ordering::Acquire);
        listed.wrapping_sub(dead)
    }
}

/// One more, counted by the only thread that writes `count` at this time.
#[inline(always)]
fn add(count: &AtomicUsize) {
    // ORDERING: Relaxed: the last value was written by this thread, or before it became the writer.
    let before = count.load(Ordering::Relaxed);
    // ORDERING: Release pairs with the Acquire in `dead` and `living`.
    count.store(before.wrapping_add(1), Ordering::Release);
}

/// What the queue link of a retired task points to. Compared by address, never followed.
static RETIRED: u64 = 0;

impl Drop for Owner {
    fn drop(&mut self) {
        // Nobody spawns here any more, and every task is retired: the owner outlives them all.
        // ORDERING: Acquire pairs with the Release in `push`.
        let mut at = self.head.load(Ordering::Acquire);
        while let Some(task) = NonNull::new(at) {
            // SAFETY: listed, hence alive by the list's reference.
            let base = unsafe { Header::base(task) };
            // ORDERING: Relaxed: nobody else is left.
            at = base.owned_next.load(Ordering::Relaxed);
            debug_assert!(Self::is_retired(base), "an owner went before its tasks");
            // SAFETY: the list's reference, given up once: nobody walks the list any more.
            unsafe { drop_reference(task) };
        }
    }
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner")
            .field("living", &self.living())
            .finish_non_exhaustive()
    }
}
