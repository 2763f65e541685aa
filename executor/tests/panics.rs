//! Panics in whatever the runtime calls: only the joiner sees them, every worker lives on (F1).
//!
//! Panics that come by the thousand are thrown with `resume_unwind`, which spares the panic hook.

mod hostile;
#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use hostile::{Contained, Hostile};
use lenio_executor::{JoinHandle, Runtime, block_on, spawn, yield_now};
use std::any::Any;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use watchdog::within_patience;

const LONG: Duration = Duration::from_secs(20);
const WORKERS: usize = 2;

/// Both flavours, and what counts the threads that they start and stop.
fn on_both(name: &str, scenario: impl Fn(&Runtime) + Clone + Send + 'static) {
    for threads in [WORKERS, 0] {
        let scenario = scenario.clone();
        within_patience(&format!("{name} ({threads} threads)"), move || {
            let started = Arc::new(AtomicUsize::new(0));
            let stopped = Arc::new(AtomicUsize::new(0));
            let (start, stop) = (started.clone(), stopped.clone());
            let builder = Runtime::builder()
                .on_thread_start(move || {
                    start.fetch_add(1, Ordering::SeqCst);
                })
                .on_thread_stop(move || {
                    stop.fetch_add(1, Ordering::SeqCst);
                });
            let builder = match threads {
                0 => builder.current_thread(),
                threads => builder.threads(threads),
            };
            let runtime = builder.build().unwrap();
            scenario(&runtime);
            still_works(&runtime, 1000);
            assert_eq!(stopped.load(Ordering::SeqCst), 0, "a worker ended");
            assert!(started.load(Ordering::SeqCst) <= threads);
            let report = runtime.shutdown_now(LONG);
            assert!(report.is_clean(), "{report}");
            assert_eq!(started.load(Ordering::SeqCst), threads);
            assert_eq!(stopped.load(Ordering::SeqCst), threads);
        });
    }
}

/// Ordinary tasks complete, and are counted.
fn still_works(runtime: &Runtime, tasks: usize) {
    let polls_before = runtime.metrics().polls();
    let places = runtime.metrics().workers.len();
    let sum: usize = runtime.block_on(async {
        let tasks: Vec<_> = (0..tasks)
            .map(|n| {
                spawn(async move {
                    yield_now().await;
                    n
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, (0..tasks).sum());
    let metrics = runtime.metrics();
    assert!(metrics.polls() - polls_before >= tasks as u64);
    assert_eq!(metrics.workers.len(), places);
}

fn throw(what: &'static str) -> ! {
    resume_unwind(Box::new(what))
}

fn thrown(payload: Box<dyn Any + Send>) -> &'static str {
    *payload.downcast::<&'static str>().unwrap()
}

/// Spins until another thread has done its part; the watchdog ends a test in which that never happens.
fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

/// Returns `Pending` so many times, waking itself, and then panics.
async fn panic_at_poll(k: usize) {
    for _ in 1..k {
        yield_now().await;
    }
    throw("at poll k");
}

#[test]
fn f1_r14_after_a_panic_at_every_poll_in_turn_ordinary_tasks_complete() {
    on_both("panic at every k-th poll", |runtime| {
        for k in 1..=100 {
            runtime.block_on(async {
                let panics: Vec<_> = (0..10).map(|_| spawn(panic_at_poll(k))).collect();
                for task in panics {
                    let error = task.await.unwrap_err();
                    assert!(error.is_panic() && !error.is_cancelled());
                    assert_eq!(thrown(error.into_panic()), "at poll k");
                }
            });
        }
        still_works(runtime, 10_000);
        wait_until(|| runtime.metrics().living_tasks == 0);
    });
}

/// A future that panics where it is told to, with that place as the payload.
struct Falling {
    polls_before_ready: usize,
    in_poll: bool,
    in_drop: bool,
    output_drops: Arc<AtomicUsize>,
}

impl Falling {
    fn in_drop(polls_before_ready: usize, output_drops: &Arc<AtomicUsize>) -> Self {
        Self {
            polls_before_ready,
            in_poll: false,
            in_drop: true,
            output_drops: output_drops.clone(),
        }
    }
}

impl Future for Falling {
    type Output = CountDrop;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CountDrop> {
        if self.in_poll {
            throw("in poll");
        }
        match self.polls_before_ready.checked_sub(1) {
            None => Poll::Ready(CountDrop(self.output_drops.clone())),
            Some(left) => {
                self.polls_before_ready = left;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Drop for Falling {
    fn drop(&mut self) {
        if self.in_drop {
            throw("in drop");
        }
    }
}

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn f1_a_future_whose_drop_panics_after_its_output_is_a_panicked_task() {
    on_both("drop after ready", |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        for polls in 0..5 {
            let task = runtime.spawn(Falling::in_drop(polls, &drops));
            let error = runtime.block_on(task).map(drop).unwrap_err();
            assert_eq!(thrown(error.into_panic()), "in drop");
            assert_eq!(
                drops.swap(0, Ordering::SeqCst),
                1,
                "the output is not lost either"
            );
        }
    });
}

#[test]
fn f1_a_future_whose_drop_panics_when_it_is_cancelled_is_a_panicked_task() {
    on_both("drop on cancel", |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let task = spawn(Falling::in_drop(usize::MAX, &drops));
            yield_now().await;
            task.cancel();
            let error = task.await.map(drop).unwrap_err();
            assert!(error.is_panic() && !error.is_cancelled());
            assert_eq!(thrown(error.into_panic()), "in drop");
            // The same before its first poll.
            let task = spawn(Falling::in_drop(0, &drops));
            task.cancel();
            let outcome = task.await.map(drop);
            assert_eq!(thrown(outcome.unwrap_err().into_panic()), "in drop");
        });
    });
}

#[test]
fn f1_of_a_panic_in_poll_and_one_in_drop_the_joiner_sees_the_first() {
    on_both("drop after a panic in poll", |runtime| {
        let mut falling = Falling::in_drop(0, &Arc::default());
        falling.in_poll = true;
        let task = runtime.spawn(falling);
        let error = runtime.block_on(task).map(drop).unwrap_err();
        assert_eq!(thrown(error.into_panic()), "in poll");
    });
}

#[test]
fn f1_futures_whose_drop_panics_do_not_disturb_a_shutdown() {
    for threads in [WORKERS, 0] {
        within_patience("shutdown", move || {
            let builder = Runtime::builder();
            let runtime = match threads {
                0 => builder.current_thread(),
                threads => builder.threads(threads),
            };
            let runtime = runtime.build().unwrap();
            let drops = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..100)
                .map(|_| {
                    let falling = Falling::in_drop(0, &drops);
                    runtime.spawn(async move {
                        let _falling = falling;
                        pending::<()>().await;
                    })
                })
                .collect();
            let report = runtime.shutdown_now(LONG);
            assert!(report.is_clean(), "{report}");
            for task in tasks {
                assert!(block_on(task).unwrap_err().is_panic());
            }
        });
    }
}

/// An output whose drop panics.
struct FallingOutput(Arc<AtomicUsize>);

impl Drop for FallingOutput {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        throw("in the output's drop");
    }
}

#[test]
fn f1_r15_an_output_whose_drop_panics_is_dropped_once_when_its_handle_is_gone() {
    on_both("output of a detached task", |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let output = FallingOutput(drops.clone());
            drop(runtime.spawn(async move { output }));
        }
        runtime.block_on(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            match drops.load(Ordering::SeqCst) {
                100 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }));
    });
}

#[test]
fn f1_r15_an_output_whose_drop_panics_is_dropped_in_peace_with_its_handle() {
    on_both("output of a finished task", |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let output = FallingOutput(drops.clone());
        let task = runtime.spawn(async move { output });
        finish(runtime, &task);
        drop(task);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

/// Runs the runtime until the task has finished.
fn finish<T>(runtime: &Runtime, task: &JoinHandle<T>) {
    runtime.block_on(async {
        while !task.is_finished() {
            yield_now().await;
        }
    });
}

#[test]
fn f1_r15_an_output_whose_drop_panics_goes_with_a_future_whose_drop_panics() {
    struct Both(Arc<AtomicUsize>);
    impl Future for Both {
        type Output = FallingOutput;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<FallingOutput> {
            Poll::Ready(FallingOutput(self.0.clone()))
        }
    }
    impl Drop for Both {
        fn drop(&mut self) {
            throw("in drop");
        }
    }
    on_both("output and future", |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let task = runtime.spawn(Both(drops.clone()));
        let error = runtime.block_on(task).map(std::mem::forget).unwrap_err();
        assert_eq!(thrown(error.into_panic()), "in drop");
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

/// A payload whose drop panics, with a payload like itself. It has no size: what is leaked on purpose leaks no memory.
struct FallingPayload;

impl Drop for FallingPayload {
    fn drop(&mut self) {
        resume_unwind(Box::new(Self));
    }
}

#[test]
fn f1_a_payload_whose_drop_panics_harms_nobody() {
    on_both("payload", |runtime| {
        for _ in 0..100 {
            // Dropped by the finisher, because nobody waits.
            drop(runtime.spawn(async { resume_unwind(Box::new(FallingPayload)) }));
            // Dropped with its handle.
            let task = runtime.spawn(async { resume_unwind(Box::new(FallingPayload)) });
            finish(runtime, &task);
            drop(task);
            // Handed to the joiner.
            let task = runtime.spawn(async { resume_unwind(Box::new(FallingPayload)) });
            let error = runtime.block_on(task).unwrap_err();
            let payload = error.into_panic().downcast::<FallingPayload>();
            std::mem::forget(payload.unwrap());
        }
    });
}

#[test]
fn f1_a_joiner_whose_waker_panics_in_wake_harms_only_itself() {
    on_both("waker that panics in wake", |runtime| {
        let hostile = Arc::new(Hostile::new().on_wake(|| throw("in wake")));
        let gate = Arc::new(AtomicUsize::new(0));
        let opener = gate.clone();
        let mut task = pin!(runtime.spawn(poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            match opener.load(Ordering::SeqCst) {
                0 => Poll::Pending,
                _ => Poll::Ready(5),
            }
        })));
        let waker = hostile.waker();
        let mut cx = Context::from_waker(&waker);
        assert!(task.as_mut().poll(&mut cx).is_pending());
        gate.store(1, Ordering::SeqCst);
        finish(runtime, &task);
        wait_until(|| hostile.wakes() == 1);
        assert_eq!(runtime.block_on(task).unwrap(), 5);
        drop(waker);
        wait_until(|| hostile.living(1) == 0);
    });
}

#[test]
fn f1_a_waker_that_panics_in_clone_leaves_the_handle_as_it_was() {
    on_both("waker that panics in clone", |runtime| {
        let hostile = Arc::new(Hostile::new().on_clone(|| throw("in clone")));
        let waker = hostile.waker();
        let task = runtime.spawn(async {
            for _ in 0..10 {
                yield_now().await;
            }
            6
        });
        let mut task = pin!(task);
        for _ in 0..10 {
            let mut cx = Context::from_waker(&waker);
            let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut cx)));
            match polled {
                Err(payload) => assert_eq!(thrown(payload), "in clone"),
                // The task was quicker.
                Ok(Poll::Ready(output)) => {
                    assert_eq!(output.unwrap(), 6);
                    return;
                }
                Ok(Poll::Pending) => panic!("the waker cannot have been stored"),
            }
        }
        assert_eq!(runtime.block_on(task).unwrap(), 6);
    });
}

#[test]
fn f1_a_waker_that_panics_in_drop_costs_the_joiner_no_outcome() {
    on_both("waker that panics in drop", |runtime| {
        let hostile = Arc::new(Hostile::new().on_drop(|| throw("in drop")));
        let mut task = pin!(runtime.spawn(async {
            yield_now().await;
            7
        }));
        // The slot's waker is replaced twice: each time the old one is dropped within a poll.
        for _ in 0..3 {
            let waker = Contained::new(hostile.waker());
            let mut cx = Context::from_waker(waker.waker());
            let polled = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut cx)));
            match polled {
                Err(payload) => assert_eq!(thrown(payload), "in drop"),
                Ok(Poll::Ready(output)) => {
                    assert_eq!(output.unwrap(), 7);
                    return;
                }
                Ok(Poll::Pending) => {}
            }
        }
        let joined = catch_unwind(AssertUnwindSafe(|| runtime.block_on(task.as_mut())));
        let output = match joined {
            Ok(output) => output,
            Err(_) => runtime.block_on(task),
        };
        assert_eq!(output.unwrap(), 7);
    });
}

#[test]
fn f1_a_handle_dropped_with_a_waker_that_panics_in_drop_goes_in_peace() {
    on_both("handle with a waker that panics in drop", |runtime| {
        let hostile = Arc::new(Hostile::new().on_drop(|| throw("in drop")));
        let waker = Contained::new(hostile.waker());
        let mut cx = Context::from_waker(waker.waker());
        let mut task = Box::pin(runtime.spawn(pending::<()>()));
        assert!(task.as_mut().poll(&mut cx).is_pending());
        assert_eq!(hostile.living(1), 2);
        drop(task);
        assert_eq!(hostile.living(1), 1);
    });
}

#[test]
fn f1_a_root_future_that_panics_gives_its_place_back() {
    // One place: a second `block_on` works only if the first has left it.
    within_patience("root future", || {
        let runtime = Runtime::builder().current_thread().build().unwrap();
        for k in 1..50 {
            let root = catch_unwind(AssertUnwindSafe(|| runtime.block_on(panic_at_poll(k))));
            assert_eq!(thrown(root.unwrap_err()), "at poll k");
            assert!(lenio_executor::Handle::current().is_err());
            assert_eq!(lenio_executor::current_task(), None);
        }
        still_works(&runtime, 100);
    });
    // With worker threads there are four places for guests.
    within_patience("root future as a guest", || {
        let runtime = Runtime::builder().threads(1).build().unwrap();
        let guests = |runtime: &Runtime| {
            let metrics = runtime.metrics();
            let guests = metrics.workers.iter().filter(|worker| !worker.is_thread);
            guests.map(|guest| guest.polls).sum::<u64>()
        };
        for k in 1..50 {
            let root = catch_unwind(AssertUnwindSafe(|| runtime.block_on(panic_at_poll(k))));
            assert_eq!(thrown(root.unwrap_err()), "at poll k");
        }
        let before = guests(&runtime);
        runtime.block_on(yield_now());
        assert!(guests(&runtime) > before, "polled in a place");
        still_works(&runtime, 100);
    });
}

#[test]
fn f1_a_nested_root_future_that_panics_is_its_tasks_panic() {
    on_both("nested root future", |runtime| {
        let outcome = runtime.block_on(async {
            let task = spawn(async {
                let nested = catch_unwind(AssertUnwindSafe(|| block_on(panic_at_poll(3))));
                assert_eq!(thrown(nested.unwrap_err()), "at poll k");
                yield_now().await;
                block_on(panic_at_poll(3));
            });
            task.await
        });
        assert_eq!(thrown(outcome.unwrap_err().into_panic()), "at poll k");
    });
}

#[test]
fn f1_a_blocking_job_that_panics_costs_no_thread() {
    within_patience("blocking job", || {
        let runtime = Runtime::builder()
            .threads(1)
            .blocking_threads(1)
            .build()
            .unwrap();
        for _ in 0..1000 {
            let job = runtime.spawn_blocking(|| throw("in the job"));
            let error = runtime.block_on(job).unwrap_err();
            assert_eq!(thrown(error.into_panic()), "in the job");
        }
        assert_eq!(runtime.metrics().blocking_threads, 1);
        let job = runtime.spawn_blocking(|| 8);
        assert_eq!(runtime.block_on(job).unwrap(), 8);
    });
}

#[test]
fn f1_hooks_that_panic_stop_nobody() {
    within_patience("hooks", || {
        let runtime = Runtime::builder()
            .threads(2)
            .on_thread_start(|| throw("start"))
            .on_park(|| throw("park"))
            .on_unpark(|| throw("unpark"))
            .build()
            .unwrap();
        still_works(&runtime, 1000);
        assert!(runtime.shutdown_now(LONG).is_clean());
    });
}
