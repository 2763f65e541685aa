//! What all rules need: a runtime that listens to itself, a log, an exact clock, a join.

use crate::watchdog::within_patience;
use lenio_executor::{Runtime, StopEvent, StopPolicy, yield_now};
use lenio_time::Instant;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// What a timer may be late by.
const TICK: Duration = Duration::from_millis(1);

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a runtime has said.
#[derive(Default)]
pub(crate) struct Heard {
    events: Mutex<Vec<StopEvent>>,
    failures: Mutex<Vec<String>>,
}

impl Heard {
    pub(crate) fn events(&self) -> Vec<StopEvent> {
        self.events.lock().unwrap().clone()
    }

    /// The messages of the failures that nobody saw.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }
}

/// A runtime without worker threads, under a virtual clock.
pub(crate) fn runtime(policy: StopPolicy, heard: &Arc<Heard>) -> Runtime {
    let (events, failures) = (heard.clone(), heard.clone());
    Runtime::builder()
        .current_thread()
        .virtual_clock()
        .stop_policy(policy)
        .on_stop_event(move |event| events.events.lock().unwrap().push(event.clone()))
        .on_unobserved(move |failure| {
            let message = failure.error.to_string();
            failures.failures.lock().unwrap().push(message);
        })
        .build()
        .unwrap()
}

/// Runs a scenario under a policy. At its end no task is left.
#[track_caller]
pub(crate) fn under<T, F>(
    policy: StopPolicy,
    scenario: impl FnOnce(Arc<Heard>) -> F + Send + 'static,
) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    within_patience("scenario", move || {
        let heard = Arc::new(Heard::default());
        let runtime = runtime(policy, &heard);
        let result = runtime.block_on(scenario(heard));
        // Who looked after a grace goes in a turn of its own.
        runtime.block_on(settle());
        assert_eq!(runtime.metrics().living_tasks, 0, "a task is left");
        result
    })
}

/// Lets everything go that is over.
pub(crate) async fn settle() {
    for _ in 0..4 {
        yield_now().await;
    }
    lenio_time::sleep(ms(1)).await;
}

/// Runs a scenario under the default policy.
#[track_caller]
pub(crate) fn scenario<T, F>(scenario: impl FnOnce(Arc<Heard>) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    under(StopPolicy::native(), scenario)
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Notes it when the returned value is dropped.
    pub(crate) fn at_drop(&self, what: &'static str) -> AtDrop {
        AtDrop(self.clone(), what)
    }
}

pub(crate) struct AtDrop(Log, &'static str);

impl Drop for AtDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// Counts time from its making.
#[derive(Clone, Copy)]
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Not early, and not late by more than a tick.
    #[track_caller]
    pub(crate) fn assert_at(self, due: Duration) {
        let now = Instant::now() - self.0;
        assert!(now >= due, "{now:?} is before {due:?}");
        assert!(now <= due + TICK, "{now:?} is after {due:?}");
    }
}

/// With which waker the futures of a [`both`] are polled.
#[derive(Clone, Copy)]
pub(crate) enum Wakers {
    OfTheTask,
    OfTheirOwn,
}

pub(crate) const WAKERS: [Wakers; 2] = [Wakers::OfTheTask, Wakers::OfTheirOwn];

struct Own(Waker);

impl Wake for Own {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// Polls two futures in one task until both are ready.
pub(crate) async fn both<A: Future, B: Future>(
    wakers: Wakers,
    a: A,
    b: B,
) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    std::future::poll_fn(|cx| {
        let own = Waker::from(Arc::new(Own(cx.waker().clone())));
        let cx = &mut match wakers {
            Wakers::OfTheTask => Context::from_waker(cx.waker()),
            Wakers::OfTheirOwn => Context::from_waker(&own),
        };
        poll_into(&mut of_a, a.as_mut(), cx);
        poll_into(&mut of_b, b.as_mut(), cx);
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

fn poll_into<F: Future>(
    output: &mut Option<F::Output>,
    future: std::pin::Pin<&mut F>,
    cx: &mut Context<'_>,
) {
    if output.is_none() {
        if let Poll::Ready(ready) = future.poll(cx) {
            *output = Some(ready);
        }
    }
}
