#![expect(
    unsafe_code,
    reason = "an intrusive doubly linked list: the nodes live in the waiting futures"
)]
//! The intrusive list itself. Private to `wait`.
//!
//! # Who may touch what
//!
//! | field | who | when |
//! |---|---|---|
//! | `fields` | whoever holds the lock of the queue that the node belongs to | while `linked` is set |
//! | `fields` | the owner, without the lock | while `linked` is not set |
//! | `need` | anybody | always: it never changes |
//! | `linked` | set by the owner, cleared by anybody, both under the lock; read by the owner at any time | always |
//!
//! A node belongs to one queue for its whole life (the [`Waiter`](super::Waiter) borrows it), it is pinned before it is linked,
//! and its owner unlinks it before it goes away.
//!
//! # Why the owner may go without the lock
//!
//! Only the owner links a node, and whoever takes one out clears `linked` as the very last thing it does with it. So an owner that
//! reads "not linked" knows that nobody else looks at the node any more: it may drop it, or fill it in to link it anew.
//!
//! The fields of a node are initialised exactly while it is linked, so that a future that never waits pays for one byte only.

use crate::primitive::UnsafeCell;
use crate::primitive::atomic::{AtomicU8, Ordering};
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::task::{Context, Waker};

/// The node is in no list. It was never in one, or its owner left, or it was taken out on its own.
const ALONE: u8 = 0;
/// The node is in a list.
const LINKED: u8 = 1;
/// The node is in no list: it was taken out together with everybody else who stood there.
const TAKEN_WITH_ALL: u8 = 2;

/// On whose behalf a node is taken out of its list.
#[derive(Clone, Copy)]
pub(super) enum Taking {
    /// For itself.
    One,
    /// Together with everybody else in the list.
    All,
}

/// One place in a list. Lives inside a pinned future.
pub(super) struct Node {
    /// [`ALONE`], [`LINKED`] or [`TAKEN_WITH_ALL`].
    linked: AtomicU8,
    /// How much of the queue's value its owner waits for. Never changes.
    need: usize,
    fields: UnsafeCell<MaybeUninit<Fields>>,
    _pin: PhantomPinned,
}

struct Fields {
    prev: *const Node,
    next: *const Node,
    waker: Waker,
}

// SAFETY: the raw links forbid the auto traits. They are only followed under the queue's lock, and a `Waker` is Send and Sync.
unsafe impl Send for Node {}
// SAFETY: as above: a shared `Node` is only looked into under the queue's lock, or by its owner when it is in no list.
unsafe impl Sync for Node {}

impl Node {
    #[inline]
    pub(super) fn new(need: usize) -> Self {
        Self {
            linked: AtomicU8::new(ALONE),
            need,
            fields: UnsafeCell::new(MaybeUninit::uninit()),
            _pin: PhantomPinned,
        }
    }

    /// # Safety
    ///
    /// 1. The lock of the queue that this node belongs to is held, or the caller owns the node and it is not linked.
    /// 2. No other reference to the place of this node's fields is alive.
    #[expect(
        clippy::mut_from_ref,
        reason = "the queue's lock makes the access exclusive"
    )]
    #[inline]
    unsafe fn place(&self) -> &mut MaybeUninit<Fields> {
        // SAFETY: both duties are passed on to the caller.
        self.fields.with_mut(|fields| unsafe { &mut *fields })
    }

    /// # Safety
    ///
    /// 1. The lock of the queue that this node belongs to is held.
    /// 2. No other reference to the fields of this node is alive.
    /// 3. The node is linked.
    #[expect(
        clippy::mut_from_ref,
        reason = "the queue's lock makes the access exclusive"
    )]
    #[inline]
    unsafe fn fields(&self) -> &mut Fields {
        // SAFETY: the duties 1 and 2 are passed on to the caller.
        let place = unsafe { self.place() };
        // SAFETY: the fields are initialised while the node is linked (3).
        unsafe { place.assume_init_mut() }
    }

    /// Takes the fields of a node that has just been taken out of its list, and lets its owner know.
    ///
    /// # Safety
    ///
    /// 1. The lock of the queue that this node belongs to is held.
    /// 2. No reference to the fields of this node is alive.
    /// 3. The node counts as linked, and no neighbour points to it any more.
    /// 4. The caller does not touch the node again.
    #[inline]
    unsafe fn release(&self, taking: Taking) -> Waker {
        let taken = match taking {
            Taking::One => ALONE,
            Taking::All => TAKEN_WITH_ALL,
        };
        // SAFETY: the duties 1 and 2 are passed on to the caller.
        let place = unsafe { self.place() };
        // SAFETY: initialised (3), and read once only, because the node is not linked from the next line on.
        let fields = unsafe { place.assume_init_read() };
        // ORDERING: Release pairs with the Acquire in `is_linked`: the owner may free the node right after.
        self.linked.store(taken, Ordering::Release);
        fields.waker
    }

    /// How much its owner waits for.
    #[inline]
    pub(super) fn need(&self) -> usize {
        self.need
    }

    /// Whether the node is in a list. A no is for good if the owner asks, a yes if the lock is held.
    #[inline]
    pub(super) fn is_linked(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `release`: whoever took the node out is done with it.
        self.linked.load(Ordering::Acquire) == LINKED
    }

    /// Whether the node was last taken out together with everybody else. Stands still while the node is not linked.
    #[inline]
    pub(super) fn was_taken_with_all(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `release`, as in `is_linked`.
        self.linked.load(Ordering::Acquire) == TAKEN_WITH_ALL
    }

    /// Whether the stored waker already wakes the task of `cx`. Calls no foreign code.
    ///
    /// # Safety
    ///
    /// The lock of the queue that this node belongs to is held, and the node is linked.
    pub(super) unsafe fn will_wake(&self, cx: &Context<'_>) -> bool {
        // SAFETY: lock held and linked by contract; the reference ends in this expression.
        unsafe { self.fields() }.waker.will_wake(cx.waker())
    }

    /// Stores a waker and hands out the old one, which the caller drops after unlocking.
    ///
    /// # Safety
    ///
    /// The lock of the queue that this node belongs to is held, and the node is linked.
    pub(super) unsafe fn replace_waker(&self, waker: Waker) -> Waker {
        // SAFETY: lock held and linked by contract; the reference ends with this function.
        let fields = unsafe { self.fields() };
        std::mem::replace(&mut fields.waker, waker)
    }

    /// To be called by an owner that goes without the lock: in models the cell notices a second user.
    pub(super) fn debug_assert_alone(&self) {
        debug_assert!(self.fields.with_mut(|fields| !fields.is_null()));
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

    /// Puts `node` at the end, with the waker of whoever waits.
    ///
    /// # Safety
    ///
    /// 1. The queue's lock is held, and `node` belongs to this queue.
    /// 2. `node` is pinned and stays where it is until it is unlinked from this list.
    /// 3. The caller owns `node`, and it is not linked.
    #[inline]
    pub(super) unsafe fn push_back(&mut self, node: &Node, waker: Waker) {
        let tail = self.tail;
        // SAFETY: ours and not linked (3); the reference ends in this expression.
        unsafe { node.place() }.write(Fields {
            prev: tail,
            next: ptr::null(),
            waker,
        });
        // ORDERING: Relaxed: only the owner reads it without the lock, and that is the caller (3).
        node.linked.store(LINKED, Ordering::Relaxed);
        match NonNull::new(tail.cast_mut()) {
            None => self.head = node,
            Some(tail) => {
                // SAFETY: a linked node is alive (2, for the node that was pushed before).
                let tail = unsafe { tail.as_ref() };
                // SAFETY: lock held (1), linked, and the reference ends in this expression.
                unsafe { tail.fields() }.next = node;
            }
        }
        self.tail = node;
    }

    /// Puts `node` at the beginning, with the waker of whoever waits.
    ///
    /// # Safety
    ///
    /// As for [`push_back`](Self::push_back).
    pub(super) unsafe fn push_front(&mut self, node: &Node, waker: Waker) {
        let head = self.head;
        // SAFETY: ours and not linked (3); the reference ends in this expression.
        unsafe { node.place() }.write(Fields {
            prev: ptr::null(),
            next: head,
            waker,
        });
        // ORDERING: Relaxed: only the owner reads it without the lock, and that is the caller (3).
        node.linked.store(LINKED, Ordering::Relaxed);
        match NonNull::new(head.cast_mut()) {
            None => self.tail = node,
            Some(head) => {
                // SAFETY: a linked node is alive (2, for the node that was pushed before).
                let head = unsafe { head.as_ref() };
                // SAFETY: lock held (1), linked, and the reference ends in this expression.
                unsafe { head.fields() }.prev = node;
            }
        }
        self.head = node;
    }

    /// What the owner of the first node waits for.
    ///
    /// # Safety
    ///
    /// The queue's lock is held.
    #[inline]
    pub(super) unsafe fn front_need(&self) -> Option<usize> {
        let node = NonNull::new(self.head.cast_mut())?;
        // SAFETY: a linked node is alive, because its owner needs the lock to take it out.
        Some(unsafe { node.as_ref() }.need())
    }

    /// Takes `node` out if it is linked, and hands out its waker, which the caller drops after unlocking.
    ///
    /// # Safety
    ///
    /// The queue's lock is held, and `node`, if linked, is linked in this list.
    pub(super) unsafe fn unlink(&mut self, node: &Node) -> Option<Waker> {
        if !node.is_linked() {
            return None;
        }
        // SAFETY: lock held and linked; the copies below end the borrow before any other node's fields are touched.
        let fields = unsafe { node.fields() };
        let (prev, next) = (fields.prev, fields.next);
        match NonNull::new(prev.cast_mut()) {
            None => self.head = next,
            Some(prev) => {
                // SAFETY: neighbours of a linked node are linked, hence alive.
                let prev = unsafe { prev.as_ref() };
                // SAFETY: lock held, linked, and the reference ends in this expression.
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
        // SAFETY: lock held, no reference alive, both neighbours point past it, and this is the last that is done with it.
        Some(unsafe { node.release(Taking::One) })
    }

    /// Takes the first node out and returns its waker.
    ///
    /// # Safety
    ///
    /// The queue's lock is held.
    #[inline]
    pub(super) unsafe fn pop_front(&mut self, taking: Taking) -> Option<Waker> {
        let node = NonNull::new(self.head.cast_mut())?;
        // SAFETY: a linked node is alive until its owner sees that it is not linked, which it is until the end of this function.
        let node = unsafe { node.as_ref() };
        // SAFETY: lock held and linked; the reference ends in this expression.
        let next = unsafe { node.fields() }.next;
        self.head = next;
        match NonNull::new(next.cast_mut()) {
            None => self.tail = ptr::null(),
            Some(next) => {
                // SAFETY: a linked node is alive, because its owner needs the lock to take it out.
                let next = unsafe { next.as_ref() };
                // SAFETY: lock held, linked, and the reference ends in this expression.
                unsafe { next.fields() }.prev = ptr::null();
            }
        }
        // SAFETY: lock held, no reference alive, the list begins behind it, and this is the last that is done with it.
        Some(unsafe { node.release(taking) })
    }
}
