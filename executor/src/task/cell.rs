#![expect(
    unsafe_code,
    reason = "the task's memory: allocation, the future in place, the outcome in place"
)]
//! The typed part of the task cell.
//!
//! The *stage* is a union: the future until the task finishes, the outcome until it is taken or dropped, nothing after that. Which one
//! it is follows from the state word and is never stored twice:
//!
//! | state | stage | belongs to |
//! |---|---|---|
//! | not `DONE`, not `RUNNING` | future | nobody |
//! | `RUNNING` | future, then outcome | the poller |
//! | `DONE`, handle had interest at that moment | outcome until taken | the handle |
//! | `DONE` otherwise | outcome, dropped at once | the finisher |

use super::body::Body;
use super::error::JoinError;
use super::header::{Base, Header, JoinerSlot, Polled, VTable};
use super::id::TaskId;
use super::join::JoinHandle;
use super::owned::Owner;
use super::panicked::panicked;
use super::runnable::Runnable;
use super::state::State;
use super::tree::Node;
use super::tree_link;
use super::{contain, drop_payload, memory, waker};
use lenio_sync::primitive::UnsafeCell;
use lenio_sync::primitive::atomic::AtomicPtr;
use lenio_sync::primitive::plain::AtomicBool;
use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Context, Poll};

/// A whole task.
#[repr(C)]
struct Cell<F: Body> {
    base: Base,
    stage: UnsafeCell<Stage<F>>,
}

union Stage<F: Body> {
    future: ManuallyDrop<F>,
    outcome: ManuallyDrop<Result<F::Output, JoinError>>,
}

/// A new task: the right to poll it, and the right to its output.
#[derive(Debug)]
#[must_use]
pub(crate) struct Spawned<T> {
    pub(crate) runnable: Runnable,
    pub(crate) handle: JoinHandle<T>,
}

/// Makes a task that may run on any thread. The caller lists it with its owner and queues the runnable.
///
/// # Safety
///
/// `owner` stays alive until every task of its is done.
#[inline(always)]
pub(crate) unsafe fn new_task<F>(
    future: F,
    owner: NonNull<Owner>,
    node: Option<Arc<Node>>,
    spawned_at: &'static Location<'static>,
) -> Spawned<F::Output>
where
    F: Body + Send,
    F::Output: Send,
{
    // SAFETY: the future is Send, so it may be polled and dropped on any thread; the rest is passed on.
    unsafe { new_local(future, owner, node, spawned_at) }
}

/// Makes a task that must be polled, and its future dropped, on the thread that it was made on.
///
/// # Safety
///
/// 1. `owner` stays alive until every task of its is done.
/// 2. The runnable is used (run or dropped) only on a thread on which the future may be used.
#[inline(always)]
pub(crate) unsafe fn new_local<F: Body>(
    future: F,
    owner: NonNull<Owner>,
    node: Option<Arc<Node>>,
    spawned_at: &'static Location<'static>,
) -> Spawned<F::Output> {
    let task = match node {
        None => new_cell(future, owner, State::new(), TaskId::next(), spawned_at),
        Some(node) => {
            let id = node.id().unwrap_or_else(TaskId::next);
            let task = new_cell(future, owner, State::born_in_tree(), id, spawned_at);
            // SAFETY: the task is ours alone so far.
            unsafe { tree_link::attach_newborn(task, node) };
            task
        }
    };
    // SAFETY: a newborn is SCHEDULED: the right to poll exists and is ours.
    let runnable = unsafe { Runnable::from_raw(task) };
    // SAFETY: a newborn's state counts the handle's reference and its interest, and the outcome has the type F::Output.
    let handle = unsafe { JoinHandle::from_raw(task) };
    Spawned { runnable, handle }
}

#[inline(always)]
fn new_cell<F: Body>(
    future: F,
    owner: NonNull<Owner>,
    state: State,
    id: TaskId,
    spawned_at: &'static Location<'static>,
) -> NonNull<Header> {
    let cell = Cell {
        base: Base {
            header: Header {
                state,
                vtable: &VTables::<F>::VTABLE,
                next: AtomicPtr::new(ptr::null_mut()),
                owner: owner.cast(),
                node: AtomicPtr::new(ptr::null_mut()),
                spawned_at,
                id,
                polled: AtomicBool::new(false),
            },
            owned_next: AtomicPtr::new(ptr::null_mut()),
            joiner: JoinerSlot::new(),
        },
        stage: UnsafeCell::new(Stage {
            future: ManuallyDrop::new(future),
        }),
    };
    let place = memory::allocate::<Cell<F>>();
    // SAFETY: fresh memory for just this type.
    unsafe { place.write(cell) };
    // The header is the first field (repr(C)); the pointer keeps the provenance of the whole cell.
    place.cast::<Header>()
}

struct VTables<F>(std::marker::PhantomData<F>);

impl<F: Body> VTables<F> {
    const VTABLE: VTable = VTable {
        poll: poll::<F>,
        cancel: cancel::<F>,
        take_output: take_output::<F>,
        drop_output: drop_output::<F>,
        free: free_cell::<F>,
    };
}

/// # Safety
///
/// `task` is the header of a live `Cell<F>`.
unsafe fn cell<'a, F: Body>(task: NonNull<Header>) -> &'a Cell<F> {
    // SAFETY: the header is the first field of the cell (repr(C)); the rest by contract.
    unsafe { task.cast::<Cell<F>>().as_ref() }
}

impl<F: Body> Cell<F> {
    /// # Safety
    ///
    /// The stage is the future and belongs to the caller.
    unsafe fn poll_future(&self, cx: &mut Context<'_>) -> Poll<Result<F::Output, JoinError>> {
        self.stage.with_mut(|stage| {
            // SAFETY: nobody else touches the stage, by contract.
            let stage = unsafe { &mut *stage };
            // SAFETY: the stage is the future, by contract.
            let future = unsafe { &mut *stage.future };
            // SAFETY: the cell is never moved, and the future is dropped in place.
            unsafe { Pin::new_unchecked(future) }.poll(cx)
        })
    }

    /// # Safety
    ///
    /// The stage is the future and belongs to the caller; afterwards it is empty, also if the drop panics.
    unsafe fn drop_future(&self) -> Result<(), Box<dyn Any + Send>> {
        self.stage.with_mut(|stage| {
            // SAFETY: nobody else touches the stage, by contract.
            let stage = unsafe { &mut *stage };
            // SAFETY: the stage is the future, by contract.
            let future = unsafe { &mut stage.future };
            // SAFETY: dropped once: the stage counts as empty from here on.
            catch_unwind(AssertUnwindSafe(|| unsafe { ManuallyDrop::drop(future) }))
        })
    }

    /// # Safety
    ///
    /// The stage is empty and belongs to the caller.
    unsafe fn put_outcome(&self, outcome: Result<F::Output, JoinError>) {
        self.stage.with_mut(|stage| {
            let full = Stage {
                outcome: ManuallyDrop::new(outcome),
            };
            // SAFETY: nobody else touches the stage, by contract; it holds nothing that needs dropping.
            unsafe { stage.write(full) };
        });
    }

    /// # Safety
    ///
    /// The stage is the outcome and belongs to the caller; afterwards it is empty.
    unsafe fn take_outcome(&self) -> Result<F::Output, JoinError> {
        self.stage.with_mut(|stage| {
            // SAFETY: nobody else touches the stage, by contract.
            let stage = unsafe { &mut *stage };
            // SAFETY: the stage is the outcome, by contract.
            let outcome = unsafe { &mut stage.outcome };
            // SAFETY: taken once, by contract.
            unsafe { ManuallyDrop::take(outcome) }
        })
    }
}

/// # Safety
///
/// As [`VTable::poll`].
unsafe fn poll<F: Body>(task: NonNull<Header>) -> Polled {
    // SAFETY: RUNNING keeps the cell alive.
    let cell = unsafe { cell::<F>(task) };
    // SAFETY: RUNNING is held for as long as the waker is used.
    let waker = unsafe { waker::borrowed(task) };
    let mut cx = Context::from_waker(&waker);
    // SAFETY: RUNNING makes the stage ours, and before DONE it is the future.
    let polled = catch_unwind(AssertUnwindSafe(|| unsafe { cell.poll_future(&mut cx) }));
    let outcome = match polled {
        Ok(Poll::Pending) => return Polled::Pending,
        Ok(Poll::Ready(outcome)) => outcome,
        // SAFETY: RUNNING keeps the task alive.
        Err(payload) => Err(unsafe { panicked(task, payload) }),
    };
    // SAFETY: as above.
    let dropped = unsafe { cell.drop_future() };
    let outcome = match (outcome, dropped) {
        (outcome, Ok(())) => outcome,
        (Ok(output), Err(payload)) => {
            // The future failed while it was torn down: that is the task's outcome. Its output goes first, and in peace.
            contain(move || drop(output));
            // SAFETY: as above.
            Err(unsafe { panicked(task, payload) })
        }
        (Err(first), Err(second)) => {
            drop_payload(second);
            Err(first)
        }
    };
    let polled = match outcome {
        Ok(_) => Polled::Finished,
        Err(_) => Polled::Failed,
    };
    // SAFETY: the stage is ours, and empty since `drop_future`.
    unsafe { cell.put_outcome(outcome) };
    polled
}

/// # Safety
///
/// As [`VTable::cancel`].
unsafe fn cancel<F: Body>(task: NonNull<Header>, error: JoinError) {
    // SAFETY: RUNNING keeps the cell alive.
    let cell = unsafe { cell::<F>(task) };
    // SAFETY: RUNNING makes the stage ours, and it is the future, by contract.
    let error = match unsafe { cell.drop_future() } {
        Ok(()) => error,
        // SAFETY: RUNNING keeps the task alive.
        Err(payload) => unsafe { panicked(task, payload) },
    };
    // SAFETY: the stage is ours, and empty since `drop_future`.
    unsafe { cell.put_outcome(Err(error)) };
}

/// # Safety
///
/// As [`VTable::take_output`].
unsafe fn take_output<F: Body>(task: NonNull<Header>, to: *mut ()) {
    // SAFETY: whoever owns the output holds a reference.
    let cell = unsafe { cell::<F>(task) };
    // SAFETY: the output is the caller's.
    let outcome = unsafe { cell.take_outcome() };
    // SAFETY: `to` points to an Option of just this type (see `JoinHandle::take`), which is initialised.
    unsafe { *to.cast::<Option<Result<F::Output, JoinError>>>() = Some(outcome) };
}

/// # Safety
///
/// As [`VTable::drop_output`].
unsafe fn drop_output<F: Body>(task: NonNull<Header>) -> Option<JoinError> {
    // SAFETY: whoever owns the output holds a reference.
    let cell = unsafe { cell::<F>(task) };
    // SAFETY: the output is the caller's.
    let outcome = unsafe { cell.take_outcome() };
    match outcome {
        Ok(output) => {
            if std::mem::needs_drop::<F::Output>() {
                contain(move || drop(output));
            }
            None
        }
        Err(error) => Some(error),
    }
}

/// # Safety
///
/// As [`VTable::free`].
unsafe fn free_cell<F: Body>(task: NonNull<Header>) {
    let place = task.cast::<Cell<F>>();
    // SAFETY: nobody else is left.
    unsafe { tree_link::detach_dead(task) };
    if cfg!(lenio_loom) {
        // Loom's atomics own memory; std's do not, and nothing else in a finished cell needs dropping: the stage is a union.
        // SAFETY: nobody else is left, and the cell is not used again.
        unsafe { place.drop_in_place() };
    }
    // SAFETY: from `allocate` in `new_local`; nobody else is left.
    unsafe { memory::release(place) };
}
