#![expect(
    unsafe_code,
    reason = "the node of a task hangs on its header as an untyped pointer"
)]
//! The tie between a task's header and its node.
//!
//! `header.node` is set once and holds one reference of the `Arc` until the cell is freed. A newborn's is set before anybody else sees the
//! task. Later it is set by whoever needs the node first, in three steps:
//!
//! 1. the pointer is set, by an exchange;
//! 2. the state word is told ([`State::join_tree`](super::state::State::join_tree)), and answers whether the task will still look;
//! 3. the node is told who its task is, under its lock, unless the task has closed it meanwhile. A stop that came in between has woken
//!    nobody, so the task is woken now.

use super::header::{Header, drop_reference};
use super::id::TaskId;
use super::owned::Owner;
use super::runnable::Runnable;
use super::tree::{Kind, Node};
use crate::context::chain::Chain;
use crate::policy::StopPolicy;
use lenio_sync::primitive::atomic::Ordering;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// The node of a task, borrowed from its header.
pub(crate) struct NodeOf<'h> {
    node: ManuallyDrop<Arc<Node>>,
    _header: PhantomData<&'h Header>,
}

impl NodeOf<'_> {
    /// # Safety
    ///
    /// `raw` is the pointer in a header's `node`, which is not null, and the header outlives the value.
    unsafe fn new(raw: *mut ()) -> Self {
        // SAFETY: the pointer came from `Arc::into_raw`, and the reference that it stands for is not given up here.
        let node = unsafe { Arc::from_raw(raw.cast_const().cast::<Node>()) };
        Self {
            node: ManuallyDrop::new(node),
            _header: PhantomData,
        }
    }
}

impl Deref for NodeOf<'_> {
    type Target = Arc<Node>;

    fn deref(&self) -> &Arc<Node> {
        &self.node
    }
}

/// Gives a newborn its node.
///
/// # Safety
///
/// The task is alive, nobody else has it, and it has no node.
pub(super) unsafe fn attach_newborn(task: NonNull<Header>, mut node: Arc<Node>) {
    // SAFETY: the task closes its node before it is retired (`run`).
    unsafe { Node::bind_newborn(&mut node, task) };
    let raw = Arc::into_raw(node).cast_mut().cast::<()>();
    // SAFETY: alive, by contract.
    let header = unsafe { task.as_ref() };
    // ORDERING: Relaxed: published together with the task.
    header.node.store(raw, Ordering::Relaxed);
}

impl Header {
    /// The node, if the task has one.
    #[inline]
    pub(crate) fn node(&self) -> Option<NodeOf<'_>> {
        // ORDERING: Acquire pairs with the Release in `node_or_new`.
        let raw = self.node.load(Ordering::Acquire);
        if raw.is_null() {
            return None;
        }
        // SAFETY: the header is borrowed for as long as the value lives.
        Some(unsafe { NodeOf::new(raw) })
    }
}

/// The node, made if need be.
///
/// # Safety
///
/// The caller holds a reference to the task, or polls it, for `'h`.
pub(crate) unsafe fn node_or_new<'h>(task: NonNull<Header>) -> NodeOf<'h> {
    // SAFETY: by contract.
    let header: &'h Header = unsafe { task.as_ref() };
    if let Some(node) = header.node() {
        return node;
    }
    let site = header.spawned_at;
    let policy = StopPolicy::native();
    let node = Node::new(
        Kind::Task,
        Some(header.id),
        None,
        site,
        policy,
        Chain::empty(),
    );
    let raw = Arc::into_raw(node).cast_mut().cast::<()>();
    // ORDERING: Release publishes the node to `Header::node`; Acquire on failure makes another one's node visible.
    let exchanged =
        header
            .node
            .compare_exchange(ptr::null_mut(), raw, Ordering::AcqRel, Ordering::Acquire);
    if let Err(other) = exchanged {
        // SAFETY: made by `into_raw` above, and given to nobody.
        drop(unsafe { Arc::from_raw(raw.cast_const().cast::<Node>()) });
        // SAFETY: set once, never null again; the header lives for 'h.
        return unsafe { NodeOf::new(other) };
    }
    // SAFETY: as above.
    let node = unsafe { NodeOf::new(raw) };
    if header.state.join_tree() {
        // SAFETY: the task has not published its outcome, and closes the node before it is retired; `bind` looks for that.
        unsafe { node.bind(task) };
    } else {
        node.close();
    }
    node
}

/// Links the node of a newborn below `parent`. It is born stopped if the parent is stopped.
pub(crate) fn adopt_newborn(parent: &Arc<Node>, newborn: &Runnable, inherits_policy: bool) {
    let header = newborn.header();
    // ORDERING: Relaxed: nobody else has the task.
    let raw = header.node.load(Ordering::Relaxed);
    debug_assert!(!raw.is_null(), "a newborn with a parent has a node");
    // SAFETY: the reference of the header, which is not given up here.
    let node = unsafe { Arc::from_raw(raw.cast_const().cast::<Node>()) };
    let mut node = ManuallyDrop::new(node);
    parent.adopt(&mut node, inherits_policy);
}

/// The nodes of all living tasks of `owner` that have no parent, made where there is none.
pub(crate) fn roots(owner: &Owner) -> Vec<Arc<Node>> {
    let mut roots = Vec::new();
    for task in owner.living_tasks() {
        // SAFETY: the reference is given up below.
        let node = unsafe { node_or_new(task) };
        if node.parent().is_none() {
            roots.push(Arc::clone(&node));
        }
        // SAFETY: from `living_tasks`.
        unsafe { drop_reference(task) };
    }
    roots
}

/// A living task, as it was at one moment.
#[derive(Debug)]
pub(crate) struct Living {
    pub(crate) id: TaskId,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) is_running: bool,
    pub(crate) is_scheduled: bool,
    pub(crate) node: Option<Arc<Node>>,
}

/// The living tasks of `owner`. Polls nobody.
pub(crate) fn living(owner: &Owner) -> Vec<Living> {
    let mut living = Vec::new();
    for task in owner.living_tasks() {
        // SAFETY: the reference is given up below.
        let header = unsafe { task.as_ref() };
        living.push(Living {
            id: header.id,
            spawned_at: header.spawned_at,
            is_running: header.state.is_running(),
            is_scheduled: header.state.is_scheduled(),
            node: header.node().map(|node| Arc::clone(&node)),
        });
        // SAFETY: from `living_tasks`.
        unsafe { drop_reference(task) };
    }
    living
}

/// Lets go of the node of a task that is being freed.
///
/// # Safety
///
/// Nobody else has the task.
pub(super) unsafe fn detach_dead(task: NonNull<Header>) {
    // SAFETY: nobody else is left, so the header may be read.
    let header = unsafe { task.as_ref() };
    // ORDERING: Relaxed: nobody else is left.
    let raw = header.node.load(Ordering::Relaxed);
    if !raw.is_null() {
        // SAFETY: the reference that the header held.
        drop(unsafe { Arc::from_raw(raw.cast_const().cast::<Node>()) });
    }
}
