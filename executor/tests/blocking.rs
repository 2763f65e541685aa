//! The threads for work that blocks: who runs, in which order, and what a cancel does (F17).

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::{Handle, Runtime, block_on, spawn, spawn_blocking, yield_now};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use watchdog::within_patience;

const LONG: Duration = Duration::from_secs(20);

fn with_cap(cap: usize) -> Runtime {
    Runtime::builder()
        .threads(1)
        .blocking_threads(cap)
        .build()
        .unwrap()
}

/// Spins until another thread has done its part; the watchdog ends a test in which that never happens.
fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        thread::yield_now();
    }
}

/// A job that runs until the sender is used or dropped; returns when it runs.
fn occupy(runtime: &Runtime) -> (lenio_executor::JoinHandle<u32>, mpsc::Sender<()>) {
    let (go, gate) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel();
    let job = runtime.spawn_blocking(move || {
        started.send(()).unwrap();
        let _ = gate.recv();
        1
    });
    has_started.recv().unwrap();
    (job, go)
}

#[test]
fn f17_on_one_thread_ten_thousand_jobs_run_once_each_in_the_order_of_their_spawns() {
    within_patience("cap 1", || {
        let runtime = with_cap(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let jobs: Vec<_> = (0..10_000)
            .map(|n| {
                let order = order.clone();
                runtime.spawn_blocking(move || order.lock().unwrap().push(n))
            })
            .collect();
        runtime.block_on(async {
            for job in jobs {
                job.await.unwrap();
            }
        });
        assert_eq!(*order.lock().unwrap(), (0..10_000).collect::<Vec<_>>());
    });
}

#[test]
fn f17_on_two_threads_ten_thousand_jobs_run_once_each_and_start_in_order() {
    within_patience("cap 2", || {
        let runtime = with_cap(2);
        let ended = Arc::new(Mutex::new(Vec::new()));
        let running = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..10_000)
            .map(|n| {
                let (ended, running) = (ended.clone(), running.clone());
                runtime.spawn_blocking(move || {
                    assert!(running.fetch_add(1, Ordering::SeqCst) < 2);
                    let mut ended = ended.lock().unwrap();
                    // All that were spawned before have been started, and all but one of those have ended, too.
                    let before = ended.iter().filter(|other| **other < n).count();
                    assert!(
                        before + 1 >= n,
                        "job {n} after {before} of the earlier ones"
                    );
                    ended.push(n);
                    drop(ended);
                    running.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        runtime.block_on(async {
            for job in jobs {
                job.await.unwrap();
            }
        });
        let ended: HashSet<usize> = ended.lock().unwrap().iter().copied().collect();
        assert_eq!(ended.len(), 10_000);
        assert!(runtime.metrics().blocking_threads <= 2);
    });
}

#[test]
fn f17_each_job_of_a_runtime_that_stops_ran_or_was_cancelled_or_refused() {
    within_patience("conservation", || {
        for _ in 0..20 {
            let runtime = with_cap(2);
            let handle = runtime.handle().clone();
            let ran = Arc::new(AtomicUsize::new(0));
            let dropped = Arc::new(AtomicUsize::new(0));
            struct Closure(Arc<AtomicUsize>);
            impl Drop for Closure {
                fn drop(&mut self) {
                    self.0.fetch_add(1, Ordering::SeqCst);
                }
            }
            let spawner = {
                let (ran, dropped) = (ran.clone(), dropped.clone());
                let start = Arc::new(Barrier::new(2));
                let started = start.clone();
                let task = handle.spawn(async move {
                    let spawn_one = |handle: &Handle| {
                        let (ran, closure) = (ran.clone(), Closure(dropped.clone()));
                        handle.spawn_blocking(move || {
                            let _closure = closure;
                            ran.fetch_add(1, Ordering::SeqCst);
                        })
                    };
                    let handle = Handle::current().unwrap();
                    let mut jobs: Vec<_> = (0..250).map(|_| spawn_one(&handle)).collect();
                    started.wait();
                    jobs.extend((0..250).map(|_| spawn_one(&handle)));
                    jobs
                });
                start.wait();
                task
            };
            let report = runtime.shutdown_now(LONG);
            assert!(report.is_clean(), "{report}");
            // The task is in one poll from its spawns to its end, so the shutdown has waited for it.
            let (mut ok, mut cancelled, mut refused) = (0, 0, 0);
            for job in block_on(spawner).unwrap() {
                match block_on(job) {
                    Ok(()) => ok += 1,
                    Err(error) if error.is_refused() => refused += 1,
                    Err(error) => cancelled += usize::from(error.is_cancelled()),
                }
            }
            assert_eq!(ok, ran.load(Ordering::SeqCst));
            assert_eq!(ok + cancelled + refused, 500);
            assert_eq!(dropped.load(Ordering::SeqCst), 500);
        }
    });
}

#[test]
fn f17_a_queued_job_that_is_cancelled_never_runs() {
    within_patience("cancel queued", || {
        let runtime = with_cap(1);
        let (first, go) = occupy(&runtime);
        let ran = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..100)
            .map(|_| {
                let ran = ran.clone();
                runtime.spawn_blocking(move || ran.fetch_add(1, Ordering::SeqCst))
            })
            .collect();
        for job in jobs.iter().step_by(2) {
            job.cancel();
        }
        go.send(()).unwrap();
        assert_eq!(block_on(first).unwrap(), 1);
        let mut cancelled = 0;
        for (n, job) in jobs.into_iter().enumerate() {
            match block_on(job) {
                Ok(_) => assert_eq!(n % 2, 1),
                Err(error) => {
                    assert!(error.is_cancelled() && n % 2 == 0);
                    cancelled += 1;
                }
            }
        }
        assert_eq!((cancelled, ran.load(Ordering::SeqCst)), (50, 50));
    });
}

#[test]
fn f17_for_a_job_that_runs_a_cancel_comes_too_late() {
    within_patience("cancel running", || {
        let runtime = with_cap(1);
        let (job, go) = occupy(&runtime);
        job.cancel();
        job.cancel();
        assert!(!job.is_finished());
        go.send(()).unwrap();
        assert_eq!(block_on(job).unwrap(), 1);
    });
}

#[test]
fn a_job_whose_handle_is_dropped_runs_all_the_same() {
    within_patience("detached", || {
        let runtime = with_cap(1);
        let (first, go) = occupy(&runtime);
        let (send, done) = mpsc::channel();
        drop(runtime.spawn_blocking(move || send.send(7).unwrap()));
        drop(go);
        drop(first);
        assert_eq!(done.recv().unwrap(), 7);
    });
}

#[test]
fn as_many_jobs_as_there_may_be_threads_run_at_a_time() {
    within_patience("side by side", || {
        let runtime = with_cap(8);
        for _ in 0..10 {
            let meeting = Arc::new(Barrier::new(8));
            let jobs: Vec<_> = (0..8)
                .map(|_| {
                    let meeting = meeting.clone();
                    runtime.spawn_blocking(move || meeting.wait().is_leader())
                })
                .collect();
            let leaders = jobs.into_iter().filter(|_| true).map(block_on);
            assert_eq!(
                leaders.filter(|leader| *leader.as_ref().unwrap()).count(),
                1
            );
        }
        assert_eq!(runtime.metrics().blocking_threads, 8);
    });
}

#[test]
fn an_idle_thread_takes_the_next_job() {
    within_patience("reuse", || {
        let runtime = with_cap(8);
        let threads: HashSet<_> = (0..50)
            .map(|_| {
                let thread = block_on(runtime.spawn_blocking(|| thread::current().id()));
                // The outcome is there a moment before the thread is idle again.
                wait_until(|| runtime.metrics().blocking_idle == 1);
                thread.unwrap()
            })
            .collect();
        assert_eq!(threads.len(), 1);
        assert_eq!(runtime.metrics().blocking_threads, 1);
    });
}

#[test]
fn an_idle_thread_ends_after_its_time_and_the_next_job_starts_another() {
    within_patience("idle time", || {
        let (send, stopped) = mpsc::channel();
        let send = Mutex::new(send);
        let is_blocking = || {
            let thread = thread::current();
            thread
                .name()
                .is_some_and(|name| name.contains("-blocking-"))
        };
        let runtime = Runtime::builder()
            .threads(1)
            .blocking_idle(Duration::from_millis(1))
            .on_thread_stop(move || {
                if is_blocking() {
                    send.lock().unwrap().send(thread::current().id()).unwrap();
                }
            })
            .build()
            .unwrap();
        let mut ended = HashSet::new();
        for _ in 0..10 {
            let id = block_on(runtime.spawn_blocking(|| thread::current().id())).unwrap();
            assert_eq!(stopped.recv().unwrap(), id);
            assert!(ended.insert(id));
            assert_eq!(runtime.metrics().blocking_threads, 0);
        }
    });
}

#[test]
fn no_job_is_lost_between_threads_that_come_and_go() {
    within_patience("idle time zero", || {
        let runtime = Runtime::builder()
            .threads(1)
            .blocking_threads(2)
            .blocking_idle(Duration::ZERO)
            .build()
            .unwrap();
        let sum: usize = runtime.block_on(async {
            let mut sum = 0;
            for n in 0..500 {
                let jobs: Vec<_> = (0..n % 5).map(|_| spawn_blocking(move || n)).collect();
                for job in jobs {
                    sum += job.await.unwrap();
                }
            }
            sum
        });
        assert_eq!(sum, (0..500).map(|n| n * (n % 5)).sum());
    });
}

#[test]
fn threads_carry_the_runtimes_name() {
    within_patience("names", || {
        let runtime = Runtime::builder().threads(1).name("api").build().unwrap();
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let blocking = block_on(runtime.spawn_blocking(name)).unwrap();
        assert!(blocking.starts_with("api-blocking-"), "{blocking}");
        let worker = Arc::new(Mutex::new(String::new()));
        let named = worker.clone();
        let task = runtime.spawn(async move { *named.lock().unwrap() = name() });
        wait_until(|| task.is_finished());
        assert_eq!(*worker.lock().unwrap(), "api-worker-0");
    });
}

#[test]
fn jobs_start_jobs_and_tasks_and_wait_for_them() {
    within_patience("jobs in jobs", || {
        let runtime = with_cap(2);
        let sum = runtime.block_on(async {
            spawn_blocking(|| {
                let job = spawn_blocking(|| 1);
                let task = spawn(async {
                    yield_now().await;
                    10
                });
                block_on(async { job.await.unwrap() + task.await.unwrap() })
            })
            .await
            .unwrap()
        });
        assert_eq!(sum, 11);
    });
}

#[test]
fn a_runtime_without_threads_has_blocking_ones() {
    within_patience("current thread", || {
        let runtime = Runtime::builder()
            .current_thread()
            .blocking_threads(2)
            .build()
            .unwrap();
        let home = thread::current().id();
        let elsewhere = runtime.block_on(async {
            let jobs: Vec<_> = (0..100)
                .map(|_| spawn_blocking(move || thread::current().id() != home))
                .collect();
            let mut elsewhere = 0;
            for job in jobs {
                elsewhere += usize::from(job.await.unwrap());
            }
            elsewhere
        });
        assert_eq!(elsewhere, 100);
    });
}
