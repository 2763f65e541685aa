//! Runtimes under every policy, a waker that is not the task's own, and what tests count with.

use lenio_executor::{Handle, Runtime, StopEvent, StopPolicy};
use lenio_time::{Instant, sleep};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// What a timer may be late by.
pub(crate) const TICK: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Every preset with its name.
pub(crate) const PRESETS: [(&str, StopPolicy); 3] = [
    ("native", StopPolicy::native()),
    ("gentletask", StopPolicy::gentletask()),
    ("detached", StopPolicy::detached()),
];

/// The presets under which a stop is a request, and not a cancel at once.
pub(crate) const GENTLE: [(&str, StopPolicy); 2] = [
    ("native", StopPolicy::native()),
    ("gentletask", StopPolicy::gentletask()),
];

/// One thread, virtual time.
pub(crate) fn alone(policy: StopPolicy) -> Runtime {
    Runtime::builder()
        .current_thread()
        .virtual_clock()
        .stop_policy(policy)
        .on_stop_event(|_| {})
        .on_unobserved(|_| {})
        .build()
        .unwrap()
}

/// Several threads, virtual time.
pub(crate) fn crew(threads: usize, policy: StopPolicy) -> Runtime {
    Runtime::builder()
        .threads(threads)
        .virtual_clock()
        .stop_policy(policy)
        .on_stop_event(|_| {})
        .on_unobserved(|_| {})
        .build()
        .unwrap()
}

/// Several threads, real time.
pub(crate) fn real_crew(threads: usize, policy: StopPolicy) -> Runtime {
    Runtime::builder()
        .threads(threads)
        .stuck_after(None)
        .stop_policy(policy)
        .on_stop_event(|_| {})
        .on_unobserved(|_| {})
        .build()
        .unwrap()
}

/// What happened by itself, and when, counted from the begin.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<StopEvent>>>);

impl Events {
    pub(crate) fn record(&self) -> impl Fn(&StopEvent) + Send + Sync + 'static {
        let list = self.0.clone();
        move |event| list.lock().unwrap().push(event.clone())
    }

    pub(crate) fn all(&self) -> Vec<StopEvent> {
        self.0.lock().unwrap().clone()
    }
}

/// Not early, and not late by more than a few ticks.
#[track_caller]
pub(crate) fn assert_on_time(now: Instant, due: Instant) {
    assert!(now >= due, "{:?} early", due - now);
    assert!(now - due <= 3 * TICK, "{:?} late", now - due);
}

/// The runtime that polls this.
pub(crate) fn here() -> Handle {
    Handle::current().unwrap()
}

/// Under a virtual clock: returns when nothing else can run.
pub(crate) async fn quiet() {
    sleep(TICK).await;
}

/// Numbers without a pattern, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        // Knuth's multiplier.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// Counts how many of its guards exist.
#[derive(Clone, Default)]
pub(crate) struct Living(Arc<AtomicUsize>);

pub(crate) struct Alive(Arc<AtomicUsize>);

impl Living {
    pub(crate) fn one(&self) -> Alive {
        self.0.fetch_add(1, Ordering::SeqCst);
        Alive(self.0.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        assert_ne!(self.0.fetch_sub(1, Ordering::SeqCst), 0, "dropped twice");
    }
}

/// Lines in the order in which they were written.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Polls a future with a waker of its own, and only when that was woken: what a set of futures does with its members.
pub(crate) struct Foreign<F> {
    future: Pin<Box<F>>,
    slot: Arc<Slot>,
}

struct Slot {
    is_woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        let outer = self.outer.lock().unwrap().clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl<F: Future> Foreign<F> {
    pub(crate) fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            slot: Arc::new(Slot {
                is_woken: AtomicBool::new(true),
                outer: Mutex::new(None),
            }),
        }
    }
}

impl<F: Future> Future for Foreign<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.slot.outer.lock().unwrap() = Some(cx.waker().clone());
        if !self.slot.is_woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(self.slot.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// Polls both with the waker it was given; ends with the first, and drops the other.
pub(crate) async fn either<A, B>(a: A, b: B) -> Result<A::Output, B::Output>
where
    A: Future,
    B: Future,
{
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = a.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        b.as_mut().poll(cx).map(Err)
    })
    .await
}

/// Calls a function when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(f: F) -> Self {
        Self(Some(f))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// As `mem::forget`, but what is forgotten can still be found by a search for leaks.
pub(crate) fn forget<T>(value: T) {
    static FORGOTTEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let address = Box::into_raw(Box::new(value)).expose_provenance();
    FORGOTTEN.lock().unwrap().push(address);
}
