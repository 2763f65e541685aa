//! Scopes of sync code.

use super::support::{Living, OnDrop, PRESETS, SECOND, TICK, assert_on_time, crew, real_crew};
use super::watchdog::within_patience;
use lenio_executor::{
    JoinError, Runtime, StopExt, StopPolicy, block_scope, check_stop, spawn_blocking, stopped,
    yield_now,
};
use lenio_sync::stop::StopKind;
use lenio_time::sleep;
use std::any::Any;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

fn runtimes(policy: StopPolicy) -> [Runtime; 2] {
    [
        crew(2, policy),
        Runtime::builder()
            .current_thread()
            .virtual_clock()
            .stop_policy(policy)
            .on_stop_event(|_| {})
            .build()
            .unwrap(),
    ]
}

fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap()
}

#[test]
fn children_borrow_what_lives_outside() {
    within_patience("borrowing", || {
        for (_, policy) in PRESETS {
            for runtime in runtimes(policy) {
                for _ in 0..100 {
                    let words = [String::from("gentle"), String::from("stop")];
                    let mut lengths = [0; 2];
                    let total = AtomicUsize::new(0);
                    let joined = runtime.handle().block_scope(|s| {
                        for (word, length) in words.iter().zip(&mut lengths) {
                            let total = &total;
                            s.spawn(async move {
                                yield_now().await;
                                *length = word.len();
                                total.fetch_add(word.len(), Ordering::SeqCst);
                            });
                        }
                        s.spawn(async { words.first() }).join().unwrap()
                    });
                    assert_eq!(joined.map(String::as_str), Some("gentle"));
                    assert_eq!((lengths, total.into_inner()), ([6, 4], 10));
                }
            }
        }
    });
}

#[test]
fn a_panic_of_the_body_or_of_a_child_is_passed_on_when_all_have_ended() {
    within_patience("panics", || {
        for (name, policy) in PRESETS {
            for runtime in runtimes(policy) {
                for is_child in [false, true] {
                    let living = Living::default();
                    let borrowed = &living;
                    let scope = || {
                        runtime.handle().block_scope(|s| {
                            let one = borrowed.one();
                            s.spawn(async move {
                                let _one = one;
                                drop(stopped().await);
                                sleep(SECOND).await;
                            });
                            assert!(is_child, "the body");
                            s.spawn(async { panic!("the child") });
                        });
                    };
                    let payload = catch_unwind(AssertUnwindSafe(scope)).unwrap_err();
                    let expected = if is_child { "the child" } else { "the body" };
                    assert_eq!(said(&*payload), expected, "{name}");
                    assert_eq!(living.count(), 0, "{name}");
                }
            }
        }
    });
}

#[test]
fn a_blocking_job_may_open_one_and_its_stop_gets_in() {
    within_patience("from a job", || {
        for (name, policy) in PRESETS {
            for runtime in runtimes(policy) {
                let (began, begun) = mpsc::channel();
                let job = runtime.spawn_blocking(move || {
                    let text = String::from("borrowed");
                    block_scope(|s| {
                        let child = s.spawn(async {
                            let reason = stopped().await;
                            (text.len(), reason.message().map(str::to_owned))
                        });
                        began.send(()).unwrap();
                        child.join()
                    })
                });
                let outcome = runtime.block_on(async {
                    while begun.try_recv().is_err() {
                        yield_now().await;
                    }
                    job.stop("you in there");
                    job.await
                });
                let outcome: Result<_, JoinError> = outcome.unwrap();
                match outcome {
                    Ok((length, message)) => {
                        assert_eq!((length, message.as_deref()), (8, Some("you in there")));
                    }
                    // Before its first poll, or without a grace.
                    Err(error) => assert!(
                        error.is_stopped() || (name == "detached" && error.is_cancelled()),
                        "{name}: {error}"
                    ),
                }
            }
        }
    });
}

#[test]
fn inside_of_a_poll_it_panics_and_says_what_to_use() {
    within_patience("from a worker", || {
        for runtime in runtimes(StopPolicy::native()) {
            let task = runtime.spawn(async { block_scope(|_| ()) });
            let error = runtime.block_on(task).unwrap_err();
            let payload = error.try_into_panic().unwrap();
            let text = said(&*payload);
            assert!(text.contains("scope(..).await") && text.contains("spawn_blocking"));
            let payload = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async { block_scope(|_| ()) });
            }));
            assert!(said(&*payload.unwrap_err()).contains("scope(..).await"));
        }
    });
}

#[test]
fn a_child_that_ignores_the_stop_is_cancelled_after_the_grace() {
    within_patience("grace without a task", || {
        let runtime = crew(1, StopPolicy::native());
        let clock = runtime.clock().clone();
        let begin = clock.now();
        let (give, dropped) = mpsc::channel();
        let error = runtime.handle().block_scope(|s| {
            let (began, begun) = mpsc::channel();
            let child = s.spawn(async move {
                // Asked here: the thread outside reads a clock that goes on without it.
                let _note = OnDrop::new(move || give.send(clock.now()).unwrap());
                began.send(()).unwrap();
                pending::<()>().await
            });
            begun.recv().unwrap();
            s.stop("ignored");
            child.join().unwrap_err()
        });
        assert!(error.is_cancelled());
        assert_on_time(dropped.recv().unwrap(), begin + 5 * SECOND);
    });
}

#[test]
fn a_wait_of_the_body_itself_ends_at_the_stop() {
    within_patience("a waiting body", || {
        for (name, policy) in PRESETS {
            let runtime = crew(2, policy);
            let (was_stopped, check) = runtime.handle().block_scope(|s| {
                let handle = s.stop_handle();
                let stopper = std::thread::spawn(move || handle.stop(""));
                let wait = runtime.handle().block_on(pending::<()>().or_stop());
                stopper.join().unwrap();
                (wait.is_err(), check_stop().is_err())
            });
            assert!(was_stopped && check, "{name}");
            assert!(check_stop().is_ok());
        }
    });
}

#[test]
fn the_panic_of_a_child_ends_a_wait_of_the_body() {
    within_patience("a waiting body", || {
        let runtime = crew(2, StopPolicy::native());
        let scope = || {
            runtime.handle().block_scope(|s| {
                s.spawn(async {
                    yield_now().await;
                    panic!("the child");
                });
                let wait = runtime.handle().block_on(pending::<()>().or_stop());
                let reason = wait.unwrap_err().into_reason();
                assert_eq!(reason.kind(), StopKind::SiblingFailed);
            });
        };
        let payload = catch_unwind(AssertUnwindSafe(scope)).unwrap_err();
        assert_eq!(said(&*payload), "the child");
    });
}

#[test]
fn nested_in_a_child_by_way_of_a_job_it_waits_for_its_own() {
    within_patience("nested", || {
        let runtime = real_crew(2, StopPolicy::native());
        let sum = runtime.handle().block_scope(|s| {
            let inner = s.spawn(async {
                let job = spawn_blocking(|| {
                    let numbers = [1, 2, 3];
                    block_scope(|s| {
                        let parts = numbers.iter().map(|n| s.spawn(async move { *n }));
                        let parts: Vec<_> = parts.collect();
                        parts
                            .into_iter()
                            .map(|part| part.join().unwrap())
                            .sum::<i32>()
                    })
                });
                job.await.unwrap()
            });
            inner.join().unwrap()
        });
        assert_eq!(sum, 6);
    });
}

#[test]
fn a_shutdown_of_the_runtime_lets_it_return() {
    within_patience("shutdown", || {
        let runtime = real_crew(1, StopPolicy::native());
        let handle = runtime.handle().clone();
        let living = Living::default();
        let (began, begun) = mpsc::channel();
        let counted = living.clone();
        let scope = std::thread::spawn(move || {
            let text = String::from("still borrowed");
            handle.block_scope(|s| {
                let (text, one) = (&text, counted.one());
                s.spawn(async move {
                    let _one = one;
                    began.send(text.len()).unwrap();
                    pending::<()>().await
                });
            });
        });
        begun.recv().unwrap();
        let report = runtime.shutdown_now(20 * SECOND);
        scope.join().unwrap();
        assert_eq!(living.count(), 0);
        assert_eq!(report.still_running, []);
    });
}

#[test]
fn in_a_runtime_that_has_ended_children_are_refused_and_it_returns() {
    within_patience("after the end", || {
        let runtime = real_crew(1, StopPolicy::native());
        let handle = runtime.handle().clone();
        runtime.shutdown_now(20 * SECOND);
        let error = handle.block_scope(|s| {
            let child = s.spawn(async {});
            assert!(child.is_finished());
            child.join().unwrap_err()
        });
        assert!(error.is_refused() || error.is_stopped(), "{error}");
    });
}

#[test]
fn what_is_forgotten_in_it_is_only_leaked() {
    within_patience("forgotten handles", || {
        let runtime = crew(2, StopPolicy::native());
        let text = String::from("borrowed");
        runtime.handle().block_scope(|s| {
            for _ in 0..10 {
                // The output borrows as well, and is never taken.
                super::support::forget(s.spawn(async {
                    sleep(TICK).await;
                    &text
                }));
            }
            super::support::forget(s.stop_handle());
        });
    });
}
