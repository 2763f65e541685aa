#![expect(
    unsafe_code,
    reason = "a thread-local pointer to the worker that the thread is, valid while its context stands on the stack"
)]
//! Which runtime, and which worker of it, the current thread is inside of.
//!
//! A thread keeps a stack of contexts. The top one decides: its runtime is the current one, and the thread counts as a worker of it if any
//! context of that runtime, top or below, was entered as a worker. So a `Handle::enter` inside a task changes nothing for that
//! task's own runtime, and a `block_on` that comes back to a runtime through another one finds its worker again.
//!
//! Contexts usually go in the reverse of the order in which they came; guards of users may go in any order, and may be forgotten.

use super::shared::Shared;
use super::worker::Worker;
use lenio_net::reactor;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

thread_local! {
    static STACK: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
    /// What the stack says, for the hot path: the worker that this thread is, or null.
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

struct Entry {
    number: u64,
    shared: Arc<Shared>,
    /// Null if the runtime was entered without working for it.
    worker: *const Worker,
    /// `None` only while entries below are taken out.
    guards: Option<Guards>,
}

struct Guards {
    _timers: lenio_time::EnterGuard,
    _reactor: reactor::EnterGuard,
}

impl Entry {
    fn new(number: u64, shared: Arc<Shared>, worker: Option<&Worker>) -> Self {
        let mut entry = Self {
            number,
            shared,
            worker: worker.map_or(ptr::null(), ptr::from_ref),
            guards: None,
        };
        entry.enter();
        entry
    }

    fn enter(&mut self) {
        // SAFETY: the worker outlives the context, and the context its entry.
        let worker = unsafe { self.worker.as_ref() };
        let timers = worker.map_or(&self.shared.outside_timers, |worker| &worker.place().timers);
        self.guards = Some(Guards {
            _reactor: reactor::enter(&self.shared.reactor),
            _timers: lenio_time::enter(timers),
        });
    }
}

/// Being inside a runtime. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    number: u64,
    /// Keeps the worker borrowed, and the context on its thread.
    _worker: PhantomData<(&'a Worker, *const ())>,
}

impl Context<'static> {
    /// Enters a runtime without working for it: spawns and sockets find it.
    pub(crate) fn enter(shared: &Arc<Shared>) -> Self {
        Self::push(shared.clone(), None)
    }
}

impl<'a> Context<'a> {
    /// Enters a runtime as one of its workers. The context must be dropped, not forgotten, while the worker is alive.
    pub(crate) fn enter_worker(worker: &'a Worker) -> Self {
        Self::push(worker.shared.clone(), Some(worker))
    }

    fn push(shared: Arc<Shared>, worker: Option<&'a Worker>) -> Self {
        let number = NEXT.replace(NEXT.get() + 1);
        // A thread that is ending, and drops a runtime from a thread-local of its own, may have lost its stack already. Then it is
        // inside of nothing: what its tasks spawn goes the way of spawns from outside.
        let _ = STACK.try_with(|stack| {
            let entry = Entry::new(number, shared, worker);
            let mut stack = stack.borrow_mut();
            stack.push(entry);
            refresh(&stack);
        });
        Self {
            number,
            _worker: PhantomData,
        }
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        let gone = STACK.try_with(|stack| take_out(&mut stack.borrow_mut(), self.number));
        // The last handle of a runtime may go with the entry: not while the stack is borrowed.
        drop(gone);
    }
}

/// Takes one entry out, wherever it stands.
fn take_out(stack: &mut Vec<Entry>, number: u64) -> Option<Entry> {
    let at = stack.iter().rposition(|entry| entry.number == number)?;
    // The guards of the other crates have to go in the reverse of the order in which they came.
    for above in stack[at..].iter_mut().rev() {
        above.guards = None;
    }
    let gone = stack.remove(at);
    stack[at..].iter_mut().for_each(Entry::enter);
    refresh(stack);
    Some(gone)
}

fn refresh(stack: &[Entry]) {
    let worker = stack.last().and_then(|top| worker_in(stack, &top.shared));
    WORKER.set(worker.unwrap_or(ptr::null()));
}

/// The innermost context of `shared` that was entered as a worker.
fn worker_in(stack: &[Entry], shared: &Arc<Shared>) -> Option<*const Worker> {
    stack
        .iter()
        .rev()
        .find(|entry| !entry.worker.is_null() && Arc::ptr_eq(&entry.shared, shared))
        .map(|entry| entry.worker)
}

/// Calls `f` with the worker that this thread is, if it is one.
#[inline(always)]
pub(crate) fn with_worker<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: set by `refresh` to a worker whose context stands on this thread's stack; that context borrows the worker, and when it
    // goes the pointer is refreshed.
    f(unsafe { worker.as_ref() })
}

/// Calls `f` with the worker of `shared` that this thread is, be it hidden by contexts of other runtimes.
pub(crate) fn with_worker_of<R>(shared: &Arc<Shared>, f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = STACK
        .try_with(|stack| worker_in(&stack.borrow(), shared))
        .ok()
        .flatten()
        .unwrap_or(ptr::null());
    // SAFETY: as in `with_worker`; the context cannot go while `f` runs further up this stack.
    f(unsafe { worker.as_ref() })
}

/// The runtime that this thread is inside of.
pub(crate) fn current() -> Option<Arc<Shared>> {
    STACK
        .try_with(|stack| stack.borrow().last().map(|top| top.shared.clone()))
        .ok()
        .flatten()
}
