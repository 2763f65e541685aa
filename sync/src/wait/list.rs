#![expect(
    unsafe_code,
    reason = "an intrusive doubly linked list: the nodes live in the waiting futures"
)]
//! The intrusive list itself. Private to `wait`; every function here runs under the queue's lock.
//!
//! # Who may touch which field
//!
//! | field | who | when |
//! |---|---|---|
//! | `prev`, `next`, `linked`, `waker` | whoever holds the lock of the queue that the node belongs to | always |
//!
//! A node belongs to one queue for its whole life (the [`Waiter`](super::Waiter) borrows it), it is pinned before it is linked,
//! and its owner unlinks it before it goes away.

use std::cell::UnsafeCell;
use std::marker::PhantomPinned;
use std::ptr::{self, NonNull};
use std::task::{Context, Waker};

/// One place in a list. Lives inside a pinned future.
pub(super) struct Node {
    fields: UnsafeCell<Fields>,
    _pin: PhantomPinned,
}

struct Fields {
    prev: *const Node,
    next: *const Node,
    linked: bool,
    waker: Option<Waker>,
}

// SAFETY: the raw links forbid the auto traits. They are only followed under the queue's lock, and a `Waker` is Send and Sync.
unsafe impl Send for Node {}
// SAFETY: as above: a shared `Node` is only looked into under the queue's lock.
unsafe impl Sync for Node {}

impl Node {
    pub(super) const fn new() -> Self {
        Self {
            fields: UnsafeCell::new(Fields {
                prev: ptr::null(),
                next: ptr::null(),
                linked: false,
                waker: None,
            }),
            _pin: PhantomPinned,
        }
    }

    /// # Safety
    ///
    /// 1. The lock of the queue that this node belongs to is held.
    /// 2. No other reference to the fields of this node is alive.
    #[expect(
        clippy::mut_from_ref,
        reason = "the queue's lock makes the access exclusive"
    )]
    unsafe fn fields(&self) -> &mut Fields {
        // SAFETY: both duties are passed on to the caller.
        unsafe { &mut *self.fields.get() }
    }

    /// # Safety
    ///
    /// The lock of the queue that this node belongs to is held.
    pub(super) unsafe fn is_linked(&self) -> bool {
        // SAFETY: the lock is held by contract; the reference ends in this expression.
        unsafe { self.fields() }.linked
    }

    /// Whether the stored waker already wakes the task of `cx`. Calls no foreign code.
    ///
    /// # Safety
    ///
    /// The lock of the queue that this node belongs to is held.
    pub(super) unsafe fn will_wake(&self, cx: &Context<'_>) -> bool {
        // SAFETY: the lock is held by contract; the reference ends in this expression.
        let fields = unsafe { self.fields() };
        fields
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    /// Stores a waker and hands out the old one, which the caller drops after unlocking.
    ///
    /// # Safety
    ///
    /// The lock of the queue that this node belongs to is held.
    pub(super) unsafe fn replace_waker(&self, waker: Option<Waker>) -> Option<Waker> {
        // SAFETY: the lock is held by contract; the reference ends in this expression.
        let fields = unsafe { self.fields() };
        std::mem::replace(&mut fields.waker, waker)
    }
}

/// A list of nodes, first in, first out.
pub(super) struct List {
    head: *const Node,
    tail: *const Node,
}

// SAFETY: the raw links forbid the auto trait. The list sits behind the queue's lock together with everything it points to.
unsafe impl Send for List {}

impl List {
    pub(super) const fn new() -> Self {
        Self {
            head: ptr::null(),
            tail: ptr::null(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// # Safety
    ///
    /// 1. The queue's lock is held, and `node` belongs to this queue.
    /// 2. `node` is pinned and stays where it is until it is unlinked from this list.
    /// 3. `node` is not linked.
    pub(super) unsafe fn push_back(&mut self, node: &Node) {
        let tail = self.tail;
        // SAFETY: lock held (1); no other reference to these fields is alive in this function.
        let fields = unsafe { node.fields() };
        debug_assert!(!fields.linked);
        fields.prev = tail;
        fields.next = ptr::null();
        fields.linked = true;
        match NonNull::new(tail.cast_mut()) {
            None => self.head = node,
            Some(tail) => {
                // SAFETY: a linked node is alive (2, for the node that was pushed before).
                let tail = unsafe { tail.as_ref() };
                // SAFETY: lock held (1); `tail` is another node than `node`, which was not linked (3).
                unsafe { tail.fields() }.next = node;
            }
        }
        self.tail = node;
    }

    /// Takes `node` out if it is linked.
    ///
    /// # Safety
    ///
    /// The queue's lock is held, and `node`, if linked, is linked in this list.
    pub(super) unsafe fn unlink(&mut self, node: &Node) -> bool {
        // SAFETY: lock held; the copies below end the borrow before any other node's fields are touched.
        let fields = unsafe { node.fields() };
        if !fields.linked {
            return false;
        }
        fields.linked = false;
        let (prev, next) = (fields.prev, fields.next);
        match NonNull::new(prev.cast_mut()) {
            None => self.head = next,
            Some(prev) => {
                // SAFETY: neighbours of a linked node are linked, hence alive.
                let prev = unsafe { prev.as_ref() };
                // SAFETY: lock held; `prev` is another node than `node`.
                unsafe { prev.fields() }.next = next;
            }
        }
        match NonNull::new(next.cast_mut()) {
            None => self.tail = prev,
            Some(next) => {
                // SAFETY: as above.
                let next = unsafe { next.as_ref() };
                // SAFETY: as above.
                unsafe { next.fields() }.prev = prev;
            }
        }
        true
    }

    /// Takes the first node out and returns its waker.
    ///
    /// # Safety
    ///
    /// The queue's lock is held.
    pub(super) unsafe fn pop_front(&mut self) -> Option<Option<Waker>> {
        let node = NonNull::new(self.head.cast_mut())?;
        // SAFETY: a linked node is alive until its owner unlinks it under the lock, which we hold.
        let node = unsafe { node.as_ref() };
        // SAFETY: lock held; `node` is linked in this list.
        unsafe { self.unlink(node) };
        // SAFETY: lock held.
        Some(unsafe { node.replace_waker(None) })
    }
}
