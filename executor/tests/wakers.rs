#![expect(
    clippy::disallowed_methods,
    reason = "threads that are no workers are what some of these tests are about"
)]
#![expect(
    clippy::waker_clone_wake,
    reason = "a wake by value is another transition than one by reference"
)]
//! Hostile wakers against join handles, and hostile use of the wakers of tasks (F3).

mod hostile;
#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use hostile::Hostile;
use lenio_executor::{JoinHandle, JoinSet, Runtime, block_on, spawn, yield_now};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use watchdog::within_patience;

const LONG: Duration = Duration::from_secs(20);

fn on_both(name: &str, scenario: impl Fn(Runtime) + Clone + Send + 'static) {
    for builder in [
        || Runtime::builder().threads(2),
        || Runtime::builder().current_thread(),
    ] {
        let scenario = scenario.clone();
        within_patience(name, move || scenario(builder().build().unwrap()));
    }
}

/// Spins until another thread has done its part; the watchdog ends a test in which that never happens.
fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// A task that hands out its waker at each poll and ends when it is told to.
struct Steered {
    handle: JoinHandle<u32>,
    wakers: mpsc::Receiver<Waker>,
    polls: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
}

impl Steered {
    fn spawn(runtime: &Runtime) -> Self {
        let (send, wakers) = mpsc::channel();
        let (polls, end) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counter, ended) = (polls.clone(), end.clone());
        let handle = runtime.spawn(poll_fn(move |cx| {
            counter.fetch_add(1, Ordering::SeqCst);
            if ended.load(Ordering::SeqCst) {
                return Poll::Ready(42);
            }
            // Whoever listens may have gone.
            let _ = send.send(cx.waker().clone());
            Poll::Pending
        }));
        Self {
            handle,
            wakers,
            polls,
            end,
        }
    }

    /// Runs the task until it has been polled, and returns its waker.
    fn waker(&self, runtime: &Runtime) -> Waker {
        runtime.block_on(async {
            loop {
                match self.wakers.try_recv() {
                    Ok(waker) => return waker,
                    Err(_) => yield_now().await,
                }
            }
        })
    }

    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }
}

#[test]
fn f3_wakes_after_completion_poll_nothing() {
    on_both("after completion", |runtime| {
        let task = Steered::spawn(&runtime);
        let waker = task.waker(&runtime);
        task.end.store(true, Ordering::SeqCst);
        waker.wake_by_ref();
        let polls = task.polls.clone();
        assert_eq!(runtime.block_on(task.handle).unwrap(), 42);
        for _ in 0..100 {
            waker.wake_by_ref();
            waker.clone().wake();
        }
        // Anything that a wake had queued would stand before this task.
        runtime
            .block_on(async { spawn(yield_now()).await })
            .unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn f3_wakes_after_a_cancel_poll_nothing() {
    on_both("after a cancel", |runtime| {
        let task = Steered::spawn(&runtime);
        let waker = task.waker(&runtime);
        task.handle.cancel();
        waker.wake_by_ref();
        waker.clone().wake();
        let polls = task.polls.clone();
        assert!(runtime.block_on(task.handle).unwrap_err().is_cancelled());
        waker.wake();
        assert_eq!(polls.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn f3_r13_a_waker_outlives_runtime_and_handle_on_another_thread() {
    on_both("after the runtime", |runtime| {
        let wakers: Vec<Waker> = (0..100)
            .map(|_| Steered::spawn(&runtime).waker(&runtime))
            .collect();
        assert!(runtime.shutdown_now(LONG).is_clean());
        std::thread::spawn(move || {
            for waker in wakers {
                waker.wake_by_ref();
                let copy = waker.clone();
                assert!(copy.will_wake(&waker));
                waker.wake();
                drop(copy);
            }
        })
        .join()
        .unwrap();
    });
}

#[test]
fn f3_a_handle_polled_after_its_runtime_is_gone_wakes_and_yields() {
    on_both("handle after the runtime", |runtime| {
        let hostile = Arc::new(Hostile::new());
        let waker = hostile.waker();
        let mut handle = Steered::spawn(&runtime).handle;
        assert!(poll_with(&mut handle, &waker).is_pending());
        assert!(runtime.shutdown_now(LONG).is_clean());
        assert_eq!(hostile.wakes(), 1);
        let Poll::Ready(outcome) = poll_with(&mut handle, &waker) else {
            panic!("the task is gone")
        };
        assert!(outcome.unwrap_err().is_cancelled());
        drop(waker);
        assert_eq!(hostile.living(1), 0);
    });
}

#[test]
fn f3_forgotten_wakers_cost_memory_and_nothing_else() {
    on_both("forgotten", |runtime| {
        let task = Steered::spawn(&runtime);
        let waker = task.waker(&runtime);
        // What is forgotten stays reachable from here, so that a leak checker has nothing to say.
        static FORGOTTEN: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
        FORGOTTEN
            .lock()
            .unwrap()
            .extend((0..1000).map(|_| waker.clone()));
        task.end.store(true, Ordering::SeqCst);
        waker.wake();
        assert_eq!(runtime.block_on(task.handle).unwrap(), 42);
        assert!(runtime.shutdown_now(LONG).is_clean());
    });
}

#[test]
fn f3_a_storm_from_eight_threads_causes_no_more_polls_than_wakes() {
    const THREADS: usize = 8;
    const WAKES: usize = 20_000;
    on_both("storm", |runtime| {
        let task = Steered::spawn(&runtime);
        let waker = task.waker(&runtime);
        assert_eq!(task.polls(), 1);
        let start = Arc::new(Barrier::new(THREADS));
        let wakes = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                let (waker, start, wakes) = (waker.clone(), start.clone(), wakes.clone());
                std::thread::spawn(move || {
                    start.wait();
                    for round in 0..WAKES {
                        // Counted before: a poll that a wake has caused never sees too few.
                        wakes.fetch_add(1, Ordering::SeqCst);
                        if (round + n) % 2 == 0 {
                            waker.wake_by_ref();
                        } else {
                            waker.clone().wake();
                        }
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            while !threads.iter().all(std::thread::JoinHandle::is_finished) {
                assert!(task.polls() <= wakes.load(Ordering::SeqCst) + 1);
                yield_now().await;
            }
        });
        assert_eq!(wakes.load(Ordering::SeqCst), THREADS * WAKES);
        // The last wake is not lost: it is followed by a poll that sees what was written before it.
        task.end.store(true, Ordering::SeqCst);
        waker.wake();
        let polls = task.polls.clone();
        assert_eq!(runtime.block_on(task.handle).unwrap(), 42);
        assert!(polls.load(Ordering::SeqCst) <= THREADS * WAKES + 2);
    });
}

#[test]
fn f3_a_future_that_wakes_itself_in_its_drop_is_dropped_once() {
    struct WakeInDrop {
        waker: Option<Waker>,
        drops: Arc<AtomicUsize>,
    }
    impl Future for WakeInDrop {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            match self.waker.replace(cx.waker().clone()) {
                None => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(_) => Poll::Ready(()),
            }
        }
    }
    impl Drop for WakeInDrop {
        fn drop(&mut self) {
            self.drops.fetch_add(1, Ordering::SeqCst);
            if let Some(waker) = self.waker.take() {
                waker.wake_by_ref();
                waker.clone().wake();
                waker.wake();
            }
        }
    }
    on_both("wake in drop", |runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let future = || WakeInDrop {
            waker: None,
            drops: drops.clone(),
        };
        runtime.block_on(runtime.spawn(future())).unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        // And where the drop is a cancel.
        let mut inner = future();
        let cancelled = runtime.spawn(async move {
            poll_fn(|cx| {
                inner.waker = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        });
        runtime.block_on(async {
            yield_now().await;
            cancelled.cancel();
            assert!(cancelled.await.unwrap_err().is_cancelled());
        });
        assert_eq!(drops.load(Ordering::SeqCst), 2);
        // And where it is the shutdown.
        let mut inner = future();
        drop(runtime.spawn(async move {
            poll_fn(|cx| {
                inner.waker = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        }));
        assert!(runtime.shutdown_now(LONG).is_clean());
        assert_eq!(drops.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn f3_a_handle_polled_by_alternating_wakers_wakes_the_last_one_only() {
    on_both("alternating", |runtime| {
        let task = Steered::spawn(&runtime);
        let task_waker = task.waker(&runtime);
        let (a, b) = (Arc::new(Hostile::new()), Arc::new(Hostile::new()));
        let (waker_a, waker_b) = (a.waker(), b.waker());
        let mut handle = task.handle;
        for _ in 0..100 {
            assert!(poll_with(&mut handle, &waker_a).is_pending());
            assert!(poll_with(&mut handle, &waker_b).is_pending());
            assert_eq!(a.living(1), 1, "what was replaced is gone");
            assert_eq!(b.living(1), 2);
        }
        task.end.store(true, Ordering::SeqCst);
        task_waker.wake();
        runtime.block_on(async {
            while !handle.is_finished() {
                yield_now().await;
            }
        });
        wait_until(|| b.wakes() == 1);
        assert_eq!(a.wakes(), 0);
        assert!(poll_with(&mut handle, &waker_a).is_ready());
        drop((waker_a, waker_b, handle));
        wait_until(|| a.living(1) == 0 && b.living(1) == 0);
    });
}

#[test]
fn f3_a_handle_that_wanders_between_tasks_and_foreign_pollers_loses_no_wake() {
    on_both("wandering", |runtime| {
        for _ in 0..50 {
            let task = Steered::spawn(&runtime);
            let waker = task.waker(&runtime);
            let foreign = Arc::new(Hostile::new());
            let foreign_waker = foreign.waker();
            let mut handle = task.handle;
            assert!(poll_with(&mut handle, &foreign_waker).is_pending());
            // Polled once by a task, which stores a task's waker, and back again.
            let mut handle = runtime
                .block_on(async move {
                    spawn(async move {
                        poll_fn(|cx| {
                            assert!(Pin::new(&mut handle).poll(cx).is_pending());
                            Poll::Ready(())
                        })
                        .await;
                        // In a tuple: a handle is a future, and is not meant to be awaited here.
                        (handle,)
                    })
                    .await
                })
                .unwrap()
                .0;
            assert!(poll_with(&mut handle, &foreign_waker).is_pending());
            let joiner = runtime.spawn(handle);
            task.end.store(true, Ordering::SeqCst);
            waker.wake();
            assert_eq!(runtime.block_on(joiner).unwrap().unwrap(), 42);
        }
    });
}

/// The handle of a task, where its own joiner's waker can reach it.
#[derive(Default)]
struct Reachable(Mutex<Option<JoinHandle<u32>>>);

impl Reachable {
    /// Does everything that can be done to a handle that nobody else uses at this moment.
    fn poke(&self) {
        // Taken out, so that a waker that is run by what happens here finds nothing.
        let taken = self.0.try_lock().ok().and_then(|mut slot| slot.take());
        if let Some(mut handle) = taken {
            handle.cancel();
            let _ = handle.is_finished();
            let _ = format!("{handle:?} {}", handle.id());
            let _ = poll_with(&mut handle, Waker::noop());
            drop(handle);
        }
    }
}

/// Polls the task's handle once with `hostile`, then puts the handle where the waker reaches it.
fn leave(handle: JoinHandle<u32>, hostile: &Arc<Hostile>, reachable: &Arc<Reachable>) {
    let waker = hostile.waker();
    let mut handle = handle;
    assert!(poll_with(&mut handle, &waker).is_pending());
    *reachable.0.lock().unwrap() = Some(handle);
}

#[test]
fn f3_a_waker_that_uses_up_the_handle_when_it_is_woken_is_sound() {
    on_both("re-entrant wake", |runtime| {
        for _ in 0..100 {
            let reachable = Arc::new(Reachable::default());
            let poker = reachable.clone();
            let hostile = Arc::new(Hostile::new().on_wake(move || poker.poke()));
            let task = Steered::spawn(&runtime);
            let waker = task.waker(&runtime);
            leave(task.handle, &hostile, &reachable);
            task.end.store(true, Ordering::SeqCst);
            waker.wake();
            runtime.block_on(async {
                while hostile.wakes() == 0 {
                    yield_now().await;
                }
            });
            wait_until(|| reachable.0.lock().unwrap().is_none() && hostile.living(1) == 0);
        }
    });
}

#[test]
fn f3_a_waker_that_uses_up_other_handles_in_clone_and_drop_is_sound() {
    on_both("re-entrant clone and drop", |runtime| {
        for _ in 0..100 {
            let others = Arc::new(Reachable::default());
            let (in_clone, in_drop) = (others.clone(), others.clone());
            let hostile = Arc::new(
                Hostile::new()
                    .on_clone(move || in_clone.poke())
                    .on_drop(move || in_drop.poke()),
            );
            let waker = hostile.waker();
            let task = Steered::spawn(&runtime);
            let mut handle = task.handle;
            // In clone: the handle of a second task is cancelled, polled and dropped while this one stores its waker.
            *others.0.lock().unwrap() = Some(Steered::spawn(&runtime).handle);
            assert!(poll_with(&mut handle, &waker).is_pending());
            assert!(others.0.lock().unwrap().is_none());
            // In drop: the same while this one's waker is replaced.
            *others.0.lock().unwrap() = Some(Steered::spawn(&runtime).handle);
            assert!(poll_with(&mut handle, Waker::noop()).is_pending());
            assert!(others.0.lock().unwrap().is_none());
            // And while it is dropped together with its handle.
            assert!(poll_with(&mut handle, &waker).is_pending());
            *others.0.lock().unwrap() = Some(Steered::spawn(&runtime).handle);
            drop(handle);
            assert!(others.0.lock().unwrap().is_none());
        }
    });
}

#[test]
fn f3_a_waker_whose_clone_finishes_the_task_finds_the_outcome() {
    // The handle sees an unfinished task, clones the waker, and the clone runs the task to its end before the handle stores it.
    within_patience("clone that runs the task", || {
        let runtime = Arc::new(Runtime::builder().current_thread().build().unwrap());
        let task = Steered::spawn(&runtime);
        let task_waker = Mutex::new(Some(task.waker(&runtime)));
        let (end, polls, runner) = (task.end.clone(), task.polls.clone(), runtime.clone());
        let hostile = Arc::new(Hostile::new().on_clone(move || {
            if let Some(waker) = task_waker.lock().unwrap().take() {
                end.store(true, Ordering::SeqCst);
                waker.wake();
                runner.block_on(async {
                    while polls.load(Ordering::SeqCst) < 2 {
                        yield_now().await;
                    }
                });
            }
        }));
        let waker = hostile.waker();
        let mut handle = task.handle;
        let Poll::Ready(output) = poll_with(&mut handle, &waker) else {
            panic!("finished while the waker was cloned")
        };
        assert_eq!(output.unwrap(), 42);
        assert_eq!(hostile.wakes(), 0, "nobody had to be woken");
        drop(waker);
        assert_eq!(hostile.living(1), 0);
    });
}

#[test]
fn f3_a_waker_whose_drop_finishes_the_task_finds_the_outcome() {
    // The handle has taken its old waker back, and dropping that one runs the task to its end.
    within_patience("drop that runs the task", || {
        let runtime = Arc::new(Runtime::builder().current_thread().build().unwrap());
        let task = Steered::spawn(&runtime);
        let task_waker = Mutex::new(Some(task.waker(&runtime)));
        let (end, polls, runner) = (task.end.clone(), task.polls.clone(), runtime.clone());
        let hostile = Arc::new(Hostile::new().on_drop(move || {
            if let Some(waker) = task_waker.lock().unwrap().take() {
                end.store(true, Ordering::SeqCst);
                waker.wake();
                runner.block_on(async {
                    while polls.load(Ordering::SeqCst) < 2 {
                        yield_now().await;
                    }
                });
            }
        }));
        let waker = hostile.waker();
        let mut handle = task.handle;
        assert!(poll_with(&mut handle, &waker).is_pending());
        let Poll::Ready(output) = poll_with(&mut handle, Waker::noop()) else {
            panic!("finished while the old waker was dropped")
        };
        assert_eq!(output.unwrap(), 42);
        assert_eq!(hostile.wakes(), 0, "it had been taken back");
    });
}

#[test]
fn f3_a_joiner_of_a_set_whose_waker_drops_the_set_is_sound() {
    on_both("set dropped by its joiner's waker", |runtime| {
        for _ in 0..50 {
            let task = Steered::spawn(&runtime);
            let task_waker = task.waker(&runtime);
            let set: Arc<Mutex<Option<JoinSet<u32>>>> = Arc::default();
            let dropped = set.clone();
            let hostile = Arc::new(Hostile::new().on_wake(move || {
                let set = dropped.lock().unwrap().take();
                drop(set);
            }));
            let waker = hostile.waker();
            let mut members = JoinSet::new();
            members.insert(task.handle);
            members.insert(runtime.spawn(pending()));
            let mut cx = Context::from_waker(&waker);
            assert!(members.poll_join_next(&mut cx).is_pending());
            *set.lock().unwrap() = Some(members);
            task.end.store(true, Ordering::SeqCst);
            task_waker.wake();
            runtime.block_on(async {
                while hostile.wakes() == 0 {
                    yield_now().await;
                }
            });
            wait_until(|| set.lock().unwrap().is_none());
        }
    });
}

#[test]
fn f3_a_task_that_drops_cancels_and_wakes_itself_from_within_is_sound() {
    on_both("handle in its own task", |runtime| {
        for keep in [false, true] {
            let own: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
            let inside = own.clone();
            let (ended, end) = mpsc::channel::<()>();
            let task = runtime.spawn(async move {
                // Dropped with the future, when the cancel takes effect.
                let _ended = ended;
                while inside.lock().unwrap().is_none() {
                    yield_now().await;
                }
                poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    let mut slot = inside.lock().unwrap();
                    let handle = slot.take().unwrap();
                    handle.cancel();
                    cx.waker().wake_by_ref();
                    if keep {
                        *slot = Some(handle);
                    } else {
                        drop(handle);
                    }
                    Poll::Ready(())
                })
                .await;
                pending::<()>().await;
            });
            *own.lock().unwrap() = Some(task);
            let over = runtime.spawn_blocking(move || end.recv().is_err());
            assert!(runtime.block_on(over).unwrap());
            let kept = own.lock().unwrap().take();
            if let Some(task) = kept {
                assert!(block_on(task).unwrap_err().is_cancelled());
            }
        }
    });
}

#[test]
fn f3_wakes_within_the_last_poll_do_not_poll_a_finished_task() {
    on_both("wake in the last poll", |runtime| {
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let counter = polls.clone();
            let task = runtime.spawn(poll_fn(move |cx| {
                counter.fetch_add(1, Ordering::SeqCst);
                cx.waker().wake_by_ref();
                cx.waker().clone().wake();
                Poll::Ready(())
            }));
            runtime.block_on(task).unwrap();
        }
        runtime
            .block_on(async { spawn(yield_now()).await })
            .unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 100);
    });
}
