#![expect(
    unsafe_code,
    reason = "the untyped part of the task cell: links and the waker slot behind tiny methods"
)]
//! The part of a task that has the same layout for every future.
//!
//! | field | who may touch it | when |
//! |---|---|---|
//! | `state` | anybody with a reference | always |
//! | `vtable`, `owner`, `spawned_at`, `id` | anybody with a reference | read only, set at birth |
//! | `next` | whoever holds the runnable, and the injector while it holds it | while `SCHEDULED` and queued |
//! | `polled` | whoever holds `RUNNING` | |
//! | `node` | set once, at birth or by whoever makes the node; read by anybody with a reference; freed with the cell | see `TREE` in [`State`] |
//! | `owned_next` | the owner's list, under its rules (see `owned`) | while listed |
//! | `joiner` | the handle, or the finisher: see `JOIN_WAKER` in [`State`] | |

use super::error::JoinError;
use super::id::TaskId;
use super::state::State;
use lenio_sync::primitive::atomic::AtomicPtr;
use lenio_sync::primitive::plain::{AtomicBool, Ordering as PlainOrdering};
use std::panic::Location;
use std::ptr::NonNull;

/// What differs from future to future, as functions on the untyped cell.
pub(super) struct VTable {
    /// Polls the future. Unless it is pending the outcome is stored. The caller holds `RUNNING`, and the stage is the future.
    pub(super) poll: unsafe fn(NonNull<Header>) -> Polled,
    /// Drops the future and stores this error as the outcome. The caller holds `RUNNING`, and the stage is the future.
    pub(super) cancel: unsafe fn(NonNull<Header>, JoinError),
    /// Moves the outcome to `*mut Result<T, JoinError>`. The caller owns the output.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the outcome in place; a panic of its drop is caught. A failure that it was is returned. The caller owns the output.
    pub(super) drop_output: unsafe fn(NonNull<Header>) -> Option<JoinError>,
    /// Frees the memory. The caller held the last reference; future and outcome are gone.
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// What a poll of the future came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Polled {
    Pending,
    Finished,
    Failed,
}

/// The first 64 bytes of a task cell.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static VTable,
    /// The next task in the injector.
    pub(crate) next: AtomicPtr<Header>,
    /// The `Owner`. Untyped here, because the owner's list is made of headers.
    pub(super) owner: NonNull<()>,
    /// The node in the tree: an `Arc` as a pointer, or null. Untyped here, because nodes point to headers.
    pub(super) node: AtomicPtr<()>,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) id: TaskId,
    /// Whether the body has ever been polled.
    pub(super) polled: AtomicBool,
}

/// Everything in front of the future.
#[repr(C)]
pub(super) struct Base {
    pub(super) header: Header,
    pub(super) owned_next: AtomicPtr<Header>,
    pub(super) joiner: JoinerSlot,
}

impl Header {
    /// The full base of a task, from the pointer that the cell was made with.
    ///
    /// # Safety
    ///
    /// 1. `header` points to the header of a live cell, with provenance over the whole of it.
    /// 2. The caller's reference keeps the cell alive for `'a`.
    pub(super) unsafe fn base<'a>(header: NonNull<Header>) -> &'a Base {
        // SAFETY: `Header` is the first field of `Base`, which is the first field of every cell (repr(C)); alive by contract (2).
        unsafe { header.cast::<Base>().as_ref() }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Notes that the body is polled. The caller holds `RUNNING`.
    #[inline(always)]
    pub(super) fn note_poll(&self) {
        // ORDERING: Relaxed: `RUNNING` orders it.
        self.polled.store(true, PlainOrdering::Relaxed);
    }

    /// Whether the body has ever been polled. The caller holds `RUNNING`.
    pub(super) fn was_polled(&self) -> bool {
        // ORDERING: Relaxed: `RUNNING` orders it.
        self.polled.load(PlainOrdering::Relaxed)
    }
}

/// The word that holds the waker of whoever waits for the task; see `joiner`.
pub(super) struct JoinerSlot(pub(super) AtomicPtr<()>);

/// Gives up one reference.
///
/// # Safety
///
/// The caller owns a reference and does not use it afterwards.
pub(super) unsafe fn drop_reference(task: NonNull<Header>) {
    // SAFETY: the reference is alive until here.
    if unsafe { task.as_ref() }.state.drop_reference() {
        // SAFETY: that was the last one.
        unsafe { free(task) };
    }
}

/// Frees a task whose last reference is gone.
///
/// # Safety
///
/// No reference is left, and the future and the outcome are gone.
pub(super) unsafe fn free(task: NonNull<Header>) {
    // SAFETY: nobody else is left, so the header may still be read here.
    let vtable = unsafe { task.as_ref() }.vtable;
    // SAFETY: passed on.
    unsafe { (vtable.free)(task) };
}

const _: () = assert!(lenio_sync::primitive::MODEL || size_of::<Header>() <= 64);
const _: () = assert!(lenio_sync::primitive::MODEL || size_of::<Base>() <= 80);
