#![expect(
    unsafe_code,
    reason = "using the right to poll: the steps between two states"
)]
//! What one does with the right to poll: hand it to the scheduler, use it, or give the task up.

use super::contain;
use super::header::Header;
use super::owned::Owner;
use super::runnable::Runnable;
use super::state::{EndPoll, StartPoll};
use std::ptr::NonNull;

/// What became of a poll.
#[must_use]
pub(crate) enum Ran {
    /// The task waits for a wake, or is gone.
    Parked,
    /// The task was woken during its poll: queue it again.
    Again(Runnable),
    /// The task has finished.
    Finished,
    /// The task's future was dropped because of a cancel.
    Cancelled,
}

impl Runnable {
    /// Hands the task to the scheduler that owns it.
    pub(crate) fn submit(self) {
        // SAFETY: an owner outlives every task of its that is not done, and this one is not done until the runnable is used.
        let owner = unsafe { Owner::of(self.header()) };
        owner.schedule(self);
    }

    /// Polls the task, or drops its future if it was cancelled.
    ///
    /// `mine` is the owner that nobody but this thread lists tasks with at this time, if there is one.
    #[inline]
    pub(crate) fn run(self, mine: Option<&Owner>) -> Ran {
        let task = self.into_raw();
        // SAFETY: not done, hence alive; the reference is not used after `end_poll` or `complete`.
        let header = unsafe { task.as_ref() };
        let ran = match header.state.start_poll() {
            StartPoll::Cancel => {
                // SAFETY: RUNNING is ours.
                unsafe { (header.vtable.cancel)(task) };
                Ran::Cancelled
            }
            StartPoll::Poll => {
                // SAFETY: RUNNING is ours.
                let finished = unsafe { (header.vtable.poll)(task) };
                if !finished {
                    return match header.state.end_poll() {
                        EndPoll::Nothing => Ran::Parked,
                        // SAFETY: the verdict is the right to poll.
                        EndPoll::Again => Ran::Again(unsafe { Self::from_raw(task) }),
                    };
                }
                Ran::Finished
            }
        };
        // SAFETY: RUNNING is ours, the outcome is stored.
        unsafe { complete(task, mine) };
        ran
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        let task = self.task();
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

/// Publishes the outcome and retires the task: from then on its owner's list may let go of it.
///
/// # Safety
///
/// 1. The caller holds `RUNNING`.
/// 2. The future is gone and the outcome is stored.
unsafe fn complete(task: NonNull<Header>, mine: Option<&Owner>) {
    // SAFETY: the owner's list holds the task until it is retired, at the end of this function.
    let base = unsafe { Header::base(task) };
    // SAFETY: whoever completes a task runs inside its scheduler, which keeps the owner alive.
    let owner = unsafe { Owner::of(&base.header) };
    let finish = base.header.state.finish();
    if finish.drop_output {
        // SAFETY: the verdict makes the output ours.
        unsafe { (base.header.vtable.drop_output)(task) };
    }
    if finish.wake_joiner {
        if let Some(joiner) = base.joiner.take() {
            contain(|| joiner.wake());
        }
    }
    Owner::retire(base);
    owner.note_dead(mine);
}
