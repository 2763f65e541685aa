#![expect(
    unsafe_code,
    reason = "the waker of a task is the task: a raw vtable over its header"
)]
//! The waker of a task is the task itself: no box, no second reference count.
//!
//! A waker holds one reference to the cell. While a task is polled it gets a *borrowed* waker that counts nothing; only a clone of it
//! touches the count.
//!
//! After a waker has submitted the task it touches neither the task nor the scheduler again: another worker may already have run
//! and freed both.

use super::header::{self, Header};
use super::runnable::Runnable;
use super::state::Wake;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker that borrows the reference of the running poll.
///
/// # Safety
///
/// The caller holds `RUNNING` for as long as the waker is used: a running task is not done, hence alive.
pub(super) unsafe fn borrowed(task: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: by contract the task outlives it; ManuallyDrop keeps it from giving up a reference that it does not hold.
    ManuallyDrop::new(unsafe { from_task(task) })
}

/// Makes a waker out of one reference to the task.
///
/// # Safety
///
/// The caller owns a reference, which goes to the waker.
pub(super) unsafe fn from_task(task: NonNull<Header>) -> Waker {
    let raw = RawWaker::new(task.as_ptr().cast_const().cast::<()>(), &VTABLE);
    // SAFETY: the vtable's functions keep the contract of RawWaker over a counted, thread-safe cell.
    unsafe { Waker::from_raw(raw) }
}

/// The task that a waker wakes, if it is a task of ours.
pub(super) fn task_of(waker: &Waker) -> Option<NonNull<Header>> {
    std::ptr::eq(waker.vtable(), &VTABLE)
        .then(|| NonNull::new(waker.data().cast_mut().cast::<Header>()))
        .flatten()
}

/// Turns a waker into a counted pointer to its task; a foreign waker comes back.
pub(super) fn into_task(waker: Waker) -> Result<NonNull<Header>, Waker> {
    match task_of(&waker) {
        Some(task) => {
            std::mem::forget(waker);
            Ok(task)
        }
        None => Err(waker),
    }
}

fn task(data: *const ()) -> NonNull<Header> {
    debug_assert!(!data.is_null());
    // SAFETY: only `from_task` makes wakers with this vtable, from a NonNull.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast::<Header>()) }
}

/// # Safety
///
/// `data` is the data of a live waker of this vtable.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned holds a reference.
    unsafe { task(data).as_ref() }.state.add_reference();
    RawWaker::new(data, &VTABLE)
}

/// # Safety
///
/// `data` is the data of a waker of this vtable whose reference the caller gives up.
unsafe fn wake(data: *const ()) {
    let task = task(data);
    // SAFETY: the waker's reference is alive until the transition.
    match unsafe { task.as_ref() }.state.wake_by_value() {
        Wake::Nothing => {}
        // SAFETY: the verdict is the right to poll; a task that is not done keeps itself alive.
        Wake::Submit => unsafe { Runnable::from_raw(task) }.submit(),
        // SAFETY: the verdict says that this was the last reference.
        Wake::Free => unsafe { header::free(task) },
    }
}

/// # Safety
///
/// `data` is the data of a live waker of this vtable.
unsafe fn wake_by_ref(data: *const ()) {
    let task = task(data);
    // SAFETY: the waker holds a reference.
    if unsafe { task.as_ref() }.state.wake() == Wake::Submit {
        // SAFETY: the verdict is the right to poll.
        unsafe { Runnable::from_raw(task) }.submit();
    }
}

/// # Safety
///
/// `data` is the data of a waker of this vtable whose reference the caller gives up.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker's reference goes to `drop_reference`.
    unsafe { header::drop_reference(task(data)) };
}
