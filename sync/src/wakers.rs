#![expect(
    unsafe_code,
    reason = "a waker that does what it likes when it is cloned or dropped needs a table of its own"
)]
//! Wakers for tests: some count, some do what they like.

use crate::contain::contain;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

/// Counts how often it is woken.
#[derive(Debug, Default)]
pub(crate) struct Count(pub(crate) AtomicUsize);

impl Count {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }

    pub(crate) fn woken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What happens to a hostile waker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Clone,
    Wake,
    Drop,
}

type Action = dyn Fn(Happening) + Send + Sync;

struct Hostile(Box<Action>);

/// A waker that calls `action` whenever it is cloned, woken or dropped.
pub(crate) fn hostile(action: impl Fn(Happening) + Send + Sync + 'static) -> Waker {
    let data = Arc::into_raw(Arc::new(Hostile(Box::new(action))));
    // SAFETY: the table's functions treat the data as the counted reference that it is.
    unsafe { Waker::new(data.cast(), &TABLE) }
}

/// A waker that panics at one kind of happening.
pub(crate) fn panics_at(when: Happening) -> Waker {
    hostile(move |happening| assert!(happening != when || std::thread::panicking(), "hostile"))
}

/// A waker whose own end is quiet, whatever it does at that.
pub(crate) struct Kept(Option<Waker>);

impl Kept {
    pub(crate) fn new(waker: Waker) -> Self {
        Self(Some(waker))
    }
}

impl Deref for Kept {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        contain(|| drop(self.0.take()));
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// # Safety
///
/// `data` is a counted reference of [`hostile`], and is used up.
unsafe fn owned(data: *const ()) -> Arc<Hostile> {
    // SAFETY: by contract.
    unsafe { Arc::from_raw(data.cast()) }
}

fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the reference of the waker that is being cloned; it is not used up (see `into_raw` below).
    let hostile = unsafe { owned(data) };
    let hostile = std::mem::ManuallyDrop::new(hostile);
    (hostile.0)(Happening::Clone);
    RawWaker::new(Arc::into_raw(Arc::clone(&hostile)).cast(), &TABLE)
}

fn wake(data: *const ()) {
    // SAFETY: waking uses the reference up.
    let hostile = unsafe { owned(data) };
    (hostile.0)(Happening::Wake);
}

fn wake_by_ref(data: *const ()) {
    // SAFETY: the reference is not used up.
    let hostile = std::mem::ManuallyDrop::new(unsafe { owned(data) });
    (hostile.0)(Happening::Wake);
}

fn drop_waker(data: *const ()) {
    // SAFETY: dropping uses the reference up.
    let hostile = unsafe { owned(data) };
    (hostile.0)(Happening::Drop);
}
