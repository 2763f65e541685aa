#![expect(
    unsafe_code,
    reason = "the right to poll a task, as a value that cannot be forged"
)]
//! The right to poll a task once.

use super::header::Header;
use super::owned::Owner;
use super::state::{EndPoll, StartPoll};
use super::{TaskId, waker};
use std::panic::Location;
use std::ptr::NonNull;

/// The right to poll a task once. At most one exists per task at any time.
///
/// A runnable that is dropped unused cancels its task in place, on the dropping thread: a task is never silently forgotten.
#[derive(PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Runnable(NonNull<Header>);

// SAFETY: the pointer forbids the auto trait. The task's future is Send (or the scheduler that made it keeps it on its thread), and
// everything else in the cell is guarded by the state word.
unsafe impl Send for Runnable {}

/// What became of a poll.
#[must_use]
pub(crate) enum Ran {
    /// The task waits for a wake, or is gone.
    Parked,
    /// The task was woken during its poll: queue it again.
    Again(Runnable),
    /// The task has finished.
    Finished,
}

impl Runnable {
    /// # Safety
    ///
    /// The caller has the right to poll (a `Submit` verdict, or a runnable turned into a pointer) and gives it up.
    pub(crate) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Self(task)
    }

    /// Turns the right into a pointer, for intrusive queues.
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        let task = self.0;
        std::mem::forget(self);
        task
    }

    pub(super) fn task(&self) -> NonNull<Header> {
        self.0
    }

    fn header(&self) -> &Header {
        // SAFETY: a task with a runnable is not done, hence alive.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.header().id
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.header().spawned_at
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.header().name()
    }

    /// Hands the task to the scheduler that owns it.
    pub(crate) fn submit(self) {
        let owner = self.header().owner;
        // SAFETY: an owner outlives every task of its that is not done, and this one is not done until the runnable is used.
        unsafe { owner.as_ref() }.schedule(self);
    }

    /// Polls the task, or drops its future if it was cancelled.
    ///
    /// `mine` is the owner that nobody but this thread lists tasks with at this time, if there is one.
    #[inline]
    pub(crate) fn run(self, mine: Option<&Owner>) -> Ran {
        let task = self.into_raw();
        // SAFETY: not done, hence alive; the reference is not used after `end_poll` or `complete`.
        let header = unsafe { task.as_ref() };
        match header.state.start_poll() {
            StartPoll::Cancel => {
                // SAFETY: RUNNING is ours.
                unsafe { (header.vtable.cancel)(task) };
            }
            StartPoll::Poll => {
                // SAFETY: RUNNING is ours.
                let finished = unsafe { (header.vtable.poll)(task) };
                if !finished {
                    return match header.state.end_poll() {
                        EndPoll::Nothing => Ran::Parked,
                        EndPoll::Again => Ran::Again(Self(task)),
                    };
                }
            }
        }
        // SAFETY: RUNNING is ours, the outcome is stored.
        unsafe { complete(task, mine) };
        Ran::Finished
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        let task = self.0;
        // SAFETY: not done, hence alive; not used after `complete`.
        let header = unsafe { task.as_ref() };
        // Whether or not a cancel was asked for: the right to poll is used to drop the future.
        let (StartPoll::Poll | StartPoll::Cancel) = header.state.start_poll();
        // SAFETY: RUNNING is ours.
        unsafe { (header.vtable.cancel)(task) };
        // SAFETY: RUNNING is ours, the outcome is stored.
        unsafe { complete(task, None) };
    }
}

impl std::fmt::Debug for Runnable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Runnable").field(&self.id()).finish()
    }
}

/// Publishes the outcome and retires the task: from then on its owner's list may let go of it.
///
/// # Safety
///
/// 1. The caller holds `RUNNING`.
/// 2. The future is gone and the outcome is stored.
unsafe fn complete(task: NonNull<Header>, mine: Option<&Owner>) {
    // SAFETY: the owner's list holds the task until it is retired, at the end of this function.
    let base = unsafe { Header::base(task) };
    let owner = base.header.owner;
    let finish = base.header.state.finish();
    if finish.drop_output {
        // SAFETY: the verdict makes the output ours.
        unsafe { (base.header.vtable.drop_output)(task) };
    }
    if finish.wake_joiner {
        if let Some(joiner) = base.joiner.take() {
            super::contain(|| joiner.wake());
        }
    }
    Owner::retire(base);
    // SAFETY: whoever completes a task runs inside its scheduler, which keeps the owner alive.
    unsafe { owner.as_ref() }.note_dead(mine);
}

/// A waker for the poll that is going on.
///
/// # Safety
///
/// The caller holds `RUNNING` for as long as the waker is used.
pub(super) unsafe fn poll_waker(task: NonNull<Header>) -> std::mem::ManuallyDrop<std::task::Waker> {
    // SAFETY: a running task is not done, hence alive.
    unsafe { waker::borrowed(task) }
}
