#![expect(
    clippy::disallowed_methods,
    reason = "threads that are no workers are what some of these tests are about"
)]
//! How a runtime ends.

use lenio_executor::{Handle, Runtime, block_on, spawn, spawn_blocking, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn flavours() -> [Runtime; 2] {
    [
        Runtime::builder().threads(2).build().unwrap(),
        Runtime::builder().current_thread().build().unwrap(),
    ]
}

#[test]
fn a_shutdown_drops_every_task_once_and_says_how_many() {
    for runtime in flavours() {
        let drops = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            for _ in 0..100 {
                let on_drop = OnDrop(drops.clone());
                drop(spawn(async move {
                    let _on_drop = on_drop;
                    std::future::pending::<()>().await;
                }));
            }
            yield_now().await;
        });
        let report = runtime.shutdown_now(LONG);
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.cancelled, report.finished), (100, 0));
        assert_eq!(drops.load(Ordering::Relaxed), 100);
    }
}

#[test]
fn a_task_that_finishes_in_its_last_poll_is_reported_as_finished() {
    let runtime = Runtime::builder().threads(1).build().unwrap();
    let (go, gate) = mpsc::channel::<()>();
    let (started, start) = mpsc::channel();
    let task = runtime.spawn(async move {
        started.send(()).unwrap();
        gate.recv().unwrap();
        7
    });
    start.recv().unwrap();
    let handle = runtime.handle().clone();
    let opener = std::thread::spawn(move || {
        // The shutdown has begun when nothing is accepted any more.
        while !handle.spawn(async {}).is_finished() {
            std::thread::yield_now();
        }
        go.send(()).unwrap();
    });
    let report = runtime.shutdown_now(LONG);
    opener.join().unwrap();
    assert!(report.is_clean(), "{report}");
    assert!(report.finished >= 1, "{report}");
    assert_eq!(block_on(task).unwrap(), 7);
}

#[test]
fn tasks_that_spawn_while_they_are_dropped_do_not_escape() {
    struct SpawnOnDrop(Arc<AtomicUsize>);
    impl Drop for SpawnOnDrop {
        fn drop(&mut self) {
            let on_drop = OnDrop(self.0.clone());
            drop(spawn(async move {
                let _on_drop = on_drop;
                std::future::pending::<()>().await;
            }));
        }
    }
    for runtime in flavours() {
        let drops = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            for _ in 0..10 {
                let on_drop = SpawnOnDrop(drops.clone());
                drop(spawn(async move {
                    let _on_drop = on_drop;
                    std::future::pending::<()>().await;
                }));
            }
            yield_now().await;
        });
        assert!(runtime.shutdown_now(LONG).is_clean());
        assert_eq!(
            drops.load(Ordering::Relaxed),
            10,
            "refused or cancelled, but dropped"
        );
    }
}

#[test]
fn r10_a_stuck_poll_is_reported_and_does_not_hold_the_shutdown() {
    let runtime = Runtime::builder().threads(2).build().unwrap();
    let (go, gate) = mpsc::channel::<()>();
    let (started, start) = mpsc::channel();
    let line = line!() + 1;
    let task = runtime.spawn(async move {
        started.send(()).unwrap();
        let _ = gate.recv();
    });
    start.recv().unwrap();
    let report = runtime.shutdown_now(Duration::from_millis(20));
    assert!(!report.is_clean());
    assert_eq!(report.still_running.len(), 1);
    assert_eq!(report.still_running[0].id, task.id());
    assert_eq!(report.still_running[0].spawned_at.line(), line);
    assert!(report.threads_left >= 1);
    go.send(()).unwrap();
    block_on(task).unwrap();
}

#[test]
fn f17_a_stuck_blocking_job_is_reported_with_its_spawn_site() {
    let runtime = Runtime::builder()
        .threads(1)
        .blocking_threads(1)
        .build()
        .unwrap();
    let (go, gate) = mpsc::channel::<()>();
    let (started, start) = mpsc::channel();
    let line = line!() + 1;
    let stuck = runtime.spawn_blocking(move || {
        started.send(()).unwrap();
        let _ = gate.recv();
    });
    start.recv().unwrap();
    let queued = runtime.spawn_blocking(|| ());
    let report = runtime.shutdown_now(Duration::from_millis(20));
    assert_eq!(report.blocking_cancelled, 1);
    assert_eq!(report.blocking_running.len(), 1);
    assert_eq!(report.blocking_running[0].spawned_at.line(), line);
    assert!(block_on(queued).unwrap_err().is_cancelled());
    go.send(()).unwrap();
    block_on(stuck).unwrap();
}

#[test]
fn r11_what_is_spawned_after_the_shutdown_is_refused_and_says_so() {
    let runtime = Runtime::builder().threads(1).build().unwrap();
    let handle = runtime.handle().clone();
    assert!(runtime.shutdown_now(LONG).is_clean());
    let task = handle.spawn(async {});
    let job = handle.spawn_blocking(|| ());
    assert!(task.is_finished());
    for error in [block_on(task).unwrap_err(), block_on(job).unwrap_err()] {
        assert!(error.is_refused());
        assert_eq!(
            error.to_string(),
            "task was refused: the runtime is shutting down"
        );
    }
    assert_eq!(
        handle.block_on(async { 3 }),
        3,
        "a future without tasks still runs"
    );
}

#[test]
fn r11_a_job_spawned_while_the_runtime_stops_runs_or_says_that_it_did_not() {
    for _ in 0..200 {
        let runtime = Runtime::builder().threads(1).build().unwrap();
        let handle = runtime.handle().clone();
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = ran.clone();
        let spawner = std::thread::spawn(move || {
            (0..20)
                .map(|_| {
                    let counter = counter.clone();
                    handle.spawn_blocking(move || counter.fetch_add(1, Ordering::Relaxed))
                })
                .collect::<Vec<_>>()
        });
        runtime.shutdown_now(LONG);
        let jobs = spawner.join().unwrap();
        let ok = jobs
            .into_iter()
            .filter(|_| true)
            .map(block_on)
            .filter(Result::is_ok)
            .count();
        assert_eq!(ok, ran.load(Ordering::Relaxed));
    }
}

#[test]
fn r10_a_runtime_can_be_dropped_anywhere() {
    let inner = || Runtime::builder().threads(1).build().unwrap();
    // Inside a task of another runtime.
    block_on(async {
        let runtime = inner();
        drop(runtime.spawn(std::future::pending::<()>()));
        spawn(async move { drop(runtime) }).await.unwrap();
    });
    // Inside a task of its own.
    let runtime = inner();
    let handle = runtime.handle().clone();
    let task = handle.spawn(async move { drop(runtime) });
    block_on(task).unwrap();
    // On a blocking thread of another runtime.
    block_on(async {
        let runtime = inner();
        spawn_blocking(move || drop(runtime)).await.unwrap();
    });
    // On a blocking thread of its own.
    let runtime = inner();
    let handle = runtime.handle().clone();
    block_on(handle.spawn_blocking(move || drop(runtime))).unwrap();
    // A runtime without threads, inside async code, with a living task.
    block_on(async {
        let runtime = Runtime::builder().current_thread().build().unwrap();
        let task = runtime.spawn(std::future::pending::<()>());
        drop(runtime);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn r13_wakers_that_outlive_the_runtime_do_nothing() {
    use std::sync::Mutex;
    use std::task::{Poll, Waker};
    let runtime = Runtime::builder().threads(2).build().unwrap();
    let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
    runtime.block_on(async {
        for _ in 0..10 {
            let wakers = wakers.clone();
            drop(spawn(std::future::poll_fn(move |cx| {
                wakers.lock().unwrap().push(cx.waker().clone());
                Poll::<()>::Pending
            })));
        }
        yield_now().await;
    });
    assert!(runtime.shutdown_now(LONG).is_clean());
    for waker in wakers.lock().unwrap().drain(..) {
        drop(waker.clone());
        waker.wake_by_ref();
        waker.wake();
    }
}

#[test]
fn r13_wakes_from_other_threads_during_the_shutdown_are_sound() {
    use std::task::Poll;
    for _ in 0..100 {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        let (send, wakers) = mpsc::channel();
        for _ in 0..4 {
            let send = send.clone();
            drop(runtime.spawn(std::future::poll_fn(move |cx| {
                let _ = send.send(cx.waker().clone());
                Poll::<()>::Pending
            })));
        }
        drop(send);
        let storm = std::thread::spawn(move || {
            for waker in wakers {
                waker.wake_by_ref();
                waker.wake();
            }
        });
        assert!(runtime.shutdown_now(LONG).is_clean());
        storm.join().unwrap();
    }
}

#[test]
fn a_handle_outlives_its_runtime() {
    let runtime = Runtime::builder().threads(1).build().unwrap();
    let handle: Handle = runtime.handle().clone();
    let task = runtime.spawn(async { 5 });
    drop(runtime);
    match block_on(task) {
        Ok(5) => {}
        Ok(other) => panic!("{other}"),
        Err(error) => assert!(error.is_cancelled()),
    }
    assert_eq!(handle.metrics().living_tasks, 0);
}

#[test]
fn thread_hooks_are_called_in_pairs() {
    let starts = Arc::new(AtomicUsize::new(0));
    let stops = Arc::new(AtomicUsize::new(0));
    let (start, stop) = (starts.clone(), stops.clone());
    let runtime = Runtime::builder()
        .threads(3)
        .on_thread_start(move || {
            start.fetch_add(1, Ordering::Relaxed);
        })
        .on_thread_stop(move || {
            stop.fetch_add(1, Ordering::Relaxed);
            panic!("a hook that panics hurts nobody");
        })
        .build()
        .unwrap();
    runtime.block_on(spawn_on(&runtime)).unwrap();
    assert!(runtime.shutdown_now(LONG).is_clean());
    assert_eq!(starts.load(Ordering::Relaxed), 3);
    assert_eq!(stops.load(Ordering::Relaxed), 3);
}

async fn spawn_on(runtime: &Runtime) -> Result<(), lenio_executor::JoinError> {
    runtime.spawn(async {}).await
}

#[test]
fn a_builder_refuses_what_cannot_work() {
    for builder in [
        Runtime::builder().threads(0),
        Runtime::builder().blocking_threads(0),
        Runtime::builder().name("a\0b"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}
