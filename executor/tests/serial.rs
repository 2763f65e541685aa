//! The serial worker: one job at a time in order, and of a submit and a close at the same time one comes first (G21).

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::{JoinError, Runtime, SerialWorker, check_stop, spawn_child, throughline};
use lenio_sync::stop::Stopped;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use watchdog::within_patience;

const LONG: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    Runtime::builder().threads(1).build().unwrap()
}

/// A job that runs until the sender is used or dropped; returns when it runs.
fn occupy(worker: &SerialWorker) -> (lenio_executor::JoinHandle<&'static str>, mpsc::Sender<()>) {
    let (go, gate) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel();
    let job = worker.submit(move || {
        started.send(()).unwrap();
        let _ = gate.recv();
        "ran"
    });
    has_started.recv().unwrap();
    (job, go)
}

#[test]
fn g21_jobs_run_one_at_a_time_in_the_order_of_their_submits() {
    within_patience("order", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let inside = Arc::new(AtomicBool::new(false));
        let order = Arc::new(Mutex::new(Vec::new()));
        let jobs: Vec<_> = (0..10_000)
            .map(|n| {
                let (inside, order) = (inside.clone(), order.clone());
                worker.submit(move || {
                    assert!(!inside.swap(true, Ordering::SeqCst), "two at once");
                    order.lock().unwrap().push(n);
                    assert!(inside.swap(false, Ordering::SeqCst));
                })
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
fn two_workers_do_not_wait_for_each_other() {
    within_patience("two", || {
        let runtime = Runtime::builder()
            .threads(1)
            .blocking_threads(1)
            .build()
            .unwrap();
        let [one, two] = ["one", "two"].map(|name| SerialWorker::on(runtime.handle(), name));
        let meet = Arc::new(Barrier::new(3));
        let jobs = [&one, &two].map(|worker| {
            let meet = meet.clone();
            worker.submit(move || meet.wait().is_leader())
        });
        // Nor does the pool, whose only thread is in use as well.
        let pool = runtime.spawn_blocking(move || meet.wait().is_leader());
        runtime.block_on(async {
            let mut leaders = usize::from(pool.await.unwrap());
            for job in jobs {
                leaders += usize::from(job.await.unwrap());
            }
            assert_eq!(leaders, 1);
        });
    });
}

#[test]
fn g21_close_refuses_what_comes_and_runs_what_is_there() {
    within_patience("close", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (running, go) = occupy(&worker);
        let queued = worker.submit(|| "ran too");
        assert_eq!(worker.queued(), 1);
        assert!(worker.close());
        assert!(!worker.close(), "the second time says so");
        let ran = Arc::new(AtomicBool::new(false));
        let late = worker.submit({
            let ran = ran.clone();
            move || ran.store(true, Ordering::SeqCst)
        });
        runtime.block_on(async {
            let error = late.await.unwrap_err();
            assert!(error.is_refused());
            assert_eq!(
                error.to_string(),
                "task was refused: the serial worker was closed"
            );
            drop(go);
            worker.drained().await;
            assert!(running.is_finished() && queued.is_finished());
            assert_eq!(running.await.unwrap(), "ran");
            assert_eq!(queued.await.unwrap(), "ran too");
        });
        assert!(!ran.load(Ordering::SeqCst));
    });
}

#[test]
fn a_worker_that_never_had_a_job_is_drained_when_it_is_closed() {
    within_patience("unused", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        worker.close();
        runtime.block_on(worker.drained());
    });
}

#[test]
fn dropping_the_worker_runs_what_is_there() {
    within_patience("drop", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (running, go) = occupy(&worker);
        let queued = worker.submit(|| "ran too");
        drop(worker);
        drop(go);
        runtime.block_on(async {
            assert_eq!(running.await.unwrap(), "ran");
            assert_eq!(queued.await.unwrap(), "ran too");
        });
    });
}

#[test]
fn g21_a_job_that_is_stopped_while_it_waits_never_runs() {
    within_patience("stop queued", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (running, go) = occupy(&worker);
        let ran = Arc::new(AtomicBool::new(false));
        let [stopped, cancelled] = [(); 2].map(|()| {
            let ran = ran.clone();
            worker.submit(move || ran.store(true, Ordering::SeqCst))
        });
        let last = worker.submit(|| "ran too");
        stopped.stop("no longer needed");
        cancelled.cancel();
        drop(go);
        runtime.block_on(async {
            assert_eq!(running.await.unwrap(), "ran");
            let error = stopped.await.unwrap_err();
            assert!(error.is_stopped(), "{error}");
            assert_eq!(
                error.reason().and_then(|reason| reason.message()),
                Some("no longer needed")
            );
            assert!(cancelled.await.unwrap_err().is_cancelled());
            assert_eq!(last.await.unwrap(), "ran too");
        });
        assert!(!ran.load(Ordering::SeqCst));
    });
}

#[test]
fn a_job_that_runs_sees_its_stop_and_panics_and_errors_are_its_own() {
    within_patience("stop running", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (started, has_started) = mpsc::channel();
        let looks = worker.submit(move || -> Result<(), Stopped> {
            started.send(()).unwrap();
            loop {
                check_stop()?;
                thread::yield_now();
            }
        });
        let panics = worker.submit(|| panic!("on purpose"));
        let after = worker.submit(|| "after");
        has_started.recv().unwrap();
        looks.stop("enough");
        runtime.block_on(async {
            assert_eq!(looks.await.unwrap().unwrap_err().to_string(), "enough");
            let panicked: Result<(), JoinError> = panics.await;
            assert!(panicked.unwrap_err().is_panic());
            assert_eq!(after.await.unwrap(), "after");
        });
    });
}

#[test]
fn g21_a_job_runs_with_the_throughline_of_its_submitter() {
    within_patience("throughline", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (_, go) = occupy(&worker);
        let names = || throughline::current().to_string();
        let one = throughline::enter("one", || worker.submit(names));
        let two = throughline::enter("two", || worker.submit(names));
        let none = worker.submit(names);
        drop(go);
        runtime.block_on(async {
            assert_eq!(one.await.unwrap(), "one");
            assert_eq!(two.await.unwrap(), "two");
            assert_eq!(none.await.unwrap(), "");
        });
    });
}

#[test]
fn children_of_a_job_are_stopped_when_it_ends_and_the_next_job_does_not_wait_for_them() {
    within_patience("children", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (cleaned, has_cleaned) = mpsc::channel();
        let (go, gate) = lenio_sync::channel::oneshot::<()>();
        let parent = worker.submit(move || {
            let (begun, has_begun) = mpsc::channel();
            drop(spawn_child(async move {
                begun.send(()).unwrap();
                lenio_executor::stopped().await;
                let _ = gate.await;
                cleaned.send(()).unwrap();
            }));
            has_begun.recv().unwrap();
        });
        let next = worker.submit(|| "next");
        runtime.block_on(async {
            assert_eq!(next.await.unwrap(), "next");
            assert!(!parent.is_finished(), "its child still cleans up");
            let _ = go.send(());
            parent.await.unwrap();
        });
        has_cleaned.try_recv().unwrap();
    });
}

#[test]
fn the_thread_ends_when_idle_and_the_next_job_starts_another() {
    within_patience("idle", || {
        let threads = Arc::new(AtomicUsize::new(0));
        let count = |by: usize| {
            let threads = threads.clone();
            move || {
                threads.fetch_add(by, Ordering::SeqCst);
            }
        };
        let runtime = Runtime::builder()
            .current_thread()
            .blocking_idle(Duration::ZERO)
            .on_thread_start(count(1))
            .on_thread_stop(count(100))
            .build()
            .unwrap();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        for round in 1..=3 {
            runtime.block_on(worker.submit(|| ())).unwrap();
            while threads.load(Ordering::SeqCst) != round * 101 {
                thread::yield_now();
            }
        }
    });
}

#[test]
fn a_shutdown_cancels_the_queue_and_waits_for_the_job_that_runs() {
    within_patience("shutdown", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (running, go) = occupy(&worker);
        let queued = worker.submit(|| "ran too");
        let report = runtime.shutdown_now(Duration::from_millis(1));
        assert_eq!(report.blocking_cancelled, 1, "{report:?}");
        assert_eq!(report.blocking_running.len(), 1, "{report:?}");
        assert!(lenio_executor::block_on(queued).unwrap_err().is_cancelled());
        let late = worker.submit(|| ());
        assert!(lenio_executor::block_on(late).unwrap_err().is_refused());
        drop(go);
        assert_eq!(lenio_executor::block_on(running).unwrap(), "ran");
        lenio_executor::block_on(worker.drained());
    });
}

#[test]
fn a_gentle_shutdown_stops_the_jobs() {
    within_patience("gentle shutdown", || {
        let runtime = runtime();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (started, has_started) = mpsc::channel();
        let looks = worker.submit(move || -> Result<(), Stopped> {
            started.send(()).unwrap();
            loop {
                check_stop()?;
                thread::yield_now();
            }
        });
        let queued = worker.submit(|| ());
        has_started.recv().unwrap();
        let report = runtime.shutdown(LONG);
        assert!(report.blocking_running.is_empty(), "{report:?}");
        lenio_executor::block_on(async {
            assert!(looks.await.unwrap().is_err());
            assert!(queued.await.unwrap_err().is_stopped());
        });
    });
}

#[test]
fn a_worker_of_a_runtime_that_has_ended_refuses() {
    within_patience("ended", || {
        let runtime = runtime();
        let handle = runtime.handle().clone();
        drop(runtime);
        let worker = SerialWorker::on(&handle, "serial");
        assert!(worker.is_closed());
        let late = worker.submit(|| ());
        assert!(lenio_executor::block_on(late).unwrap_err().is_refused());
    });
}

#[test]
fn virtual_time_stands_still_while_a_job_runs() {
    within_patience("virtual clock", || {
        let runtime = Runtime::builder()
            .threads(1)
            .virtual_clock()
            .build()
            .unwrap();
        let worker = SerialWorker::on(runtime.handle(), "serial");
        let (running, go) = occupy(&worker);
        let hour = runtime.spawn(async { lenio_time::sleep(LONG * 180).await });
        for _ in 0..1_000 {
            runtime.block_on(lenio_executor::yield_now());
            assert!(!hour.is_finished());
        }
        drop(go);
        runtime.block_on(async {
            running.await.unwrap();
            hour.await.unwrap();
        });
    });
}

/// The hammer of G21: submits race closes, from four threads against a fifth, until 10^5 jobs were offered.
#[test]
fn g21_every_accepted_job_completes_and_every_refused_one_says_so() {
    const SUBMITTERS: usize = 4;
    const ROUNDS: usize = 1_250;
    const JOBS: usize = 20;
    within_patience("hammer", || {
        let runtime = runtime();
        let mut refused = 0;
        for round in 0..ROUNDS {
            let worker = SerialWorker::on(runtime.handle(), "serial");
            let ran = Arc::new(AtomicUsize::new(0));
            let meet = Barrier::new(SUBMITTERS + 1);
            let outcomes = thread::scope(|scope| {
                let submitters: Vec<_> = (0..SUBMITTERS)
                    .map(|_| {
                        scope.spawn(|| {
                            meet.wait();
                            let submit = |_| {
                                let ran = ran.clone();
                                worker.submit(move || ran.fetch_add(1, Ordering::SeqCst))
                            };
                            (0..JOBS).map(submit).collect::<Vec<_>>()
                        })
                    })
                    .collect();
                meet.wait();
                // The close falls between other submits each time.
                while worker.queued() < round % (SUBMITTERS * JOBS / 2)
                    && ran.load(Ordering::SeqCst) < round % 7
                {
                    thread::yield_now();
                }
                assert!(worker.close());
                let handles = submitters.into_iter().map(|other| other.join().unwrap());
                handles.flatten().collect::<Vec<_>>()
            });
            let completed = runtime.block_on(async {
                worker.drained().await;
                let mut completed = 0;
                for outcome in outcomes {
                    assert!(outcome.is_finished(), "drained means that all have ended");
                    match outcome.await {
                        Ok(_) => completed += 1,
                        Err(error) => {
                            assert!(error.is_refused(), "{error}");
                            refused += 1;
                        }
                    }
                }
                completed
            });
            assert_eq!(completed, ran.load(Ordering::SeqCst));
        }
        let offered = SUBMITTERS * ROUNDS * JOBS;
        assert!(refused > 0 && refused < offered, "{refused} of {offered}");
    });
}
