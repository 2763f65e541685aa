//! Foreign code whose panics concern nobody who could be told.
//!
//! Wakers, hooks and `Drop` code of users run in places where a panic must go no further: a worker that polls the next task, a thread that
//! fires everybody's timers. The panic hook has reported the panic by the time these functions see it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`, and ends a panic of it here.
///
/// # Examples
///
/// ```
/// lenio_sync::contain::contain(|| panic!("reported by the panic hook, and no further"));
/// ```
pub fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        drop_payload(payload);
    }
}

/// Drops what a panic carried.
///
/// A payload may panic when it is dropped, and so may what that panic carries: that one is leaked, because there is nobody left to tell.
///
/// # Examples
///
/// ```
/// let payload = std::panic::catch_unwind(|| panic!("gone")).unwrap_err();
/// lenio_sync::contain::drop_payload(payload);
/// ```
pub fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
