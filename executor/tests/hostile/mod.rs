#![expect(
    unsafe_code,
    reason = "a waker whose clone can be told to misbehave is only to be had as a raw one"
)]
#![allow(dead_code, reason = "no test file needs all of it")]
//! Wakers that do what a test tells them to in `clone`, `wake` and `drop`: panic, re-enter, or just count.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// A waker whose drop panics, and is meant to: the panic ends here.
pub(crate) struct Contained(Option<Waker>);

impl Contained {
    pub(crate) fn new(waker: Waker) -> Self {
        Self(Some(waker))
    }

    pub(crate) fn waker(&self) -> &Waker {
        match &self.0 {
            Some(waker) => waker,
            None => unreachable!("emptied only in drop"),
        }
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let waker = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
    }
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// What a waker does, and what was done to it.
#[derive(Default)]
pub(crate) struct Hostile {
    on_clone: Option<Hook>,
    on_wake: Option<Hook>,
    on_drop: Option<Hook>,
    clones: AtomicUsize,
    wakes: AtomicUsize,
    drops: AtomicUsize,
}

impl Hostile {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn on_clone(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_clone = Some(Box::new(hook));
        self
    }

    pub(crate) fn on_wake(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_wake = Some(Box::new(hook));
        self
    }

    pub(crate) fn on_drop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_drop = Some(Box::new(hook));
        self
    }

    /// The first waker of this kind.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        let raw = RawWaker::new(Arc::into_raw(self.clone()).cast(), &VTABLE);
        // SAFETY: the vtable's functions count the Arc that the data is, and Hostile is Send and Sync.
        unsafe { Waker::from_raw(raw) }
    }

    /// How often any of them was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    /// How many exist; `made` were made with [`waker`](Self::waker).
    pub(crate) fn living(&self, made: usize) -> usize {
        let gone = self.drops.load(Ordering::SeqCst);
        made + self.clones.load(Ordering::SeqCst) - gone
    }

    fn call(hook: &Option<Hook>) {
        if let Some(hook) = hook {
            hook();
        }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// # Safety
///
/// `data` is that of a waker of this vtable whose reference the caller gives up.
unsafe fn take(data: *const ()) -> Arc<Hostile> {
    // SAFETY: made by `Arc::into_raw` in `waker` or counted in `clone`.
    unsafe { Arc::from_raw(data.cast()) }
}

/// # Safety
///
/// `data` is that of a waker of this vtable that outlives the result.
unsafe fn hostile<'a>(data: *const ()) -> &'a Hostile {
    // SAFETY: the waker holds a reference.
    unsafe { &*data.cast() }
}

/// # Safety
///
/// As for every function of the vtable: `data` is that of a living waker.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: living by contract.
    let this = unsafe { hostile(data) };
    // A clone that panics has made nothing.
    Hostile::call(&this.on_clone);
    this.clones.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the waker that is cloned holds a reference.
    unsafe { Arc::increment_strong_count(data.cast::<Hostile>()) };
    RawWaker::new(data, &VTABLE)
}

/// # Safety
///
/// As `clone`; the caller gives the waker up.
unsafe fn wake(data: *const ()) {
    // SAFETY: given up by contract.
    let this = unsafe { take(data) };
    this.wakes.fetch_add(1, Ordering::SeqCst);
    this.drops.fetch_add(1, Ordering::SeqCst);
    Hostile::call(&this.on_wake);
}

/// # Safety
///
/// As `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: living by contract.
    let this = unsafe { hostile(data) };
    this.wakes.fetch_add(1, Ordering::SeqCst);
    Hostile::call(&this.on_wake);
}

/// # Safety
///
/// As `wake`.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: given up by contract.
    let this = unsafe { take(data) };
    this.drops.fetch_add(1, Ordering::SeqCst);
    Hostile::call(&this.on_drop);
}
