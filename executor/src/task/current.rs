#![expect(
    unsafe_code,
    reason = "a pointer to the task that is being polled, valid while its poll stands on the stack"
)]
//! Which task this thread polls, and which part of it.
//!
//! The innermost poll decides. A `block_on` within a poll polls on behalf of the same task. Under loom, whose threads are one thread to
//! the thread-local of std, nobody is ever current.

use super::header::Header;
use super::id::TaskId;
use super::tree::{Kind, Node};
use super::tree_link::{self, NodeOf};
use super::waker;
use crate::context::chain::Chain;
use lenio_sync::primitive::MODEL;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Waker;

/// Makes the node of a `block_on` future.
pub(crate) trait RootSeat {
    /// The node, if there is one.
    fn node(&self) -> Option<&Arc<Node>>;
    /// The node, made if need be.
    fn node_or_new(&self) -> &Arc<Node>;
    /// The throughline that was in force at the call.
    fn chain(&self) -> &Chain;
    /// Tells it apart from everybody else.
    fn key(&self) -> TaskId;
    /// Whether this waker wakes the future.
    fn is_woken_by(&self, waker: &Waker) -> bool;
}

/// The innermost scope or shield that is being polled.
#[derive(Clone, Copy)]
struct Part {
    /// The task, or null, in whose poll it was entered: it counts while that one is the innermost.
    of: *const Header,
    node: *const Node,
    /// Whether that part belongs to another task: a stop of the part does not wake this one.
    is_guest: bool,
}

const NO_PART: Part = Part {
    of: ptr::null(),
    node: ptr::null(),
    is_guest: false,
};

thread_local! {
    /// The task that is being polled, or null. One word, because every poll writes it twice.
    static TASK: Cell<*const Header> = const { Cell::new(ptr::null()) };
    static PART: Cell<Part> = const { Cell::new(NO_PART) };
    /// The future of the `block_on` that is being polled and is not itself within another poll.
    static ROOT: Cell<Option<*const dyn RootSeat>> = const { Cell::new(None) };
}

#[inline]
fn part() -> Part {
    let part = PART.get();
    if ptr::eq(part.of, TASK.get()) {
        part
    } else {
        NO_PART
    }
}

/// Puts back who was current before.
#[must_use]
pub(super) struct Inside(*const Header);

/// `task` is current until the value is dropped.
///
/// # Safety
///
/// The caller polls the task for that long.
#[inline(always)]
pub(super) unsafe fn enter(task: NonNull<Header>) -> Inside {
    if MODEL {
        return Inside(ptr::null());
    }
    Inside(TASK.replace(task.as_ptr().cast_const()))
}

impl Drop for Inside {
    #[inline(always)]
    fn drop(&mut self) {
        if !MODEL {
            TASK.set(self.0);
        }
    }
}

/// A scope or shield is the current part of its task until the value is dropped.
#[must_use]
pub(crate) struct InsidePart<'n> {
    outer: Part,
    _node: PhantomData<&'n Arc<Node>>,
}

/// `is_guest`: the part was first polled by another task than this one.
pub(crate) fn enter_part(node: &Arc<Node>, is_guest: bool) -> InsidePart<'_> {
    let around = part();
    let outer = PART.replace(Part {
        of: TASK.get(),
        node: Arc::as_ptr(node),
        is_guest: is_guest || around.is_guest,
    });
    InsidePart {
        outer,
        _node: PhantomData,
    }
}

impl Drop for InsidePart<'_> {
    fn drop(&mut self) {
        PART.set(self.outer);
    }
}

/// Calls `f` while nobody but this `block_on` is current. Does nothing else if a task, or the future of another `block_on`, is being
/// polled: then it goes on behalf of that.
pub(crate) fn with_root<R>(seat: &dyn RootSeat, f: impl FnOnce() -> R) -> R {
    struct Back(Option<*const dyn RootSeat>, Part);
    impl Drop for Back {
        fn drop(&mut self) {
            ROOT.set(self.0);
            PART.set(self.1);
        }
    }
    if !TASK.get().is_null() || ROOT.get().is_some() {
        return f();
    }
    let seat: *const (dyn RootSeat + '_) = seat;
    // SAFETY: only the lifetime changes; the pointer is taken back before the borrow ends.
    let seat: *const (dyn RootSeat + 'static) = unsafe { std::mem::transmute(seat) };
    // A part that this `block_on` is called in has not made it, and does not wake it.
    let around = part();
    let outer = PART.replace(Part {
        is_guest: !around.node.is_null(),
        ..around
    });
    let _back = Back(ROOT.replace(Some(seat)), outer);
    f()
}

/// With provenance over the whole cell, as `enter` got it.
fn task_pointer() -> Option<NonNull<Header>> {
    NonNull::new(TASK.get().cast_mut())
}

fn task<'t>() -> Option<&'t Header> {
    // SAFETY: set by `enter`, and put back before that poll ends.
    task_pointer().map(|task| unsafe { task.as_ref() })
}

fn root<'r>() -> Option<&'r dyn RootSeat> {
    let seat = ROOT.try_with(Cell::get).ok().flatten()?;
    // SAFETY: set by `with_root`, and put back before the borrow ends.
    Some(unsafe { &*seat })
}

/// Calls `f` with the node whose stops count here: of the innermost part, else of the task. `None`: there is no node, and no stop.
#[inline]
pub(crate) fn with_node<R>(f: impl FnOnce(Option<&Arc<Node>>) -> R) -> R {
    let current = part();
    if !current.node.is_null() {
        // SAFETY: set by `enter_part` from an `Arc` that outlives the pointer; not dropped here.
        let part = std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(current.node) });
        return f(Some(&part));
    }
    if let Some(task) = task() {
        return f(task.node().as_deref());
    }
    f(root().and_then(|root| root.node()))
}

/// As [`with_node`], but makes the node if there is something that can have one.
pub(crate) fn with_node_or_new<R>(f: impl FnOnce(Option<&Arc<Node>>) -> R) -> R {
    let current = part();
    if current.node.is_null() {
        with_task_node(f)
    } else {
        with_node(f)
    }
}

/// Calls `f` with the node of the task, made if need be, whatever part of it is current. Inside of a stop callback that is the task
/// which is stopped.
pub(crate) fn with_task_node<R>(f: impl FnOnce(Option<&Arc<Node>>) -> R) -> R {
    let part = part().node;
    // SAFETY: as in `with_node`.
    if unsafe { part.as_ref() }.is_some_and(|part| part.kind() == Kind::Task) {
        return with_node(f);
    }
    if let Some(task) = task_pointer() {
        // SAFETY: the task is being polled further up this stack.
        let node: NodeOf<'_> = unsafe { tree_link::node_or_new(task) };
        return f(Some(&node));
    }
    f(root().map(|root| root.node_or_new()))
}

/// The throughline that the task, or the future of the `block_on`, has begun with.
pub(super) fn inherited_chain() -> Chain {
    match task() {
        Some(task) => task
            .node()
            .map_or(Chain::empty(), |node| node.chain().clone()),
        None => root().map_or(Chain::empty(), |root| root.chain().clone()),
    }
}

/// Whether nothing is to be inherited from here: no node, no part.
#[inline]
pub(crate) fn is_plain() -> bool {
    let current = part();
    if !current.node.is_null() {
        return false;
    }
    match task() {
        Some(task) => !task.state.is_in_tree(),
        None => root().is_none_or(|root| root.node().is_none() && root.chain().is_empty()),
    }
}

/// Whether `waker` wakes the task, or `block_on`, that is current, so that a stop of it need not be waited for.
#[inline]
pub(crate) fn is_own_waker(waker: &Waker) -> bool {
    if part().is_guest {
        return false;
    }
    match task() {
        Some(task) => {
            waker::task_of(waker).is_some_and(|other| ptr::eq(other.as_ptr().cast_const(), task))
        }
        None => root().is_some_and(|root| root.is_woken_by(waker)),
    }
}

/// The identity of the task that is being polled on this thread; inside of a stop callback, of the task that is stopped.
pub(crate) fn id() -> Option<TaskId> {
    let part = part().node;
    // SAFETY: as in `with_node`.
    let part = unsafe { part.as_ref() };
    part.and_then(Node::id).or_else(|| task().map(Header::id))
}

/// Tells tasks and roots apart, also those that are gone. 0: nobody.
pub(crate) fn key() -> u64 {
    match task() {
        Some(task) => task.id.as_u64(),
        None => root().map_or(0, |root| root.key().as_u64()),
    }
}

/// Whether this thread polls `other`, innermost.
pub(super) fn is(other: NonNull<Header>) -> bool {
    task_pointer() == Some(other)
}
