//! The primitives of `lenio::sync` on the runtime: several workers, threads, timeouts.

mod watchdog;

use lenio::Runtime;
use lenio::sync::channel::{self, RecvError};
use lenio::sync::stop::StopKind;
use lenio::sync::{Barrier, Event, Lock, Notify, RwLock, Semaphore, StopReason, StopSource};
use lenio::time::{sleep, timeout};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use watchdog::within_patience;

/// Runs a scenario on a runtime of four workers, under the watchdog.
#[track_caller]
fn on_four_workers(name: &str, scenario: impl Future<Output = ()> + Send + 'static) {
    within_patience(name, || {
        let runtime = Runtime::builder().threads(4).build();
        runtime
            .expect("a runtime of four workers")
            .block_on(scenario);
    });
}

#[test]
fn tasks_on_several_workers_count_under_a_lock_without_losing_any() {
    on_four_workers(
        "tasks_on_several_workers_count_under_a_lock_without_losing_any",
        async {
            let count = Arc::new(Lock::new(0_u64));
            let tasks: Vec<_> = (0..16)
                .map(|task| {
                    let count = count.clone();
                    lenio::spawn(async move {
                        for turn in 0..2_000 {
                            let mut guard = count.lock().await;
                            let before = *guard;
                            if (task + turn) % 7 == 0 {
                                lenio::yield_now().await;
                            }
                            *guard = before + 1;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no task panics");
            }
            assert_eq!(*count.lock().await, 32_000);
        },
    );
}

#[test]
fn a_semaphore_never_lets_more_in_than_it_has_permits() {
    on_four_workers(
        "a_semaphore_never_lets_more_in_than_it_has_permits",
        async {
            let semaphore = Arc::new(Semaphore::new(3));
            let inside = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..24)
                .map(|task| {
                    let (semaphore, inside) = (semaphore.clone(), inside.clone());
                    lenio::spawn(async move {
                        for _ in 0..500 {
                            let need = 1 + task % 3;
                            let permit = semaphore.acquire(need).await.expect("it is open");
                            let before = inside.fetch_add(need, Ordering::Relaxed);
                            assert!(before + need <= 3);
                            lenio::yield_now().await;
                            inside.fetch_sub(need, Ordering::Relaxed);
                            drop(permit);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no task panics");
            }
            assert_eq!(semaphore.available_permits(), 3);
        },
    );
}

#[test]
fn readers_never_see_a_write_half_done() {
    on_four_workers("readers_never_see_a_write_half_done", async {
        let pair = Arc::new(RwLock::new((0_u32, 0_u32)));
        let tasks: Vec<_> = (0..12)
            .map(|task| {
                let pair = pair.clone();
                lenio::spawn(async move {
                    for _ in 0..500 {
                        if task % 4 == 0 {
                            let mut guard = pair.write().await;
                            guard.0 += 1;
                            lenio::yield_now().await;
                            guard.1 += 1;
                        } else {
                            let guard = pair.read().await;
                            assert_eq!(guard.0, guard.1);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no task panics");
        }
        assert_eq!(*pair.read().await, (1_500, 1_500));
    });
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the client is to be a thread that knows no runtime"
)]
fn a_message_from_a_plain_thread_reaches_a_task_and_the_answer_comes_back() {
    on_four_workers(
        "a_message_from_a_plain_thread_reaches_a_task_and_the_answer_comes_back",
        async {
            let (ask, questions) = channel::bounded::<(u32, channel::oneshot::Sender<u32>)>(2);
            let server = lenio::spawn(async move {
                while let Ok((question, answer)) = questions.recv().await {
                    answer.send(question * 2).expect("somebody waits for it");
                }
            });
            let client = std::thread::spawn(move || {
                for question in 0..100 {
                    let (sender, receiver) = channel::oneshot();
                    ask.send_blocking((question, sender))
                        .expect("the server runs");
                    assert_eq!(receiver.recv_blocking(), Ok(question * 2));
                }
            });
            server.await.expect("the server does not panic");
            client.join().expect("the client does not panic");
        },
    );
}

#[lenio::test(virtual_clock)]
async fn a_wait_that_times_out_leaves_nothing_behind() {
    let event = Event::new();
    let limit = Duration::from_secs(3600);
    assert!(timeout(limit, event.wait()).await.is_err());

    let semaphore = Semaphore::new(1);
    let held = semaphore.acquire(1).await.expect("it is open");
    assert!(timeout(limit, semaphore.acquire(1)).await.is_err());
    drop(held);
    assert_eq!(semaphore.available_permits(), 1);

    let (sender, receiver) = channel::bounded(1);
    assert!(timeout(limit, receiver.recv()).await.is_err());
    assert_eq!(sender.send(1).await, Ok(()));
    assert!(timeout(limit, sender.send(2)).await.is_err());
    assert_eq!(receiver.recv().await, Ok(1));
    drop(sender);
    assert_eq!(
        receiver.recv().await,
        Err(RecvError),
        "the second was not sent"
    );

    let barrier = Barrier::new(2);
    assert!(timeout(limit, barrier.wait()).await.is_err());
    assert_eq!(barrier.arrivals(), 0);
}

#[lenio::test(virtual_clock)]
async fn a_stop_ends_waits_all_over_the_tree() {
    let server = StopSource::new();
    let connections: Vec<_> = (0..10)
        .map(|_| {
            let token = server.child().token();
            lenio::spawn(async move {
                let work = sleep(Duration::from_secs(1_000_000));
                token.run_until_stopped(work).await
            })
        })
        .collect();
    sleep(Duration::from_secs(1)).await;
    server.stop(StopReason::new(StopKind::Shutdown));
    for connection in connections {
        let stopped = connection
            .await
            .expect("no panic")
            .expect_err("it was stopped");
        assert_eq!(stopped.reason().kind(), StopKind::Shutdown);
    }
}

#[test]
fn a_notification_is_enough_for_one_task_at_a_time() {
    on_four_workers("a_notification_is_enough_for_one_task_at_a_time", async {
        let notify = Arc::new(Notify::new());
        let done = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (notify, done) = (notify.clone(), done.clone());
                lenio::spawn(async move {
                    notify.notified().await;
                    done.fetch_add(1, Ordering::Relaxed);
                    // The next one.
                    notify.notify_one();
                })
            })
            .collect();
        notify.notify_one();
        for task in tasks {
            task.await.expect("no task panics");
        }
        assert_eq!(done.load(Ordering::Relaxed), 50);
    });
}
