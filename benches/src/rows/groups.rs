//! What does it cost that tasks belong together: to start and to await them, to look whether they are to stop, to stop
//! them all?
//!
//! Each body is a contest between libraries, at home (see `library/`): lenio's scope, tokio's `JoinSet`, tokio-util's
//! `TaskTracker`, the latter two with a `CancellationToken`. The same tasks without a group are `spawn_join_in`,
//! `spawn_small_in`, `spawn_await1` and `mem_pending`. A regression: a second allocation per child; a lock or a list
//! insertion per wait that a stop can end; a system call per child that is stopped; recursion over the tree.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::{Metric, Row, Unit};
use crate::floor::{poll, tasks};
use crate::library::{self, Groups, VisitGroups};
use crate::measure::{Run, Sample, percentile};
use crate::os;
use crate::rt::Rt;
use crate::signal::{oneshot, wake_yield};

const BURST: u64 = 100;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    struct Collect<R>(Vec<Row<R>>);
    impl<R: Rt> VisitGroups for Collect<R> {
        fn visit<G: Groups>(&mut self) {
            self.0.extend(spawn_rows::<R, G>());
            self.0.extend(wait_rows::<R, G>());
            self.0.extend(stop_rows::<R, G>());
        }
    }
    let mut rows = Collect(Vec::new());
    library::groups(&mut rows);
    rows.0
}

fn spawn_rows<R: Rt, G: Groups>() -> Vec<Row<R>> {
    let rows = vec![
        Row::timed("scope_spawn_join", 200_000, 2_000, |rt: &R, n| {
            rt.run_inside(boxed(spawn_join::<G>(n)))
        })
        .gate(2_000, 12_000)
        .floor(tasks::cell_batch),
        Row::timed("scope_small", 2_000, 20, |rt: &R, scopes| {
            rt.run_inside(boxed(spawn_small::<G>(scopes, BURST)))
        })
        .ops(|scopes| BURST * scopes)
        .gate(20, 120)
        .floor(|scopes| tasks::boxed_one_by_one(BURST * scopes)),
        Row::timed("scope_of_one", 100_000, 1_000, |rt: &R, scopes| {
            rt.run_inside(boxed(spawn_small::<G>(scopes, 1)))
        })
        .gate(2_000, 12_000)
        .floor(tasks::boxed_one_by_one),
        Row::measured("mem_child", 200_000, 5_000, |rt: &R, run| {
            mem_child::<R, G>(rt, run)
        })
        .cold()
        .metrics(&[Metric::cost("mem_child", Unit::Bytes)]),
    ];
    finished::<R, G>(rows)
}

fn wait_rows<R: Rt, G: Groups>() -> Vec<Row<R>> {
    let rows = vec![
        Row::timed("stop_check", 2_000_000, 2_000, |rt: &R, n| {
            rt.run_inside(as_child::<G, _>(move |token| check::<G>(token, n)))
        })
        .gate(2_000, 22_000),
        Row::timed("or_stop_ready", 1_000_000, 2_000, |rt: &R, n| {
            rt.run_inside(as_child::<G, _>(move |token| wait_ready::<G>(token, n)))
        })
        .gate(2_000, 22_000)
        .floor(poll::ready),
        Row::timed("or_stop_poll", 1_000_000, 2_000, |rt: &R, n| {
            rt.run_inside(as_child::<G, _>(move |token| poll_again::<G>(token, n)))
        })
        .gate(2_000, 22_000)
        .floor(poll::again),
        Row::timed("or_stop_own", 1_000_000, 2_000, |rt: &R, n| {
            rt.run_inside(as_child::<G, _>(move |token| {
                wait_once::<G>(token, n, None)
            }))
        })
        .gate(2_000, 22_000)
        .floor(poll::again),
        Row::timed("or_stop_foreign", 1_000_000, 2_000, |rt: &R, n| {
            rt.run_inside(as_child::<G, _>(move |token| {
                wait_once::<G>(token, n, Some(Waker::noop()))
            }))
        })
        .gate(2_000, 22_000)
        .floor(poll::again),
    ];
    finished::<R, G>(rows)
}

fn stop_rows<R: Rt, G: Groups>() -> Vec<Row<R>> {
    let rows = vec![
        Row::measured("cascade_10k", 10_000, 500, |rt: &R, run| {
            cascade::<R, G>(rt, run)
        })
        .metrics(&[
            Metric::cost("cascade_10k_call", Unit::Microseconds),
            Metric::cost("cascade_10k_gone", Unit::Microseconds),
        ]),
        Row::measured("stop_to_resume", 2_000, 50, |rt: &R, run| {
            stop_from_inside::<R, G>(rt, run)
        })
        .metrics(&[
            Metric::cost("stop_to_resume_p50", Unit::Nanoseconds),
            Metric::cost("stop_to_resume_p99", Unit::Nanoseconds),
        ]),
        Row::measured("stop_idle", 2_000, 50, |rt: &R, run| {
            stop_from_outside::<R, G>(rt, run)
        })
        .metrics(&[
            Metric::cost("stop_idle_p50", Unit::Nanoseconds),
            Metric::cost("stop_idle_p99", Unit::Nanoseconds),
        ]),
        Row::measured("stop_depth_1m", 1_000_000, 20_000, |rt: &R, run| {
            stop_chain::<R, G>(rt, run)
        })
        .cold()
        .metrics(&[
            Metric::cost("stop_depth_1m_build", Unit::Nanoseconds),
            Metric::cost("stop_depth_1m_call", Unit::Milliseconds),
            Metric::cost("stop_depth_1m_gone", Unit::Milliseconds),
            Metric::cost("stop_depth_1m_mem", Unit::Bytes),
        ]),
    ];
    finished::<R, G>(rows)
}

fn finished<R: Rt, G: Groups>(rows: Vec<Row<R>>) -> Vec<Row<R>> {
    let of_library = |row: Row<R>| row.of(G::LIBRARY).only_at_home().outside_mean();
    rows.into_iter().map(of_library).collect()
}

/// Spawns `n` empty tasks into one group and awaits the group.
async fn spawn_join<G: Groups>(n: u64) {
    G::run(|group| {
        for _ in 0..n {
            G::spawn(group, |_token| async {});
        }
    })
    .await;
}

/// Groups of a few empty tasks, one group after the other.
async fn spawn_small<G: Groups>(groups: u64, tasks: u64) {
    for _ in 0..groups {
        spawn_join::<G>(tasks).await;
    }
}

/// Runs one task as the only one of a group.
fn as_child<G: Groups, F: Future<Output = ()> + Send + 'static>(
    task: impl FnOnce(G::Token) -> F + Send + 'static,
) -> Boxed<()> {
    boxed(async { G::run(|group| G::spawn(group, task)).await })
}

/// A root, or one that stops others. Boxed, so that every runtime has to be compiled for one type of them only; what is
/// measured is not.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn boxed<T>(root: impl Future<Output = T> + Send + 'static) -> Boxed<T> {
    Box::pin(root)
}

/// Looks `n` times whether to stop.
async fn check<G: Groups>(token: G::Token, n: u64) {
    for _ in 0..n {
        assert!(!black_box(G::is_stopped(&token)));
    }
}

/// `n` waits for something that is there.
async fn wait_ready<G: Groups>(token: G::Token, n: u64) {
    for value in 0..n {
        let waited = G::or_stop(&token, async { black_box(value) }).await;
        assert_eq!(G::output(waited), Some(value));
    }
}

/// One wait that is polled `n` times, by its task.
async fn poll_again<G: Groups>(token: G::Token, n: u64) {
    let mut wait = pin!(G::or_stop(&token, never()));
    poll_fn(|cx| {
        for _ in 0..n {
            assert!(wait.as_mut().poll(cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
}

/// `n` waits, each polled once and given up: by the task, or by something in it that has a waker of its own.
async fn wait_once<G: Groups>(token: G::Token, n: u64, waker: Option<&'static Waker>) {
    poll_fn(|cx| {
        let waker = waker.unwrap_or(cx.waker());
        let mut cx = Context::from_waker(waker);
        for _ in 0..n {
            let wait = pin!(G::or_stop(&token, never()));
            assert!(wait.poll(&mut cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
}

/// Is never ready, which the compiler does not know.
fn never() -> impl Future<Output = ()> + Send {
    poll_fn(|_cx| black_box(Poll::Pending))
}

/// Tasks that wait for their stop, and how many of them do so far.
#[derive(Clone, Default)]
struct Waiting(Arc<AtomicU64>);

impl Waiting {
    /// Waits for the stop.
    async fn wait<G: Groups>(self, token: &G::Token) {
        let mut is_counted = false;
        let count = poll_fn(|_cx| {
            if !is_counted {
                is_counted = true;
                // ORDERING: Relaxed, a count and nothing else.
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            Poll::<()>::Pending
        });
        assert_eq!(G::output(G::or_stop(token, count).await), None);
    }

    fn count(&self) -> u64 {
        // ORDERING: Relaxed, as above.
        self.0.load(Ordering::Relaxed)
    }

    /// Returns when so many tasks wait.
    async fn reach(&self, n: u64) {
        while self.count() < n {
            wake_yield().await;
        }
    }
}

/// Resident bytes per task of a group that waits for its stop.
fn mem_child<R: Rt, G: Groups>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let grown = rt.run_inside(boxed(async move {
        let before = os::resident_bytes();
        let waiting = Waiting::default();
        let mut measuring = None;
        G::run(|group| {
            for _ in 0..n {
                let waiting = waiting.clone();
                G::spawn(
                    group,
                    |token| async move { waiting.wait::<G>(&token).await },
                );
            }
            let stopper = G::stopper(group);
            measuring = Some(R::spawn(boxed(async move {
                waiting.reach(n).await;
                let grown = os::resident_bytes().saturating_sub(before);
                G::stop(&stopper);
                grown
            })));
        })
        .await;
        measuring.expect("the group was filled").await
    }));
    Sample::of([("mem_child", grown as f64 / n as f64)])
}

/// A task stops a group of `n` idle tasks: how long the call takes, and from its begin until all of them have ended.
fn cascade<R: Rt, G: Groups>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let (call, gone) = rt.run_inside(boxed(async move {
        let waiting = Waiting::default();
        let mut stopping = None;
        G::run(|group| {
            for _ in 0..n {
                let waiting = waiting.clone();
                G::spawn(
                    group,
                    |token| async move { waiting.wait::<G>(&token).await },
                );
            }
            let stopper = G::stopper(group);
            stopping = Some(R::spawn(boxed(async move {
                waiting.reach(n).await;
                let begin = Instant::now();
                G::stop(&stopper);
                (begin, begin.elapsed())
            })));
        })
        .await;
        let end = Instant::now();
        let (begin, call) = stopping.expect("the group was filled").await;
        (call, end - begin)
    }));
    Sample::of([
        ("cascade_10k_call", micros(call)),
        ("cascade_10k_gone", micros(gone)),
    ])
}

/// A task stops another one, `n` times: from the call until the other one goes on.
fn stop_from_inside<R: Rt, G: Groups>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let mut latencies = rt.run_inside(boxed(async move {
        let base = Instant::now();
        let mut latencies = Vec::new();
        for _ in 0..n {
            let stop = move |stopper: G::Stopper, stamp: Arc<AtomicU64>, waiting: Waiting| {
                R::detach(boxed(async move {
                    waiting.reach(1).await;
                    stamp_and_stop::<G>(&stopper, &stamp, base);
                }));
            };
            latencies.push(until_resumed::<G>(base, stop).await);
        }
        latencies
    }));
    Sample::of([
        ("stop_to_resume_p50", percentile(&mut latencies, 0.5)),
        ("stop_to_resume_p99", percentile(&mut latencies, 0.99)),
    ])
}

/// A plain thread stops the only task of an idle runtime, `n` times: from the call until the task goes on.
fn stop_from_outside<R: Rt, G: Groups>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let base = Instant::now();
    let (to_stop, stoppers) = mpsc::channel::<(G::Stopper, Arc<AtomicU64>, Waiting)>();
    let stopping = thread::spawn(move || {
        for (stopper, stamp, waiting) in stoppers {
            // Meanwhile the task begins to wait, and the workers fall asleep.
            while waiting.count() == 0 {
                thread::sleep(Duration::from_micros(50));
            }
            thread::sleep(Duration::from_micros(150));
            stamp_and_stop::<G>(&stopper, &stamp, base);
        }
    });
    let mut latencies = rt.run_inside(boxed(async move {
        let mut latencies = Vec::new();
        for _ in 0..n {
            let stop = |stopper, stamp, waiting| {
                let order = (stopper, stamp, waiting);
                to_stop.send(order).expect("the thread runs");
            };
            latencies.push(until_resumed::<G>(base, stop).await);
        }
        latencies
    }));
    stopping.join().expect("the stopping thread does not panic");
    Sample::of([
        ("stop_idle_p50", percentile(&mut latencies, 0.5)),
        ("stop_idle_p99", percentile(&mut latencies, 0.99)),
    ])
}

/// Has a new task stopped, and returns the nanoseconds that have passed when it goes on.
async fn until_resumed<G: Groups>(
    base: Instant,
    stop: impl FnOnce(G::Stopper, Arc<AtomicU64>, Waiting) + Send,
) -> u64 {
    let (sender, receiver) = oneshot();
    let stamp = Arc::new(AtomicU64::new(0));
    let waiting = Waiting::default();
    G::run(|group| {
        let (its_stamp, its_waiting) = (stamp.clone(), waiting.clone());
        G::spawn(group, |token| async move {
            its_waiting.wait::<G>(&token).await;
            let now = base.elapsed().as_nanos() as u64;
            // ORDERING: Acquire pairs with the Release store in `stamp_and_stop`.
            sender.send(now - its_stamp.load(Ordering::Acquire));
        });
        stop(G::stopper(group), stamp, waiting);
    })
    .await;
    receiver.await
}

fn stamp_and_stop<G: Groups>(stopper: &G::Stopper, stamp: &AtomicU64, base: Instant) {
    // ORDERING: Release pairs with the Acquire load in `until_resumed`.
    stamp.store(base.elapsed().as_nanos() as u64, Ordering::Release);
    G::stop(stopper);
}

/// Each task has one below it, a million deep, and all wait; then the first one is stopped.
fn stop_chain<R: Rt, G: Groups>(rt: &R, run: &Run) -> Sample {
    let n = run.n;
    let values = rt.run_inside(boxed(async move {
        let waiting = Waiting::default();
        let before = os::resident_bytes();
        let first = Instant::now();
        let mut stopping = None;
        G::run(|group| {
            let below = waiting.clone();
            G::spawn(group, |token| link::<G>(token, n, below));
            let stopper = G::stopper(group);
            stopping = Some(R::spawn(boxed(async move {
                waiting.reach(n).await;
                let build = first.elapsed();
                let grown = os::resident_bytes().saturating_sub(before);
                let begin = Instant::now();
                G::stop(&stopper);
                (build, grown, begin, begin.elapsed())
            })));
        })
        .await;
        let end = Instant::now();
        let (build, grown, begin, call) = stopping.expect("the group was filled").await;
        [
            ("stop_depth_1m_build", build.as_nanos() as f64 / n as f64),
            ("stop_depth_1m_call", micros(call) / 1e3),
            ("stop_depth_1m_gone", micros(end - begin) / 1e3),
            ("stop_depth_1m_mem", grown as f64 / n as f64),
        ]
    }));
    Sample::of(values)
}

/// A task with so many below, itself included.
fn link<G: Groups>(token: G::Token, left: u64, waiting: Waiting) -> Boxed<()> {
    Box::pin(async move {
        let below = (left > 1).then(|| {
            let waiting = waiting.clone();
            G::spawn_below(&token, |token| link::<G>(token, left - 1, waiting))
        });
        waiting.wait::<G>(&token).await;
        if let Some(below) = below {
            below.await;
        }
    })
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}
