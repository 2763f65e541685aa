#![expect(
    unsafe_code,
    reason = "the right to poll a task, as a value that cannot be forged"
)]
//! The right to poll a task once.

use super::header::Header;
use super::id::TaskId;
use std::panic::Location;
use std::ptr::NonNull;

/// The right to poll a task once. At most one exists per task at any time.
///
/// A runnable that is dropped unused cancels its task in place, on the dropping thread: a task is never silently forgotten.
#[derive(PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Runnable(NonNull<Header>);

// SAFETY: the pointer forbids the auto trait. The task's future is Send (or the scheduler that made it keeps it on its thread), and
// everything else in the cell is guarded by the state word.
unsafe impl Send for Runnable {}

impl Runnable {
    /// # Safety
    ///
    /// The caller has the right to poll (a `Submit` verdict, or a runnable turned into a pointer) and gives it up.
    pub(crate) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Self(task)
    }

    /// Turns the right into a pointer, for intrusive queues.
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        let task = self.0;
        std::mem::forget(self);
        task
    }

    pub(super) fn task(&self) -> NonNull<Header> {
        self.0
    }

    pub(crate) fn header(&self) -> &Header {
        // SAFETY: a task with a runnable is not done, hence alive.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.header().id
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.header().spawned_at
    }
}

impl std::fmt::Debug for Runnable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Runnable").field(&self.id()).finish()
    }
}
