#![expect(
    unsafe_code,
    reason = "the typed handle of an untyped cell: it owns the output's type"
)]
//! Waiting for a task's outcome.

use super::contain;
use super::current;
use super::error::JoinError;
use super::event::{TaskInfo, Unobserved};
use super::header::{Base, Header, drop_reference};
use super::home::report_elsewhere;
use super::id::TaskId;
use super::runnable::Runnable;
use super::state::Wake;
use super::tree_link::{NodeOf, node_or_new};
use crate::policy::JoinLinks;
use lenio_sync::budget;
use lenio_sync::stop::{StopKind, StopReason};
use lenio_sync::wait::note;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, ready};

/// Waits for a task, and can stop or cancel it.
///
/// The handle is a future of the task's outcome, which is there when everything below the task has ended as well. Dropping the handle
/// changes nothing for the task: it runs on, and belongs to its parent or to the runtime. Its output is dropped when it comes; a panic that
/// nobody hears of so goes to the hook of [`Builder::on_unobserved`](crate::Builder::on_unobserved).
///
/// Costs one word; polling it allocates only if it is polled by another executor's task (the foreign waker is boxed).
///
/// # Cancel safety
///
/// Awaiting `&mut handle` loses nothing if that wait is dropped. Dropping the handle itself loses the output.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), lenio_executor::JoinError> {
/// let sum = lenio_executor::block_on(async {
///     let task = lenio_executor::spawn(async { 20 + 22 });
///     task.await
/// })?;
/// assert_eq!(sum, 42);
/// # Ok(())
/// # }
/// ```
pub struct JoinHandle<T> {
    /// `None`: the outcome was taken. A [`Refusal`]'s marker: there never was a task.
    task: Option<NonNull<Header>>,
    output: PhantomData<T>,
}

// SAFETY: the raw pointer forbids the auto trait. The handle gives access to the output (T) and to the state word, and it never touches
// the future; so it may go wherever a T may go.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through `&JoinHandle` only the state word, the id and the spawn site can be reached.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
impl<T> std::panic::UnwindSafe for JoinHandle<T> {}
impl<T> std::panic::RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// 1. The caller gives up one reference to the task, and its join interest.
    /// 2. The task's output has the type T.
    pub(super) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Self {
            task: Some(task),
            output: PhantomData,
        }
    }

    /// The handle of a task that was not accepted.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self {
            task: Some(refusal.marker()),
            output: PhantomData,
        }
    }

    fn task(&self) -> Option<NonNull<Header>> {
        self.task.filter(|task| Refusal::of(*task).is_none())
    }

    fn header(&self) -> Option<&Header> {
        // SAFETY: the handle holds a reference.
        self.task().map(|task| unsafe { task.as_ref() })
    }

    /// Asks for the task's future to be dropped at its next suspension point, after everything below it.
    ///
    /// The task's `Drop` code runs on a worker, after this call has returned. If the task finishes first, its output counts; else the
    /// handle yields an error for which [`JoinError::is_cancelled`] holds. Never blocks; calling it again changes nothing. To ask the
    /// task to finish by itself use [`stop`](Self::stop).
    ///
    /// A job of [`spawn_blocking`](crate::spawn_blocking) that has begun cannot be cancelled; one that waits in the queue never runs.
    ///
    /// # Examples
    ///
    /// ```
    /// lenio_executor::block_on(async {
    ///     let task = lenio_executor::spawn(std::future::pending::<()>());
    ///     task.cancel();
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        let Some(task) = self.task() else { return };
        // SAFETY: the handle holds a reference.
        let header = unsafe { task.as_ref() };
        if let Some(node) = header.node() {
            node.cancel(StopReason::new(StopKind::Requested));
        } else if header.state.cancel() == Wake::Submit {
            // SAFETY: the verdict is the right to poll.
            unsafe { Runnable::from_raw(task) }.submit();
        }
    }

    /// The node of the task, made if need be. `None` if there never was a task.
    pub(super) fn node_or_new(&self) -> Option<NodeOf<'_>> {
        // SAFETY: the handle holds a reference.
        self.task().map(|task| unsafe { node_or_new(task) })
    }

    /// The node of the task, if it has one.
    pub(crate) fn node(&self) -> Option<NodeOf<'_>> {
        self.header().and_then(Header::node)
    }

    /// Whether the outcome is there: awaiting the handle would return at once.
    pub fn is_finished(&self) -> bool {
        self.header().is_none_or(|header| header.state.is_done())
    }

    /// The task's identity.
    ///
    /// A handle whose outcome has been taken, or whose task was refused, reports the largest id, which no task has.
    pub fn id(&self) -> TaskId {
        self.header().map_or(TaskId::NONE, Header::id)
    }

    /// Takes the outcome if it is there.
    pub(crate) fn take_outcome(&mut self) -> Option<Result<T, JoinError>> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.is_finished()
            .then(|| match self.poll_outcome(&mut cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => unreachable!("a finished task has an outcome"),
            })
    }

    /// Leaves `waker` where the task will find it. True: the outcome is there already.
    pub(crate) fn report_to(&mut self, waker: std::task::Waker) -> bool {
        let Some(task) = self.task() else { return true };
        // SAFETY: the handle holds a reference.
        let base = unsafe { Header::base(task) };
        Self::leave_waker(base, &waker)
    }

    /// Puts a waker into the slot, or keeps the one that is there if it wakes the same task. True: the task is done, and no waker of
    /// ours is left in the slot.
    fn leave_waker(base: &Base, waker: &std::task::Waker) -> bool {
        let state = &base.header.state;
        if state.has_waker() {
            if base.joiner.holds_task_of(waker) {
                return false;
            }
            if !state.take_back_waker() {
                return true;
            }
            drop(base.joiner.take());
        }
        base.joiner.put(waker.clone());
        if state.give_waker() {
            return false;
        }
        // The task was done first, so the slot is still ours.
        drop(base.joiner.take());
        true
    }

    /// Takes the outcome, or leaves the waker of `cx` where the task will find it.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let Some(task) = self.task else {
            panic!("a join handle was polled after it had yielded the outcome");
        };
        if let Some(refusal) = Refusal::of(task) {
            self.task = None;
            return Poll::Ready(Err(JoinError::refused(refusal.why())));
        }
        // SAFETY: the handle holds a reference until `take` gives it up.
        let base = unsafe { Header::base(task) };
        if base.header.state.is_done() {
            return Poll::Ready(self.take(task));
        }
        if current::is(task) {
            // It would wait for ever. The task runs on; its handle is used up.
            let error = JoinError::would_deadlock(base.header.id);
            return Poll::Ready(Err(error));
        }
        if Self::leave_waker(base, cx.waker()) {
            return Poll::Ready(self.take(task));
        }
        note("the end of a task, spawned", base.header.spawned_at);
        current::with_node(|node| {
            let node = node.filter(|node| node.policy().join_links == JoinLinks::Always)?;
            // SAFETY: the handle holds a reference.
            let target = unsafe { node_or_new(task) };
            node.link_once(&target);
            Some(())
        });
        Poll::Pending
    }

    /// Takes the outcome of a task that is done, and lets go of the task.
    fn take(&mut self, task: NonNull<Header>) -> Result<T, JoinError> {
        let mut outcome: Option<Result<T, JoinError>> = None;
        let to: *mut Option<Result<T, JoinError>> = &mut outcome;
        // SAFETY: the handle holds a reference.
        let take_output = unsafe { task.as_ref() }.vtable.take_output;
        // SAFETY: DONE was seen while the handle had interest, so the output is ours, and T is its type.
        unsafe { take_output(task, to.cast()) };
        self.task = None;
        // SAFETY: the handle's reference, which it no longer has.
        unsafe { drop_reference(task) };
        match outcome {
            Some(outcome) => outcome,
            None => unreachable!("take_output fills what it is given"),
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_proceed(cx));
        self.poll_outcome(cx)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let Some(task) = self.task() else { return };
        // SAFETY: the handle holds a reference until the end of this function.
        let base = unsafe { Header::base(task) };
        if base.header.state.drop_newborn_handle() {
            return;
        }
        let verdict = base.header.state.drop_handle();
        if verdict.drop_waker {
            let waker = base.joiner.take();
            contain(move || drop(waker));
        }
        if verdict.drop_output {
            // SAFETY: the verdict makes the output ours, and it was not taken (`self.task` would be None).
            if let Some(error) = unsafe { (base.header.vtable.drop_output)(task) } {
                unobserved(base, error);
            }
        }
        // SAFETY: the handle's reference.
        unsafe { drop_reference(task) };
    }
}

/// The task failed before its handle was dropped without a look at the outcome.
///
/// The runtime may be gone by now, and its hook with it: the failure goes to the standard error, unless the current runtime takes it.
#[cold]
fn unobserved(base: &Base, error: JoinError) {
    if error.is_unobserved_failure() {
        let task = match base.header.node() {
            Some(node) => node.info(),
            None => TaskInfo::of_plain(base.header.id, base.header.spawned_at),
        };
        let failure = Unobserved {
            task,
            error: &error,
        };
        contain(|| report_elsewhere(&failure));
    }
    contain(move || drop(error));
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// Stand in for the task that a refused handle does not have: one per reason. Compared by address, never followed.
static REFUSALS: [u64; 3] = [0; 3];

/// Why a task was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Stopping,
    NoLocalSet,
    Closed,
}

impl Refusal {
    const ALL: [Self; 3] = [Self::Stopping, Self::NoLocalSet, Self::Closed];

    fn marker(self) -> NonNull<Header> {
        NonNull::from(&REFUSALS[self as usize]).cast()
    }

    /// The refusal that a handle's pointer stands for, if it is not a task.
    fn of(task: NonNull<Header>) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|refusal| refusal.marker() == task)
    }

    fn why(self) -> &'static str {
        match self {
            Self::Stopping => "the runtime is shutting down",
            Self::NoLocalSet => "spawn_local was called outside of a local set",
            Self::Closed => "the serial worker was closed",
        }
    }
}
