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
//! | `stop` | reserved for the task tree | 0 until then |
//! | `extension` | set at birth, read by anybody with a reference, freed with the cell | always |
//! | `owned_next` | the owner's list, under its rules (see `owned`) | while listed |
//! | `joiner` | the handle, or the finisher: see `JOIN_WAKER` in [`State`] | |

use super::TaskId;
use super::owned::Owner;
use super::state::State;
use super::waker;
use lenio_sync::primitive::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::task::Waker;

/// What differs from future to future, as functions on the untyped cell.
pub(super) struct VTable {
    /// Polls the future; true: it has finished and the outcome is stored. The caller holds `RUNNING`.
    pub(super) poll: unsafe fn(NonNull<Header>) -> bool,
    /// Drops the future and stores the outcome "cancelled". The caller holds `RUNNING`.
    pub(super) cancel: unsafe fn(NonNull<Header>),
    /// Moves the outcome to `*mut Result<T, JoinError>`. The caller owns the output.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the outcome in place; a panic of its drop is caught. The caller owns the output.
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Frees the memory. The caller held the last reference; future and outcome are gone.
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// The first 64 bytes of a task cell.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static VTable,
    /// The next task in the injector.
    pub(crate) next: AtomicPtr<Header>,
    pub(super) owner: NonNull<Owner>,
    pub(super) extension: *mut Extension,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) id: TaskId,
    /// The stop word of the task tree. Reserved: nothing asks a task to stop yet.
    pub(super) stop: AtomicU32,
}

/// What a task carries only if somebody asked for it.
#[derive(Debug)]
pub(crate) struct Extension {
    pub(crate) name: Box<str>,
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

    pub(crate) fn name(&self) -> Option<&str> {
        let extension = NonNull::new(self.extension)?;
        // SAFETY: set at birth from a Box and freed only together with this header.
        let extension = unsafe { extension.as_ref() };
        Some(&extension.name)
    }
}

/// The waker of whoever waits for the task, in one word.
///
/// A waker of a lenio task is stored as the pointer to that task; any other is boxed, and bit 0 says so. Who may fill and empty the
/// slot is decided by `JOIN_WAKER`; the word itself is swapped as a whole, so that a mistake there could leak but never free twice.
pub(super) struct JoinerSlot(AtomicPtr<()>);

impl JoinerSlot {
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Stores `waker`. The slot belongs to the caller, and it is empty.
    pub(super) fn put(&self, waker: Waker) {
        let word = match waker::into_task(waker) {
            Ok(task) => task.as_ptr().cast::<()>(),
            Err(foreign) => Box::into_raw(Box::new(foreign))
                .cast::<()>()
                .map_addr(|address| address | FOREIGN),
        };
        // ORDERING: Relaxed: published by the Release in `State::give_waker`, which follows.
        let before = self.0.swap(word, Ordering::Relaxed);
        debug_assert!(before.is_null());
    }

    /// Takes the waker out, if there is one. The slot belongs to the caller.
    pub(super) fn take(&self) -> Option<Waker> {
        // ORDERING: Relaxed: made visible by the Acquire in `State::finish`, `take_back_waker` or `drop_handle`, which came before.
        let word = self.0.swap(ptr::null_mut(), Ordering::Relaxed);
        if word.addr() & FOREIGN == 0 {
            let task = NonNull::new(word.cast::<Header>())?;
            // SAFETY: `put` stored the pointer together with the waker's reference, and the swap took the only copy.
            return Some(unsafe { waker::from_task(task) });
        }
        let boxed = word.map_addr(|address| address & !FOREIGN).cast::<Waker>();
        // SAFETY: `put` made this pointer from a Box, and the swap took the only copy.
        Some(*unsafe { Box::from_raw(boxed) })
    }

    /// Whether the slot holds the lenio task that `other` wakes. A foreign waker never matches: it may be gone by now.
    pub(super) fn holds_task_of(&self, other: &Waker) -> bool {
        // ORDERING: Relaxed: compared, never followed. A finisher that empties the slot meanwhile wakes that very task.
        let word = self.0.load(Ordering::Relaxed);
        waker::task_of(other).is_some_and(|task| task.as_ptr().cast::<()>() == word)
    }
}

const FOREIGN: usize = 1;

const _: () = assert!(lenio_sync::primitive::MODEL || size_of::<Header>() <= 64);
const _: () = assert!(lenio_sync::primitive::MODEL || size_of::<Base>() <= 80);
