#![expect(
    unsafe_code,
    reason = "using the right to poll: the steps between two states"
)]
//! What one does with the right to poll: hand it to the scheduler, use it, or give the task up.

use super::contain;
use super::current;
use super::error::JoinError;
use super::event::{TaskInfo, Unobserved};
use super::header::{Header, Polled};
use super::owned::Owner;
use super::runnable::Runnable;
use super::state::{EndPoll, Finish, StartPoll};
use super::tree::{Ending, Node, Turn};
use super::waker;
use lenio_sync::stop::{StopKind, StopReason};
use lenio_sync::wait::observe;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Context;

/// What became of a poll.
#[must_use]
pub(crate) enum Ran {
    /// The task waits for a wake, or is gone.
    Parked,
    /// The task was woken during its poll: queue it again.
    Again(Runnable),
    /// The task has finished.
    Finished,
    /// The task's future was dropped because of a cancel or a stop.
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
        let (ran, has_failed) = match header.state.start_poll() {
            StartPoll::Cancel => {
                let error = JoinError::cancelled(Some(header.id), None);
                // SAFETY: RUNNING is ours, and a task without a node is not past its body.
                unsafe { (header.vtable.cancel)(task, error) };
                (Ran::Cancelled, true)
            }
            StartPoll::AskTree { is_cancelled } => {
                // SAFETY: RUNNING is ours.
                return unsafe { run_in_tree(task, is_cancelled, mine) };
            }
            StartPoll::Poll => {
                // SAFETY: RUNNING is ours.
                match unsafe { poll_body(task) } {
                    // SAFETY: RUNNING is ours.
                    Polled::Pending => return unsafe { end_poll(task) },
                    Polled::Finished => (Ran::Finished, false),
                    Polled::Failed => (Ran::Finished, true),
                }
            }
        };
        match header.state.finish_alone() {
            // SAFETY: the outcome is published, and the task is not retired.
            Some(finish) => unsafe { complete(task, finish, false, mine) },
            None => {
                let Some(node) = header.node() else {
                    unreachable!("it has got a node during its last poll")
                };
                node.end_body(has_failed);
                // SAFETY: RUNNING is ours, the body is over.
                return unsafe { run_end(task, mine) };
            }
        }
        ran
    }
}

/// # Safety
///
/// The caller holds `RUNNING`, and the stage is the future.
#[inline(always)]
unsafe fn poll_body(task: NonNull<Header>) -> Polled {
    // SAFETY: running, hence alive.
    let header = unsafe { task.as_ref() };
    header.note_poll();
    // SAFETY: the task is polled here.
    let _inside = unsafe { current::enter(task) };
    // SAFETY: passed on.
    unsafe { (header.vtable.poll)(task) }
}

/// # Safety
///
/// As [`poll_body`].
unsafe fn poll_body_in_tree(task: NonNull<Header>, node: &Node) -> Polled {
    if !node.records_waits() {
        // SAFETY: passed on.
        return unsafe { poll_body(task) };
    }
    // SAFETY: passed on.
    let (polled, waits) = observe(|| unsafe { poll_body(task) });
    node.set_waits(waits);
    polled
}

/// # Safety
///
/// The caller holds `RUNNING`, and gives it up.
unsafe fn end_poll(task: NonNull<Header>) -> Ran {
    // SAFETY: running, hence alive.
    match unsafe { task.as_ref() }.state.end_poll() {
        EndPoll::Nothing => Ran::Parked,
        // SAFETY: the verdict is the right to poll.
        EndPoll::Again => Ran::Again(unsafe { Runnable::from_raw(task) }),
    }
}

/// A turn of a task that has a node.
///
/// # Safety
///
/// The caller holds `RUNNING`, and gives it up.
unsafe fn run_in_tree(task: NonNull<Header>, is_cancelled: bool, mine: Option<&Owner>) -> Ran {
    // SAFETY: running, hence alive; not used after `end_poll` or `run_end`.
    let header = unsafe { task.as_ref() };
    let Some(node) = header.node() else {
        unreachable!("the state says that there is a node")
    };
    if is_cancelled && !node.read().is_cancelled() {
        // Cancelled before it had a node, or by the end of its runtime.
        // SAFETY: whoever runs a task runs inside its scheduler, which keeps the owner alive.
        let is_shutdown = unsafe { Owner::of(header) }.is_closed();
        let kind = if is_shutdown {
            StopKind::Shutdown
        } else {
            StopKind::Requested
        };
        node.cancel(StopReason::new(kind));
    }
    let has_failed = match node.turn(!header.was_polled()) {
        // SAFETY: RUNNING is ours.
        Turn::Rest => return unsafe { end_poll(task) },
        // SAFETY: RUNNING is ours, the body is over.
        Turn::End => return unsafe { run_end(task, mine) },
        Turn::Drop(error) => {
            // SAFETY: the task is worked on here.
            let _inside = unsafe { current::enter(task) };
            // SAFETY: RUNNING is ours, and the body is not over.
            unsafe { (header.vtable.cancel)(task, error) };
            true
        }
        // SAFETY: RUNNING is ours, and the body is not over.
        Turn::Body => match unsafe { poll_body_in_tree(task, &node) } {
            // SAFETY: RUNNING is ours.
            Polled::Pending => return unsafe { end_poll(task) },
            Polled::Finished => false,
            Polled::Failed => true,
        },
    };
    if let Some(was_dropped) = node.end_at_once() {
        // SAFETY: the outcome is published, and the task is not retired.
        unsafe { complete(task, header.state.finish(), true, mine) };
        return if was_dropped {
            Ran::Cancelled
        } else {
            Ran::Finished
        };
    }
    node.end_body(has_failed);
    // SAFETY: RUNNING is ours, the body is over.
    unsafe { run_end(task, mine) }
}

/// Goes on with the end of a task that has a node.
///
/// # Safety
///
/// The caller holds `RUNNING`, and gives it up. The body is over, and the outcome is stored.
unsafe fn run_end(task: NonNull<Header>, mine: Option<&Owner>) -> Ran {
    // SAFETY: running, hence alive; not used after `end_poll` or `complete`.
    let header = unsafe { task.as_ref() };
    let Some(node) = header.node() else {
        unreachable!("the state says that there is a node")
    };
    // SAFETY: RUNNING is held for as long as the waker is used.
    let waker = unsafe { waker::borrowed(task) };
    // SAFETY: the task is worked on here.
    let inside = unsafe { current::enter(task) };
    let ended = node.poll_end(&mut Context::from_waker(&waker), poll_inside);
    if ended == Ending::Over {
        node.run_finish_callbacks();
    }
    drop(inside);
    match ended {
        // SAFETY: RUNNING is ours.
        Ending::Below | Ending::Finalizer => unsafe { end_poll(task) },
        Ending::Over => {
            let ran = if node.was_dropped() {
                Ran::Cancelled
            } else {
                Ran::Finished
            };
            // SAFETY: the outcome is published, and the task is not retired.
            unsafe { complete(task, header.state.finish(), true, mine) };
            ran
        }
    }
}

/// Calls `f` as a part of a task.
pub(crate) fn poll_inside(part: &Arc<Node>, f: &mut dyn FnMut()) {
    let _inside = current::enter_part(part, false);
    f();
}

impl Drop for Runnable {
    fn drop(&mut self) {
        let task = self.task();
        // SAFETY: not done, hence alive; not used after `complete`.
        let header = unsafe { task.as_ref() };
        // Whether or not a cancel was asked for: the right to poll is used to drop the future.
        let (StartPoll::Poll | StartPoll::Cancel | StartPoll::AskTree { .. }) =
            header.state.start_poll();
        let is_over = header.node().is_some_and(|node| node.read().is_body_done());
        if !is_over {
            let error = JoinError::cancelled(Some(header.id), None);
            // SAFETY: RUNNING is ours, and the body is not over.
            unsafe { (header.vtable.cancel)(task, error) };
        }
        let finish = header.state.finish_alone().unwrap_or_else(|| {
            if let Some(node) = header.node() {
                // Nobody will work on it any more.
                node.abandon();
            }
            header.state.finish()
        });
        // SAFETY: the outcome is published, and the task is not retired.
        unsafe { complete(task, finish, true, None) };
    }
}

/// Does what the end of a task owes to others, and retires it: from then on its owner's list may let go of it.
///
/// `has_node`: false if it had none when the outcome was published. Then whoever makes one later closes it.
///
/// # Safety
///
/// The caller has just published the outcome.
#[inline(always)]
unsafe fn complete(task: NonNull<Header>, finish: Finish, has_node: bool, mine: Option<&Owner>) {
    // SAFETY: the owner's list holds the task until it is retired, at the end of this function.
    let base = unsafe { Header::base(task) };
    let header = &base.header;
    // SAFETY: whoever completes a task runs inside its scheduler, which keeps the owner alive.
    let owner = unsafe { Owner::of(header) };
    if finish.drop_output {
        // SAFETY: the verdict makes the output ours.
        if let Some(error) = unsafe { (header.vtable.drop_output)(task) } {
            report_unobserved(header, owner, error);
        }
    }
    if has_node {
        if let Some(node) = header.node() {
            node.close();
        }
    }
    if finish.wake_joiner {
        if let Some(joiner) = base.joiner.take() {
            contain(|| joiner.wake());
        }
    }
    Owner::retire(base);
    owner.note_dead(mine);
}

/// Says that a task has failed and nobody will hear of it from its handle.
#[cold]
fn report_unobserved(header: &Header, owner: &Owner, error: JoinError) {
    if error.is_unobserved_failure() {
        if let Some(home) = owner.home() {
            let task = match header.node() {
                Some(node) => node.info(),
                None => TaskInfo::of_plain(header.id, header.spawned_at),
            };
            home.report_unobserved(&Unobserved {
                task,
                error: &error,
            });
        }
    }
    contain(move || drop(error));
}
