#![expect(
    clippy::disallowed_methods,
    reason = "threads that are no workers are what some of these tests are about"
)]
//! Time that stands still while anything can run, and jumps when nothing can.

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::{Runtime, block_on, spawn, spawn_blocking, yield_now};
use lenio_time::{Clock, Instant, interval, sleep, sleep_until, timeout};
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use watchdog::within_patience;

const HOUR: Duration = Duration::from_secs(3600);
/// What a timer may be late by.
const TICK: Duration = Duration::from_millis(1);

fn current_thread() -> Runtime {
    Runtime::builder()
        .current_thread()
        .virtual_clock()
        .build()
        .unwrap()
}

fn threads(threads: usize) -> Runtime {
    Runtime::builder()
        .threads(threads)
        .virtual_clock()
        .build()
        .unwrap()
}

const BUILDERS: [fn() -> Runtime; 3] = [current_thread, || threads(1), || threads(4)];

/// Not early, and not late by more than a tick.
#[track_caller]
fn assert_on_time(now: Instant, due: Instant) {
    assert!(now >= due, "{:?} early", due - now);
    assert!(now - due <= TICK, "{:?} late", now - due);
}

/// A few thousand deadlines within an hour, in no order.
fn deadlines(start: Instant) -> Vec<Instant> {
    let mut x = 1_u64;
    let next = |_| {
        // Knuth's multiplier: any sequence without a pattern does.
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        start + Duration::from_millis((x >> 33) % 3_600_000)
    };
    (0..2000).map(next).collect()
}

#[test]
fn a_thousand_hours_take_no_time() {
    for builder in BUILDERS {
        within_patience("a thousand hours", move || {
            let wall = Clock::real().now();
            let runtime = builder();
            let start = runtime.clock().now();
            runtime.block_on(async {
                for _ in 0..1000 {
                    sleep(HOUR).await;
                }
            });
            assert_on_time(runtime.clock().now(), start + 1000 * HOUR);
            assert!(Clock::real().now() - wall < HOUR);
        });
    }
}

#[test]
fn timers_fire_in_the_order_in_which_they_are_due() {
    within_patience("order", || {
        let runtime = current_thread();
        let start = runtime.clock().now();
        let due = deadlines(start);
        let fired = Arc::new(Mutex::new(Vec::new()));
        runtime.block_on(async {
            let tasks: Vec<_> = due
                .iter()
                .map(|&due| {
                    let fired = fired.clone();
                    spawn(async move {
                        sleep_until(due).await;
                        assert_on_time(Instant::now(), due);
                        fired.lock().unwrap().push(due);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let mut sorted = due;
        sorted.sort();
        assert_eq!(*fired.lock().unwrap(), sorted);
    });
}

#[test]
fn several_workers_agree_on_the_time() {
    for builder in BUILDERS {
        within_patience("several workers", move || {
            let runtime = builder();
            let start = runtime.clock().now();
            let due = deadlines(start);
            runtime.block_on(async {
                let sleepers: Vec<_> = due
                    .iter()
                    .map(|&due| {
                        spawn(async move {
                            sleep_until(due).await;
                            assert_on_time(Instant::now(), due);
                            // Time stands still while a task can run, whoever runs it.
                            let now = Instant::now();
                            for _ in 0..10 {
                                yield_now().await;
                                assert_eq!(Instant::now(), now);
                            }
                        })
                    })
                    .collect();
                // Each step is due long before the sleeper of an hour that sleeps beside it.
                let steps = spawn(async move {
                    for step in 1..=500 {
                        sleep(Duration::from_millis(10)).await;
                        assert_on_time(
                            Instant::now(),
                            start + step * (Duration::from_millis(10) + TICK) - step * TICK,
                        );
                    }
                });
                for sleeper in sleepers {
                    sleeper.await.unwrap();
                }
                steps.await.unwrap();
            });
        });
    }
}

#[test]
fn a_timer_set_while_the_clock_is_about_to_move_is_not_skipped() {
    within_patience("not skipped", || {
        let runtime = threads(4);
        runtime.block_on(async {
            let steppers: Vec<_> = (0..8_u32)
                .map(|n| {
                    spawn(async move {
                        // Strides that meet often: several workers set timers and fall asleep at about the same moment.
                        for round in 0..2000 {
                            let due =
                                Instant::now() + (1 + (n + round) % 3) * Duration::from_millis(10);
                            sleep_until(due).await;
                            assert_on_time(Instant::now(), due);
                        }
                    })
                })
                .collect();
            for stepper in steppers {
                stepper.await.unwrap();
            }
        });
    });
}

#[test]
fn a_timeout_expires_at_its_time_and_an_interval_keeps_its_period() {
    within_patience("timeout and interval", || {
        let runtime = current_thread();
        let start = runtime.clock().now();
        runtime.block_on(async {
            assert!(timeout(HOUR, pending::<()>()).await.is_err());
            assert_on_time(Instant::now(), start + HOUR);
            let mut ticks = interval(24 * HOUR);
            for n in 0..100 {
                let tick = ticks.tick().await;
                assert!(tick >= start + HOUR + n * 24 * HOUR);
                assert!(tick <= start + HOUR + TICK + n * (24 * HOUR));
            }
        });
    });
}

#[test]
fn a_blocking_job_holds_the_clock() {
    for builder in BUILDERS {
        within_patience("blocking job", move || {
            let runtime = builder();
            let start = runtime.clock().now();
            let (go, gate) = mpsc::channel::<()>();
            let (started, has_started) = mpsc::channel();
            let clock = runtime.clock().clone();
            let job = runtime.spawn_blocking(move || {
                started.send(()).unwrap();
                gate.recv().unwrap();
                clock.now()
            });
            has_started.recv().unwrap();
            let (slept, awoke) = mpsc::channel();
            let sleeper = runtime.spawn(async move {
                slept.send(()).unwrap();
                sleep(HOUR).await;
                Instant::now()
            });
            runtime.block_on(async move {
                // Wakes and sleeps of the workers, each of which would move the clock if the job did not hold it.
                for _ in 0..200 {
                    spawn(yield_now()).await.unwrap();
                }
                awoke.recv().unwrap();
                go.send(()).unwrap();
                assert_eq!(job.await.unwrap(), start);
                assert_on_time(sleeper.await.unwrap(), start + HOUR);
            });
        });
    }
}

#[test]
fn queued_blocking_jobs_hold_the_clock_as_well() {
    within_patience("queued jobs", || {
        let runtime = Runtime::builder()
            .threads(2)
            .blocking_threads(1)
            .virtual_clock()
            .build()
            .unwrap();
        let start = runtime.clock().now();
        runtime.block_on(async {
            let sleeper = spawn(sleep(HOUR));
            let jobs: Vec<_> = (0..1000).map(|_| spawn_blocking(Instant::now)).collect();
            for job in jobs {
                assert_eq!(job.await.unwrap(), start);
            }
            sleeper.await.unwrap();
            assert_on_time(Instant::now(), start + HOUR);
        });
    });
}

/// Says on a channel that it was woken.
struct Told(Mutex<mpsc::Sender<()>>);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        // Nobody listens after the sleep.
        let _ = self.0.lock().unwrap().send(());
    }
}

/// An executor as small as can be: it knows nothing of the runtime that it stands in.
fn foreign_block_on<F: Future>(future: F) -> F::Output {
    let (tell, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Told(Mutex::new(tell))));
    let mut future = pin!(future);
    loop {
        let mut cx = Context::from_waker(&waker);
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        told.recv().unwrap();
    }
}

#[test]
fn timers_of_threads_outside_follow_the_clock_of_the_runtime_they_entered() {
    within_patience("outside", || {
        let runtime = threads(2);
        let start = runtime.clock().now();
        let outside: Vec<_> = (1..=8)
            .map(|n| {
                let handle = runtime.handle().clone();
                std::thread::spawn(move || {
                    let _inside = handle.enter();
                    foreign_block_on(async move {
                        sleep_until(start + n * HOUR).await;
                        Instant::now()
                    })
                })
            })
            .collect();
        for (n, thread) in (1..).zip(outside) {
            // Whether the others' timers stood already when the clock moved is not known: late is possible here, early is not.
            assert!(thread.join().unwrap() >= start + n * HOUR);
        }
    });
}

#[test]
fn a_thread_that_leaves_block_on_holds_the_clock_no_longer() {
    within_patience("leaving", || {
        for _ in 0..20 {
            let (parks, is_parked) = mpsc::channel();
            let parks = Mutex::new(parks);
            let runtime = Runtime::builder()
                .threads(1)
                .virtual_clock()
                .on_park(move || {
                    // Nobody listens after the loop below.
                    let _ = parks.lock().unwrap().send(());
                })
                .build()
                .unwrap();
            let start = runtime.clock().now();
            let (send, awoke) = mpsc::channel();
            runtime.block_on(async {
                let (polled, was_polled) = mpsc::channel();
                drop(runtime.spawn(async move {
                    polled.send(()).unwrap();
                    sleep(HOUR).await;
                    send.send(Instant::now()).unwrap();
                }));
                while was_polled.try_recv().is_err() {
                    yield_now().await;
                }
                // The worker goes to sleep, and must not move the clock yet: this thread is busy. It tries again when told to.
                while is_parked.try_recv().is_err() {
                    yield_now().await;
                }
                for _ in 0..1000 {
                    yield_now().await;
                }
                assert_eq!(Instant::now(), start);
            });
            assert_on_time(awoke.recv().unwrap(), start + HOUR);
        }
    });
}

#[test]
fn threads_inside_block_on_share_the_clock_whether_or_not_they_have_a_place() {
    for builder in BUILDERS {
        within_patience("threads inside", move || {
            let runtime = builder();
            let start = runtime.clock().now();
            let inside: Vec<_> = (1..=10)
                .map(|n| {
                    let handle = runtime.handle().clone();
                    std::thread::spawn(move || {
                        handle.block_on(async move {
                            sleep_until(start + n * HOUR).await;
                            assert!(Instant::now() >= start + n * HOUR);
                        });
                    })
                })
                .collect();
            for thread in inside {
                thread.join().unwrap();
            }
            assert_on_time(runtime.clock().now(), start + 10 * HOUR);
        });
    }
}

#[test]
fn two_runs_with_the_same_seed_fire_at_the_same_times() {
    let run = || {
        let runtime = current_thread();
        let log = Arc::new(Mutex::new(Vec::new()));
        runtime.block_on(async {
            let tasks: Vec<_> = (0..50_u64)
                .map(|n| {
                    let log = log.clone();
                    spawn(async move {
                        for round in 0..10 {
                            sleep(Duration::from_millis(n * 7 % 13 + round)).await;
                            log.lock().unwrap().push((n, Instant::now()));
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        Arc::into_inner(log).unwrap().into_inner().unwrap()
    };
    within_patience("twice", move || assert_eq!(run(), run()));
}

#[test]
fn the_clock_of_one_runtime_does_not_move_that_of_another() {
    within_patience("two clocks", || {
        let (one, two) = (current_thread(), current_thread());
        let start = two.clock().now();
        one.block_on(sleep(HOUR));
        assert_eq!(two.clock().now(), start);
        let wall = Clock::real().now();
        let real = Arc::new(AtomicUsize::new(0));
        two.block_on(async {
            sleep(HOUR).await;
            real.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(real.load(Ordering::SeqCst), 1);
        assert!(Clock::real().now() - wall < HOUR);
        // Outside of both, time is what it always was.
        let (before, task) = (Instant::now(), block_on(async { Instant::now() }));
        assert!(task >= before);
    });
}
