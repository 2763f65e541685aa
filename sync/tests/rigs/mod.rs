#![expect(
    unsafe_code,
    reason = "named futures that borrow their primitive, kept together with it"
)]
#![allow(dead_code, reason = "no test file needs all of it")]
//! Each primitive of the crate in a state in which its futures have to wait, with everything that can be done to it.
//!
//! The suites go through tables made of this: every future × every operation × whatever the suite is about.

use crate::harness::leak::forget;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

mod barrier;
mod broadcast;
mod channel;
mod condvar;
mod event;
mod lock;
mod notify;
mod once;
mod oneshot;
mod rwlock;
mod semaphore;
mod stop;
mod wait_group;
pub(crate) mod waiting;
mod watch;

/// A future of the crate, with its output used up.
pub(crate) type Wait = Pin<Box<dyn Waits>>;

pub(crate) trait Waits: Future<Output = ()> {
    /// Forgets the future, and drops what it borrows (unless others hold that).
    fn forget(self: Pin<Box<Self>>);
}

type Operation = Rc<dyn Fn()>;

type MakeWait = Box<dyn Fn() -> Wait>;

/// A primitive in some state.
pub(crate) struct Rig {
    /// Makes futures that have to wait in this state.
    pub(crate) waits: Vec<(&'static str, MakeWait)>,
    /// All that can be done to it without waiting, at any time and in any order.
    pub(crate) operations: Vec<(&'static str, Operation)>,
    /// Lets at least one of those who wait through. May be called again and again.
    pub(crate) serve: Rc<dyn Fn()>,
    /// Nobody waits any more: whether nothing was lost, and everything works. Panics if not.
    pub(crate) check: Rc<dyn Fn()>,
}

impl Rig {
    pub(crate) fn new(serve: impl Fn() + 'static, check: impl Fn() + 'static) -> Self {
        Self {
            waits: Vec::new(),
            operations: Vec::new(),
            serve: Rc::new(serve),
            check: Rc::new(check),
        }
    }

    /// Adds a kind of future: `start` makes it, `finish` takes its output.
    pub(crate) fn wait<P, F>(
        self,
        name: &'static str,
        shared: &Rc<P>,
        start: impl Fn(&'static P) -> F + 'static,
        finish: impl Fn(&P, F::Output) + 'static,
    ) -> Self
    where
        P: 'static,
        F: Future + 'static,
    {
        self.wait_in(name, shared, start, finish, true)
    }

    /// As [`wait`](Self::wait), for a future that is an `async` block: after a panic it may only be dropped.
    pub(crate) fn wait_in_a_block<P, F>(
        self,
        name: &'static str,
        shared: &Rc<P>,
        start: impl Fn(&'static P) -> F + 'static,
        finish: impl Fn(&P, F::Output) + 'static,
    ) -> Self
    where
        P: 'static,
        F: Future + 'static,
    {
        self.wait_in(name, shared, start, finish, false)
    }

    fn wait_in<P, F>(
        mut self,
        name: &'static str,
        shared: &Rc<P>,
        start: impl Fn(&'static P) -> F + 'static,
        finish: impl Fn(&P, F::Output) + 'static,
        survives_panics: bool,
    ) -> Self
    where
        P: 'static,
        F: Future + 'static,
    {
        let shared = shared.clone();
        let finish: Finish<P, F::Output> = Rc::new(finish);
        self.waits.push((
            name,
            Box::new(move || {
                // SAFETY: `shared` lives as long as the future does: it is in the same `Lent`, after it. Outputs are taken by
                // `finish`, which keeps none (rigs that keep a guard keep its primitive as well).
                let lent = unsafe { &*Rc::as_ptr(&shared) };
                Box::pin(Lent {
                    future: Box::pin(start(lent)),
                    shared: shared.clone(),
                    finish: finish.clone(),
                    survives_panics,
                    is_broken: false,
                })
            }),
        ));
        self
    }

    /// Adds an operation.
    pub(crate) fn operation<P: 'static>(
        mut self,
        name: &'static str,
        shared: &Rc<P>,
        operation: impl Fn(&P) + 'static,
    ) -> Self {
        let shared = shared.clone();
        self.operations
            .push((name, Rc::new(move || operation(&shared))));
        self
    }
}

/// Polls once, for nobody: what came out, if it was ready.
pub(crate) fn look<F: Future>(future: F) -> Option<F::Output> {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Drops `value` while a panic is under way: what panics in there and gets out aborts the process.
pub(crate) fn by_a_panic(value: impl Sized) {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _value = value;
        resume_unwind(Box::new(()));
    }));
    assert!(result.is_err());
}

type Finish<P, R> = Rc<dyn Fn(&P, R)>;

/// A future and what it borrows, in the order in which they have to be dropped. Unlike an `async` block it can be polled after a panic.
struct Lent<P, F: Future> {
    future: Pin<Box<F>>,
    shared: Rc<P>,
    finish: Finish<P, F::Output>,
    survives_panics: bool,
    /// A poll has begun and not ended.
    is_broken: bool,
}

impl<P: 'static, F: Future + 'static> Waits for Lent<P, F> {
    fn forget(self: Pin<Box<Self>>) {
        // `Lent` is Unpin: its future is in a box of its own, which stays where it is for ever.
        let Self { future, shared, .. } = *Pin::into_inner(self);
        forget(future);
        drop(shared);
    }
}

impl<P, F: Future> Future for Lent<P, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_broken && !self.survives_panics {
            return Poll::Pending;
        }
        self.is_broken = true;
        let poll = self.future.as_mut().poll(cx);
        self.is_broken = false;
        let output = ready!(poll);
        (self.finish)(&self.shared, output);
        Poll::Ready(())
    }
}

/// A primitive, by the name of its state.
pub(crate) type Make = (&'static str, fn() -> Rig);

/// All of them; with `LENIO_RIG` those whose name begins so.
pub(crate) fn wanted() -> Vec<Make> {
    let prefix = std::env::var("LENIO_RIG").unwrap_or_default();
    let mut rigs = all();
    rigs.retain(|(name, _)| name.starts_with(&prefix));
    rigs
}

fn all() -> Vec<Make> {
    let families: [&[Make]; 14] = [
        event::RIGS,
        notify::RIGS,
        semaphore::RIGS,
        lock::RIGS,
        barrier::RIGS,
        wait_group::RIGS,
        channel::RIGS,
        rwlock::RIGS,
        once::RIGS,
        stop::RIGS,
        oneshot::RIGS,
        condvar::RIGS,
        watch::RIGS,
        broadcast::RIGS,
    ];
    families.concat()
}
