//! G14: async finalizers belong to the task, not to its future.

use crate::rig::{Heard, Log, Watch, ms, runtime, scenario, under};
use crate::watchdog::within_patience;
use lenio_executor::{
    FinalizerTime, Grace, JoinHandle, StopEvent, StopExt, StopPolicy, check_stop, on_exit, scope,
    spawn, spawn_child, yield_now,
};
use lenio_sync::channel::{bounded, oneshot};
use lenio_time::{sleep, timeout};
use std::future::pending;
use std::sync::{Arc, Mutex};

/// How a body comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Return,
    Panic,
    Stop,
    Cancel,
}

const ENDS: [End; 4] = [End::Return, End::Panic, End::Stop, End::Cancel];

/// A task that registers with `register`, and comes to that end.
async fn ended(end: End, register: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let (ready, is_ready) = oneshot();
    let task = spawn(async move {
        register();
        ready.send(()).ok();
        match end {
            End::Return => {}
            End::Panic => panic!("as planned"),
            End::Stop => {
                let _ = pending::<()>().or_stop().await;
            }
            End::Cancel => pending().await,
        }
    });
    is_ready.await.ok();
    match end {
        End::Return | End::Panic => {}
        End::Stop => {
            task.stop("");
        }
        End::Cancel => task.cancel(),
    }
    task
}

#[test]
fn g14_every_finalizer_runs_once_in_lifo_order_however_the_body_ends() {
    for end in ENDS {
        let log = Log::default();
        let seen = log.clone();
        scenario(move |_| async move {
            let task = ended(end, move || {
                for name in ["first", "second", "third"] {
                    let log = log.clone();
                    on_exit(async move {
                        sleep(ms(10)).await;
                        yield_now().await;
                        log.note(name);
                    });
                }
            });
            let outcome = task.await.await;
            assert_eq!(outcome.is_ok(), matches!(end, End::Return | End::Stop));
        });
        assert_eq!(seen.all(), ["third", "second", "first"], "{end:?}");
    }
}

#[test]
fn g14_one_that_panics_does_not_keep_the_others_from_running() {
    for end in ENDS {
        let log = Log::default();
        let seen = log.clone();
        scenario(move |_| async move {
            let task = ended(end, move || {
                let (a, b) = (log.clone(), log.clone());
                on_exit(async move { a.note("first") });
                on_exit(async { panic!("in the first poll") });
                on_exit(async {
                    sleep(ms(5)).await;
                    panic!("in a later poll")
                });
                on_exit(async move { b.note("last") });
            });
            let _ = task.await.await;
        });
        assert_eq!(seen.all(), ["last", "first"], "{end:?}");
    }
}

#[test]
fn g14_finalizers_are_shielded_however_the_body_ends() {
    for end in ENDS {
        let log = Log::default();
        let seen = log.clone();
        scenario(move |_| async move {
            let task = ended(end, move || {
                on_exit(async move {
                    let slept = sleep(ms(10)).or_stop().await.is_ok();
                    let child = spawn_child(async { sleep(ms(10)).or_stop().await.is_ok() });
                    let child = child.await;
                    let scoped =
                        scope(
                            |s| async move { s.spawn(async { check_stop().is_ok() }).await.ok() },
                        );
                    let scoped = scoped.await;
                    log.note(format!("{slept} {child:?} {scoped:?}"));
                });
            });
            let _ = task.await.await;
        });
        assert_eq!(seen.all(), ["true Ok(true) Some(true)"], "{end:?}");
    }
}

#[test]
fn g14_a_finalizer_may_talk_with_what_it_has_started() {
    for end in ENDS {
        scenario(move |_| async move {
            let (sender, answer) = oneshot();
            let task = ended(end, move || {
                on_exit(async move {
                    let (ask, asked) = bounded::<u32>(1);
                    let child = spawn_child(async move { asked.recv().await.map(|n| n + 1) });
                    yield_now().await;
                    ask.send(41).await.ok();
                    let of_task = child.await.unwrap().ok();
                    let (ask, asked) = bounded::<u32>(1);
                    let of_scope = scope(|s| async move {
                        let child = s.spawn(async move { asked.recv().await.ok() });
                        sleep(ms(1)).await;
                        ask.send(7).await.ok();
                        child.await.unwrap()
                    });
                    sender.send((of_task, of_scope.await)).ok();
                });
            });
            let _ = task.await.await;
            assert_eq!(answer.await, Ok((Some(42), Some(7))), "{end:?}");
        });
    }
}

#[test]
fn g14_a_finalizer_of_a_scope_may_talk_with_what_it_has_started() {
    scenario(|_| async {
        let (sender, answer) = oneshot();
        let task = spawn(async move {
            scope(|s| async move {
                s.on_exit(async move {
                    let (ask, asked) = bounded::<u32>(1);
                    let child = spawn_child(async move { asked.recv().await.map(|n| n + 1) });
                    yield_now().await;
                    ask.send(41).await.ok();
                    sender.send(child.await.unwrap().ok()).ok();
                });
            })
            .await;
        });
        task.await.unwrap();
        assert_eq!(answer.await, Ok(Some(42)));
    });
}

#[test]
fn g14_the_finalizers_of_a_block_on_may_talk_with_what_they_have_started() {
    let answer = Arc::new(Mutex::new(None));
    let seen = answer.clone();
    scenario(move |_| async move {
        on_exit(async move {
            let (ask, asked) = bounded::<u32>(1);
            let child = spawn_child(async move { asked.recv().await.map(|n| n + 1) });
            yield_now().await;
            ask.send(41).await.ok();
            *answer.lock().unwrap() = child.await.unwrap().ok();
        });
    });
    assert_eq!(*seen.lock().unwrap(), Some(42));
}

#[test]
fn g14_what_a_finalizer_has_added_runs_after_it() {
    let log = Log::default();
    let seen = log.clone();
    scenario(move |_| async move {
        let task = spawn(async move {
            on_exit(async move {
                let later = log.clone();
                on_exit(async move { later.note("added") });
                sleep(ms(5)).await;
                log.note("adder");
            });
        });
        task.await.unwrap();
    });
    assert_eq!(seen.all(), ["adder", "added"]);
}

#[test]
fn g14_finalizers_have_their_time_and_what_is_left_is_dropped() {
    for with_child in [false, true] {
        let mut policy = StopPolicy::native();
        policy.finalizers = FinalizerTime::Within(ms(100));
        let log = Log::default();
        let seen = log.clone();
        under(policy, move |heard| async move {
            let watch = Watch::start();
            let task = ended(End::Cancel, move || {
                let never = log.at_drop("never begun");
                let begun = log.at_drop("begun");
                on_exit(async move {
                    let _never = never;
                    unreachable!("the time is over by then");
                });
                on_exit(async move {
                    let _begun = begun;
                    if with_child {
                        let child = spawn_child(async { pending::<()>().or_stop().await.is_err() });
                        let _ = child.await;
                    }
                    pending::<()>().await;
                });
            });
            assert!(task.await.await.unwrap_err().is_cancelled());
            watch.assert_at(ms(100));
            let cuts = heard.events();
            assert!(
                matches!(&cuts[..], [StopEvent::FinalizersCut { .. }]),
                "{cuts:?}"
            );
        });
        assert_eq!(seen.all(), ["begun", "never begun"]);
    }
}

#[test]
fn g14_the_finalizers_of_a_scope_have_their_time_too() {
    let mut policy = StopPolicy::native();
    policy.finalizers = FinalizerTime::Within(ms(100));
    under(policy, |_| async {
        let watch = Watch::start();
        let task = spawn(async {
            scope(|s| async move {
                s.on_exit(async {
                    let child = spawn_child(async { pending::<()>().or_stop().await.is_err() });
                    let _ = child.await;
                    pending::<()>().await;
                });
            })
            .await;
        });
        task.await.unwrap();
        watch.assert_at(ms(100));
    });
}

#[test]
fn g14_a_shutdown_waits_for_finalizers() {
    within_patience("shutdown", || {
        let heard = Arc::new(Heard::default());
        let runtime = runtime(StopPolicy::native(), &heard);
        let log = Log::default();
        let seen = log.clone();
        runtime.block_on(async {
            drop(spawn(async move {
                on_exit(async move {
                    sleep(ms(2000)).await;
                    log.note("cleaned");
                });
                let _ = pending::<()>().or_stop().await;
            }));
            yield_now().await;
        });
        let report = runtime.shutdown(ms(5000));
        assert!(report.is_clean(), "{report}");
        assert_eq!(seen.all(), ["cleaned"]);
    });
}

#[test]
fn g14_the_cleanup_of_a_scope_that_is_dropped_runs_at_the_end_of_the_task() {
    let log = Log::default();
    let seen = log.clone();
    scenario(move |_| async move {
        let task = spawn(async move {
            let (a, b, c) = (log.clone(), log.clone(), log.clone());
            let half_way = scope(|s| async move {
                s.on_exit(async move { a.note("of the scope") });
                let inner = s.clone();
                drop(s.spawn(async move {
                    let _ = pending::<()>().or_stop().await;
                    // The scope is gone by now, and has left a promise.
                    inner.on_exit(async move { b.note("of the child") });
                }));
                pending::<()>().await;
            });
            let _ = timeout(ms(10), half_way).await;
            c.note("the body goes on");
        });
        task.await.unwrap();
    });
    assert_eq!(
        seen.all(),
        ["the body goes on", "of the child", "of the scope"]
    );
}

#[test]
fn g14_a_scope_that_is_dropped_in_its_cleanup_stops_what_that_has_started() {
    let mut policy = StopPolicy::native();
    policy.grace = Grace::FOR_EVER;
    under(policy, |_| async {
        let watch = Watch::start();
        let task = spawn(async {
            let half_way = scope(|s| async move {
                s.on_exit(async {
                    drop(spawn_child(async { pending::<()>().or_stop().await }));
                    sleep(ms(50)).await;
                });
            });
            assert!(timeout(ms(10), half_way).await.is_err());
        });
        task.await.unwrap();
        watch.assert_at(ms(50));
    });
}

#[test]
fn g14_a_finalizer_without_end_does_not_outlast_the_runtime() {
    let alive = Arc::new(());
    for builder in [
        lenio_executor::Runtime::builder().current_thread(),
        lenio_executor::Runtime::builder().threads(1),
    ] {
        let runtime = builder.on_stop_event(|_| {}).build().unwrap();
        let witness = alive.clone();
        runtime.block_on(async {
            drop(spawn(async {
                on_exit(async move {
                    let _witness = witness;
                    pending::<()>().await;
                });
            }));
            while runtime.metrics().living_tasks > 0 && runtime.dump().entries.is_empty() {
                yield_now().await;
            }
            for _ in 0..10 {
                yield_now().await;
            }
        });
        let report = runtime.shutdown_now(std::time::Duration::from_millis(1));
        assert!(report.is_clean(), "{report}");
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
