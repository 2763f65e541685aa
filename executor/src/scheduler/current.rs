#![expect(
    unsafe_code,
    reason = "thread-local pointers to what the thread is inside of, kept valid by guards"
)]
//! Which runtime, and which worker of it, the current thread is inside of.
//!
//! Two thread-local pointers, set by a guard that keeps alive what they point to and puts the outer ones back.

use super::shared::Shared;
use super::worker::Worker;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

thread_local! {
    static RUNTIME: Cell<*const Shared> = const { Cell::new(ptr::null()) };
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

/// Being inside a runtime. Dropping it leaves, and returns to the outer one.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    outer: (*const Shared, *const Worker),
    _reactor: lenio_net::reactor::EnterGuard,
    _timers: lenio_time::EnterGuard,
    /// Keeps alive what `RUNTIME` points to.
    _shared: Arc<Shared>,
    /// Keeps the worker borrowed, and the guard on its thread.
    _worker: PhantomData<(&'a Worker, *const ())>,
}

impl Context<'static> {
    /// Enters a runtime without working for it: spawns and sockets find it.
    pub(crate) fn enter(shared: &Arc<Shared>) -> Self {
        Self::new(shared.clone(), ptr::null(), &shared.outside_timers)
    }
}

impl<'a> Context<'a> {
    /// Enters a runtime as one of its workers.
    pub(crate) fn enter_worker(worker: &'a Worker) -> Self {
        Self::new(worker.shared.clone(), worker, &worker.place().timers)
    }

    fn new(shared: Arc<Shared>, worker: *const Worker, timers: &Arc<lenio_time::Timers>) -> Self {
        Self {
            outer: (
                RUNTIME.replace(Arc::as_ptr(&shared)),
                WORKER.replace(worker),
            ),
            _reactor: lenio_net::reactor::enter(&shared.reactor),
            _timers: lenio_time::enter(timers),
            _shared: shared,
            _worker: PhantomData,
        }
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        RUNTIME.set(self.outer.0);
        WORKER.set(self.outer.1);
    }
}

/// Calls `f` with the worker that this thread is, if it is one.
#[inline(always)]
pub(crate) fn with_worker<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: `Context` borrows the worker for as long as the pointer is set, and the worker never leaves its thread.
    f(unsafe { worker.as_ref() })
}

/// The runtime that this thread is inside of.
pub(crate) fn current() -> Option<Arc<Shared>> {
    let shared = RUNTIME.try_with(Cell::get).ok()?;
    if shared.is_null() {
        return None;
    }
    // SAFETY: made from an Arc that the `Context` holds.
    unsafe { Arc::increment_strong_count(shared) };
    // SAFETY: the count was raised for this one.
    Some(unsafe { Arc::from_raw(shared) })
}
