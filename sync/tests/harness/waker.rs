#![expect(
    unsafe_code,
    reason = "a waker whose clone can be told to misbehave is only to be had as a raw one"
)]
//! Wakers that do what a test tells them to in `clone`, `wake`, `wake_by_ref` and `drop`, and count.
//!
//! What they do is a closure that the test's thread keeps ([`Trap::arm`]), so that it may hold anything, also the future that waits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// Where foreign code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Clone,
    Wake,
    Drop,
}

type Action = Rc<dyn Fn()>;

thread_local! {
    /// What happens at which hook.
    static ARMED: RefCell<Option<(Hook, Action)>> = const { RefCell::new(None) };
    /// How often it happened.
    static SPRUNG: Cell<usize> = const { Cell::new(0) };
    /// An action that springs the trap again is not started within itself.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The action that the hostile wakers of this thread perform, while this lives.
pub(crate) struct Trap(());

impl Trap {
    pub(crate) fn arm(hook: Hook, action: impl Fn() + 'static) -> Self {
        SPRUNG.set(0);
        let old = ARMED.replace(Some((hook, Rc::new(action))));
        assert!(old.is_none(), "one trap at a time");
        Self(())
    }

    /// How often the hook was reached.
    pub(crate) fn sprung(&self) -> usize {
        SPRUNG.get()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        drop(ARMED.take());
    }
}

fn spring(at: Hook) {
    // What is armed may hold the waker that springs it: nothing of it is dropped while it is borrowed.
    let armed = ARMED.with_borrow(|armed| armed.clone());
    let Some((hook, action)) = armed else {
        return;
    };
    if hook != at || INSIDE.get() {
        return;
    }
    SPRUNG.set(SPRUNG.get() + 1);
    /// Ends the action, also by a panic.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }
    INSIDE.set(true);
    let _leave = Leave;
    action();
}

/// What was done to the wakers of one kind.
#[derive(Debug, Default)]
pub(crate) struct Hostile {
    /// Whether its hooks spring the trap.
    is_trapped: bool,
    wakes: AtomicUsize,
    living: AtomicUsize,
}

impl Hostile {
    /// Its wakers spring the trap, if one is armed.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            is_trapped: true,
            ..Self::default()
        })
    }

    /// Its wakers only count.
    pub(crate) fn tame() -> Arc<Self> {
        Arc::default()
    }

    fn spring(&self, at: Hook) {
        if self.is_trapped {
            spring(at);
        }
    }

    /// A new waker of this kind.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        self.living.fetch_add(1, Ordering::Relaxed);
        let raw = RawWaker::new(Arc::into_raw(self.clone()).cast(), &VTABLE);
        // SAFETY: the vtable's functions count the Arc that the data is; `Hostile` is Send and Sync, and what a trap holds is reached
        // by the thread that armed it alone.
        unsafe { Waker::from_raw(raw) }
    }

    /// How often any of them was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }

    /// How many exist.
    pub(crate) fn living(&self) -> usize {
        self.living.load(Ordering::Relaxed)
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// # Safety
///
/// `data` is that of a waker of this vtable whose reference the caller gives up.
unsafe fn take(data: *const ()) -> Arc<Hostile> {
    // SAFETY: made by `Arc::into_raw` in `waker` or counted in `clone`.
    let this: Arc<Hostile> = unsafe { Arc::from_raw(data.cast()) };
    this.living.fetch_sub(1, Ordering::Relaxed);
    this
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
    this.spring(Hook::Clone);
    this.living.fetch_add(1, Ordering::Relaxed);
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
    this.wakes.fetch_add(1, Ordering::Relaxed);
    this.spring(Hook::Wake);
}

/// # Safety
///
/// As `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: living by contract.
    let this = unsafe { hostile(data) };
    this.wakes.fetch_add(1, Ordering::Relaxed);
    this.spring(Hook::Wake);
}

/// # Safety
///
/// As `wake`.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: given up by contract.
    let this = unsafe { take(data) };
    this.spring(Hook::Drop);
}
