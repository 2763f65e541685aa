//! G18: a failure that nobody joins and no scope takes is reported once; a stop is silent.

use crate::rig::{Heard, ms, scenario};
use lenio_executor::{
    JoinError, OnFailure, ScopeBuilder, StopExt, spawn, spawn_child, try_scope, yield_now,
};
use lenio_sync::stop::Stopped;
use lenio_time::{sleep, timeout};
use std::future::pending;
use std::sync::Arc;

/// Lets everything run that can.
async fn settle() {
    sleep(ms(100)).await;
}

fn heard_once(heard: &Heard, what: &str) {
    let failures = heard.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].contains(what), "{failures:?}");
}

#[test]
fn g18_a_panic_is_reported_once_if_the_handle_goes_first() {
    scenario(|heard| async move {
        drop(spawn(async {
            sleep(ms(1)).await;
            panic!("unseen");
        }));
        settle().await;
        heard_once(&heard, "unseen");
    });
}

#[test]
fn g18_a_panic_is_reported_once_if_the_handle_goes_last() {
    scenario(|heard| async move {
        let task = spawn(async { panic!("unseen") });
        settle().await;
        assert!(heard.failures().is_empty(), "it may still be joined");
        drop(task);
        heard_once(&heard, "unseen");
        settle().await;
        heard_once(&heard, "unseen");
    });
}

#[test]
fn g18_a_panic_of_a_child_is_reported_once() {
    scenario(|heard| async move {
        let parent = spawn(async {
            drop(spawn_child(async { panic!("unseen") }));
            sleep(ms(1)).await;
        });
        parent.await.unwrap();
        settle().await;
        heard_once(&heard, "unseen");
    });
}

#[test]
fn g18_a_panic_that_somebody_sees_is_not_reported() {
    scenario(|heard| async move {
        assert!(spawn(async { panic!("seen") }).await.is_err());
        let taken = spawn(async {
            lenio_executor::scope(|s| async move { drop(s.spawn(async { panic!("taken") })) }).await
        });
        assert!(taken.await.unwrap_err().is_panic());
        settle().await;
        assert!(heard.failures().is_empty(), "{:?}", heard.failures());
    });
}

#[test]
fn g18_an_error_that_a_scope_takes_is_not_reported() {
    scenario(|heard| async move {
        let result = try_scope(|s| async move {
            drop(s.spawn_fallible(async { Err::<(), _>("taken") }));
            Ok(())
        });
        assert_eq!(result.await.unwrap_err().first, "taken");
        settle().await;
        assert!(heard.failures().is_empty(), "{:?}", heard.failures());
    });
}

#[test]
fn g18_stops_and_cancels_are_silent() {
    scenario(|heard| async move {
        let unpolled = spawn(pending::<()>());
        unpolled.stop("");
        drop(unpolled);
        let stopped = spawn(async { pending::<()>().or_stop().await });
        let cancelled = spawn(pending::<()>());
        yield_now().await;
        stopped.stop("");
        cancelled.cancel();
        drop((stopped, cancelled));
        let stopped: Result<(), _> = try_scope(|s| async move {
            drop(s.spawn_fallible(async { pending::<()>().or_stop().await }));
            sleep(ms(1)).await;
            s.stop("");
            Ok::<_, Stopped>(())
        })
        .await;
        assert!(stopped.is_ok());
        settle().await;
        assert!(heard.failures().is_empty(), "{:?}", heard.failures());
    });
}

#[test]
fn g18_a_failure_in_a_scope_that_was_dropped_is_reported_once() {
    for is_panic in [false, true] {
        scenario(move |heard| async move {
            let task = spawn(async move {
                let half_way = try_scope(|s| async move {
                    let failing = async move {
                        let _ = pending::<()>().or_stop().await;
                        assert!(!is_panic, "unseen");
                        Err::<(), _>(Unseen)
                    };
                    drop(s.spawn_fallible(failing));
                    pending::<()>().await;
                    Ok(())
                });
                assert!(timeout(ms(10), half_way).await.is_err());
            });
            task.await.unwrap();
            settle().await;
            assert_eq!(heard.failures().len(), 1, "{:?}", heard.failures());
        });
    }
}

#[test]
fn g18_a_failure_that_came_before_its_scope_was_dropped_is_reported_once() {
    for is_panic in [false, true] {
        scenario(move |heard| async move {
            let task = spawn(async move {
                let half_way = ScopeBuilder::new()
                    .on_failure(OnFailure::LetFinish)
                    .try_run(|s| async move {
                        let failing = async move {
                            assert!(!is_panic, "unseen");
                            Err::<(), _>(Unseen)
                        };
                        drop(s.spawn_fallible(failing));
                        pending::<()>().await;
                        Ok(())
                    });
                assert!(timeout(ms(10), half_way).await.is_err());
            });
            task.await.unwrap();
            settle().await;
            assert_eq!(heard.failures().len(), 1, "{:?}", heard.failures());
        });
    }
}

#[derive(Debug)]
struct Unseen;

#[test]
fn g18_a_failure_is_reported_once_where_many_threads_drop_handles() {
    use crate::watchdog::within_patience;
    use lenio_executor::Runtime;
    use std::sync::atomic::{AtomicUsize, Ordering};
    within_patience("many", || {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let runtime = Runtime::builder()
            .threads(2)
            .on_unobserved(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .unwrap();
        std::panic::set_hook(Box::new(|_| {}));
        let joined: usize = runtime.block_on(async {
            let mut joined = 0;
            for round in 0..3000 {
                let task = spawn(async { panic!("unseen") });
                match round % 3 {
                    0 => drop(task),
                    1 => {
                        yield_now().await;
                        drop(task);
                    }
                    _ => {
                        let outcome: Result<(), JoinError> = task.await;
                        joined += usize::from(outcome.is_err());
                    }
                }
            }
            joined
        });
        // A task that a shutdown finds unpolled never panics.
        while runtime.metrics().living_tasks > 0 {
            runtime.block_on(yield_now());
        }
        drop(std::panic::take_hook());
        let report = runtime.shutdown(ms(5000));
        assert!(report.is_clean(), "{report}");
        assert_eq!((joined, count.load(Ordering::Relaxed)), (1000, 2000));
    });
}
