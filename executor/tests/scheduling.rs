#![expect(
    clippy::disallowed_methods,
    reason = "threads that are no workers are what some of these tests are about"
)]
//! Fairness, stealing, stuck workers.

use lenio_executor::{FAIRNESS_BOUND, Runtime, spawn, yield_now};
use lenio_sync::primitive::{Condvar, Mutex};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

fn one_worker() -> Runtime {
    Runtime::builder().current_thread().build().unwrap()
}

/// Counts its own polls, and the most that happened to anybody between two polls of one task.
struct Between {
    polls: [AtomicU64; 128],
    worst: AtomicU64,
}

impl Default for Between {
    fn default() -> Self {
        Self {
            polls: [const { AtomicU64::new(0) }; 128],
            worst: AtomicU64::new(0),
        }
    }
}

impl Between {
    /// Task `me` was polled; `before` is what it saw of the others at its previous poll.
    fn polled(&self, me: usize, before: &mut [u64; 128]) {
        self.polls[me].fetch_add(1, Ordering::Relaxed);
        for (other, before) in before.iter_mut().enumerate() {
            let now = self.polls[other].load(Ordering::Relaxed);
            if other != me && *before != 0 {
                self.worst.fetch_max(now - *before, Ordering::Relaxed);
            }
            *before = now;
        }
    }
}

/// Two tasks that wake each other through the LIFO slot, for as long as `go` says.
fn ping_pong(between: &Arc<Between>, ids: [usize; 2], rounds: u64) {
    let wakers: Arc<[Mutex<Option<Waker>>; 2]> = Arc::default();
    for side in [0, 1] {
        let (between, wakers) = (between.clone(), wakers.clone());
        let mut before = [0; 128];
        let mut left = rounds;
        drop(spawn(poll_fn(move |cx| {
            between.polled(ids[side], &mut before);
            left -= 1;
            *wakers[side].lock() = Some(cx.waker().clone());
            let other = wakers[1 - side].lock().take();
            if let Some(other) = other {
                other.wake();
            }
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })));
    }
}

#[test]
fn r03_tasks_that_wake_each_other_do_not_starve_the_others() {
    let runtime = one_worker();
    let between = Arc::new(Between::default());
    runtime.block_on(async {
        spawn({
            let between = between.clone();
            async move {
                ping_pong(&between, [0, 1], 100_000);
                let others: Vec<_> = (2..102)
                    .map(|me| {
                        let between = between.clone();
                        spawn(async move {
                            let mut before = [0; 128];
                            for _ in 0..100 {
                                between.polled(me, &mut before);
                                yield_now().await;
                            }
                        })
                    })
                    .collect();
                for other in others {
                    other.await.unwrap();
                }
            }
        })
        .await
        .unwrap();
    });
    let worst = between.worst.load(Ordering::Relaxed);
    assert!(worst > 0 && worst <= FAIRNESS_BOUND, "{worst} polls");
}

#[test]
fn a_task_from_outside_is_polled_within_the_fairness_bound() {
    let runtime = one_worker();
    let polls = Arc::new(AtomicU64::new(0));
    let seen = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let handle = lenio_executor::Handle::current().unwrap();
        let (hog_polls, outside_seen) = (polls.clone(), seen.clone());
        let hog = spawn(async move {
            for _ in 0..1000 {
                hog_polls.fetch_add(1, Ordering::Relaxed);
                if hog_polls.load(Ordering::Relaxed) == 500 {
                    let (polls, seen) = (hog_polls.clone(), outside_seen.clone());
                    let handle = handle.clone();
                    // From a thread that is no worker, so that the task goes through the injector.
                    std::thread::spawn(move || {
                        drop(handle.spawn(async move {
                            seen.store(polls.load(Ordering::Relaxed), Ordering::Relaxed);
                        }));
                    })
                    .join()
                    .unwrap();
                }
                yield_now().await;
            }
        });
        hog.await.unwrap();
    });
    let waited = seen.load(Ordering::Relaxed) - 500;
    assert!(waited <= FAIRNESS_BOUND, "{waited} polls");
}

#[test]
fn a_root_future_that_yields_for_ever_starves_nobody() {
    for runtime in [one_worker(), Runtime::builder().threads(1).build().unwrap()] {
        let handle = runtime.handle().clone();
        runtime.block_on(async {
            let outside = std::thread::spawn(move || handle.spawn(async { 7 }))
                .join()
                .unwrap();
            while !outside.is_finished() {
                yield_now().await;
            }
            assert_eq!(outside.await.unwrap(), 7);
        });
    }
}

#[test]
fn r06_a_yield_lets_every_queued_task_run_first() {
    let runtime = one_worker();
    let order = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        let order = order.clone();
        spawn(async move {
            let tasks: Vec<_> = (0..5)
                .map(|n| {
                    let order = order.clone();
                    spawn(async move { order.lock().push(n) })
                })
                .collect();
            yield_now().await;
            order.lock().push(99);
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await
        .unwrap();
    });
    assert_eq!(order.lock().last(), Some(&99), "{:?}", order.lock());
}

/// Blocks threads until it is opened.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn pass(&self) {
        let mut open = self.0.lock();
        while !*open {
            open = self.1.wait(open);
        }
    }

    fn open(&self) {
        *self.0.lock() = true;
        self.1.notify_all();
    }
}

/// Occupies `n` workers in one poll each until the gate opens; returns when all are occupied.
fn block_workers(runtime: &Runtime, n: usize) -> Arc<Gate> {
    let gate = Arc::new(Gate::default());
    let (blocked, all) = mpsc::channel();
    for _ in 0..n {
        let (gate, blocked) = (gate.clone(), blocked.clone());
        drop(runtime.spawn(async move {
            blocked.send(()).unwrap();
            gate.pass();
        }));
    }
    for _ in 0..n {
        all.recv().unwrap();
    }
    gate
}

#[test]
fn r05_blocked_workers_do_not_hold_timers_or_tasks() {
    let runtime = Runtime::builder().threads(4).build().unwrap();
    let gate = block_workers(&runtime, 3);
    // Nobody but the fourth worker is left to fire this: the test's own thread just waits.
    let (done, wait) = mpsc::channel();
    for n in 0..100 {
        let done = done.clone();
        drop(runtime.spawn(async move {
            lenio_time::sleep(Duration::from_millis(n % 7)).await;
            done.send(n).unwrap();
        }));
    }
    drop(done);
    assert_eq!(wait.iter().count(), 100);
    gate.open();
}

#[test]
fn r05_a_timer_of_a_blocked_worker_fires() {
    let runtime = Runtime::builder().threads(2).build().unwrap();
    let gate = Arc::new(Gate::default());
    let (done, wait) = mpsc::channel();
    let opener = gate.clone();
    drop(runtime.spawn(async move {
        // The sleep is polled here, so it stands in this worker's wheel; then this worker is stuck until the sleeper has run.
        let sleeper = spawn(async move {
            lenio_time::sleep(Duration::from_millis(1)).await;
            opener.open();
        });
        yield_now().await;
        gate.pass();
        drop(sleeper);
        done.send(()).unwrap();
    }));
    wait.recv().unwrap();
}

#[test]
fn r04_the_task_in_the_lifo_slot_of_a_stuck_worker_is_stolen() {
    let runtime = Runtime::builder().threads(2).build().unwrap();
    let gate = Arc::new(Gate::default());
    let (done, wait) = mpsc::channel();
    drop(runtime.spawn(async move {
        let opener = gate.clone();
        // This goes into the slot of this worker, which then does not return from its poll until the task has run elsewhere.
        drop(spawn(async move { opener.open() }));
        gate.pass();
        done.send(()).unwrap();
    }));
    wait.recv().unwrap();
}

#[test]
fn the_queue_of_a_stuck_worker_is_stolen() {
    let runtime = Runtime::builder().threads(2).build().unwrap();
    let gate = Arc::new(Gate::default());
    let (done, wait) = mpsc::channel();
    drop(runtime.spawn(async move {
        let left = Arc::new(AtomicUsize::new(1000));
        for _ in 0..1000 {
            let (left, gate) = (left.clone(), gate.clone());
            drop(spawn(async move {
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    gate.open();
                }
            }));
        }
        gate.pass();
        done.send(()).unwrap();
    }));
    wait.recv().unwrap();
}

#[test]
fn the_monitor_names_a_stuck_task_while_it_is_stuck() {
    let (report, reports) = mpsc::channel();
    let report = Mutex::new(report);
    let runtime = Runtime::builder()
        .threads(1)
        .stuck_after(Some(Duration::from_millis(5)))
        .on_stuck(move |task| report.lock().send(task.clone()).unwrap())
        .build()
        .unwrap();
    let gate = Arc::new(Gate::default());
    let stuck = gate.clone();
    let named = runtime.handle().task().name("culprit");
    let line = line!() + 1;
    let task = named.spawn(async move { stuck.pass() });
    let report = reports.recv().unwrap();
    assert_eq!(report.id, Some(task.id()));
    assert_eq!(report.name.as_deref(), Some("culprit"));
    assert_eq!(
        report.spawned_at.map(std::panic::Location::line),
        Some(line)
    );
    assert!(report.polling_for >= Duration::from_millis(5));
    assert!(report.to_string().contains("`culprit`"));
    gate.open();
    runtime.block_on(task).unwrap();
    assert!(runtime.metrics().longest_poll() >= Duration::from_millis(5));
    assert!(reports.try_recv().is_err(), "one report per poll");
}

#[test]
fn r07_a_park_hook_that_wakes_is_not_slept_over() {
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let hook = waker.clone();
    let runtime = Runtime::builder()
        .current_thread()
        .on_park(move || {
            let waker = hook.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        })
        .build()
        .unwrap();
    let polls = runtime.block_on(async {
        spawn(async move {
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                *waker.lock() = Some(cx.waker().clone());
                if polls == 100 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            polls
        })
        .await
        .unwrap()
    });
    assert_eq!(polls, 100);
}

#[test]
fn block_in_place_lets_the_others_go_on() {
    let runtime = Runtime::builder().threads(1).build().unwrap();
    let (done, wait) = mpsc::channel();
    drop(runtime.spawn(async move {
        let gate = Arc::new(Gate::default());
        let opener = gate.clone();
        drop(spawn(async move { opener.open() }));
        // The only worker waits here for a task that was in its own slot: a stand-in has to run it.
        lenio_executor::block_in_place(|| gate.pass());
        done.send(()).unwrap();
    }));
    wait.recv().unwrap();
}

#[test]
fn stealing_delivers_each_task_exactly_once() {
    let runtime = Runtime::builder().threads(4).build().unwrap();
    let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..50_000).map(|_| AtomicUsize::new(0)).collect());
    runtime.block_on(async {
        let seen = seen.clone();
        spawn(async move {
            let tasks: Vec<_> = (0..seen.len())
                .map(|n| {
                    let seen = seen.clone();
                    spawn(async move {
                        seen[n].fetch_add(1, Ordering::Relaxed);
                        if n % 3 == 0 {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await
        .unwrap();
    });
    assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
}

#[test]
fn r12_a_join_of_ten_thousand_ready_futures_stays_linear() {
    let runtime = one_worker();
    let operations = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let mut futures: Vec<_> = (0..10_000)
            .map(|_| {
                let operations = operations.clone();
                let mut left = 10;
                Some(Box::pin(poll_fn(move |cx| {
                    operations.fetch_add(1, Ordering::Relaxed);
                    while left > 0 {
                        if lenio_sync::budget::poll_proceed(cx).is_pending() {
                            return Poll::Pending;
                        }
                        left -= 1;
                    }
                    Poll::Ready(())
                })))
            })
            .collect();
        poll_fn(|cx| {
            for slot in &mut futures {
                if slot
                    .as_mut()
                    .is_some_and(|future| future.as_mut().poll(cx).is_ready())
                {
                    *slot = None;
                }
            }
            if futures.iter().all(Option::is_none) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    });
    let polls = operations.load(Ordering::Relaxed);
    assert!(polls < 10_000 * 20, "{polls} polls for 10,000 futures");
}

#[test]
fn workers_notice_work_while_a_hog_yields_for_ever() {
    let runtime = Runtime::builder().threads(2).build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let hogs: Vec<_> = (0..2)
        .map(|_| {
            let stop = stop.clone();
            runtime.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    yield_now().await;
                }
            })
        })
        .collect();
    let woken = runtime.block_on(async {
        lenio_time::sleep(Duration::from_millis(1)).await;
        spawn(async { 5 }).await.unwrap()
    });
    assert_eq!(woken, 5);
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for hog in hogs {
            hog.await.unwrap();
        }
    });
}
