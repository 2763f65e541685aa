//! Async scopes: they wait for what they started, on every way out.

use super::support::{
    HOUR, Living, OnDrop, PRESETS, SECOND, Trace, alone, assert_on_time, crew, here, quiet,
    real_crew,
};
use super::watchdog::within_patience;
use lenio_executor::{
    AtEnd, JoinError, JoinHandle, OnFailure, Scope, ScopeBuilder, StopExt, StopHandle, StopPolicy,
    check_stop, scope, scope_with, spawn, spawn_child, stopped, try_scope, yield_now,
};
use lenio_sync::Event;
use lenio_sync::stop::{StopKind, Stopped};
use lenio_time::sleep;
use std::cell::Cell;
use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a future that panics has said.
async fn panic_of<T>(future: impl Future<Output = T>) -> String {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(_)) => panic!("it did not panic"),
            Err(payload) => Poll::Ready(payload.downcast_ref::<&str>().unwrap().to_string()),
        }
    })
    .await
}

#[test]
fn a_scope_waits_for_children_and_grandchildren_and_late_ones() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let living = Living::default();
            let counted = living.clone();
            scope(|s| async move {
                for _ in 0..3 {
                    let again = s.clone();
                    let counted = counted.clone();
                    let one = counted.one();
                    drop(s.spawn(async move {
                        sleep(SECOND).await;
                        let late = counted.one();
                        drop(again.spawn(async move {
                            sleep(SECOND).await;
                            drop(late);
                        }));
                        drop(one);
                    }));
                }
            })
            .await;
            assert_eq!(living.count(), 0, "{name}");
        });
    }
}

#[test]
fn the_first_failure_stops_the_others_and_the_body() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let (give, reasons) = mpsc::channel();
            let result = try_scope(|s| async move {
                let told = give.clone();
                drop(s.spawn(async move {
                    let stopped: Stopped = pending::<()>().or_stop().await.unwrap_err();
                    told.send(stopped.into_reason().kind()).unwrap();
                }));
                let failing: JoinHandle<()> = s.spawn_fallible(async {
                    sleep(SECOND).await;
                    Err("first")
                });
                drop(s.spawn_fallible(async {
                    stopped().await;
                    Err::<(), _>("second")
                }));
                let body: Stopped = pending::<()>().or_stop().await.unwrap_err();
                give.send(body.into_reason().kind()).unwrap();
                assert!(failing.await.unwrap_err().is_failed());
                Ok(())
            })
            .await;
            let error = result.unwrap_err();
            assert_eq!(error.first, "first", "{name}");
            let mut told: Vec<StopKind> = reasons.try_iter().collect();
            if name == "detached" {
                // The siblings were cancelled and could say nothing.
                assert_eq!(told.pop(), Some(StopKind::SiblingFailed));
                assert!(error.rest.is_empty());
            } else {
                assert_eq!(told, [StopKind::SiblingFailed; 2], "{name}");
                assert_eq!(error.rest, ["second"], "{name}");
            }
        });
    }
}

#[test]
fn a_scope_that_lets_its_children_finish_collects_what_went_wrong() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let result = ScopeBuilder::new()
                .on_failure(OnFailure::LetFinish)
                .try_run(|s| async move {
                    for n in (1..=3).rev() {
                        drop(s.spawn_fallible(async move {
                            sleep(n * SECOND).await;
                            if n == 2 { Ok(()) } else { Err(n) }
                        }));
                    }
                    Ok(())
                })
                .await;
            let errors: Vec<u32> = result.unwrap_err().into_all().collect();
            assert_eq!(errors, [1, 3], "{name}");
        });
    }
}

#[test]
fn a_body_that_fails_stops_its_children_and_waits() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let living = Living::default();
            let one = living.one();
            let result = try_scope(|s| async move {
                drop(s.spawn(async move {
                    let _one = one;
                    let reason = stopped().await;
                    assert_eq!(reason.kind(), StopKind::ParentFailed);
                    sleep(SECOND).await;
                }));
                quiet().await;
                Err::<(), _>(io::Error::other("the body"))
            })
            .await;
            assert_eq!(result.unwrap_err().to_string(), "the body", "{name}");
            assert_eq!(living.count(), 0, "{name}");
        });
    }
}

#[test]
fn a_stop_is_no_failure() {
    alone(StopPolicy::native()).block_on(async {
        let result = try_scope(|s| async move {
            let child: JoinHandle<()> = s.spawn_fallible(async {
                stopped().await;
                pending::<()>().or_stop().await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            });
            drop(s.spawn_fallible(async {
                sleep(HOUR).await;
                Ok(())
            }));
            quiet().await;
            child.stop("");
            drop(child.await);
            Ok(check_stop().is_ok())
        });
        assert!(result.await.unwrap(), "the scope was not stopped");
    });
}

#[test]
fn the_panic_of_a_child_is_passed_on_when_all_have_ended() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let living = Living::default();
            let one = living.one();
            let (give, handle) = mpsc::channel();
            let said = panic_of(scope(|s| async move {
                drop(s.spawn(async move {
                    let _one = one;
                    stopped().await;
                    sleep(SECOND).await;
                }));
                let bad: JoinHandle<()> = s.spawn(async {
                    yield_now().await;
                    panic!("a child");
                });
                let worse: JoinHandle<()> = s.spawn(async {
                    stopped().await;
                    panic!("another child");
                });
                give.send((bad, worse)).unwrap();
                assert!(pending::<()>().or_stop().await.is_err());
            }));
            assert_eq!(said.await, "a child", "{name}");
            assert_eq!(living.count(), 0, "{name}");
            let (bad, _): (JoinHandle<()>, JoinHandle<()>) = handle.recv().unwrap();
            let error: JoinError = bad.await.unwrap_err();
            assert!(error.is_panic() && error.to_string().ends_with("a child"));
        });
    }
}

#[test]
fn the_panic_of_the_body_is_passed_on_when_all_have_ended() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let living = Living::default();
            for is_late in [false, true] {
                let one = living.one();
                let said = panic_of(scope(|s| {
                    drop(s.spawn(async move {
                        let _one = one;
                        stopped().await;
                        sleep(SECOND).await;
                    }));
                    assert!(is_late, "making the body");
                    async {
                        quiet().await;
                        panic!("the body");
                    }
                }));
                let expected = if is_late {
                    "the body"
                } else {
                    "making the body"
                };
                assert_eq!(said.await, expected, "{name}");
                assert_eq!(living.count(), 0, "{name}");
            }
        });
    }
}

#[test]
fn a_child_whose_drop_panics_holds_up_nobody() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("in drop, on purpose");
            }
        }
    }
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let outcome = spawn(async {
                scope(|s| async move {
                    drop(s.spawn(async {
                        let _bad = Bad;
                        pending::<()>().await
                    }));
                    quiet().await;
                    s.stop_handle().cancel("");
                })
                .await;
            });
            // Whether a panic in a drop is passed on or contained: the scope ends.
            drop(outcome.await);
            quiet().await;
            assert_eq!(here().metrics().living_tasks, 0, "{name}");
        });
    }
}

#[test]
fn a_scope_dropped_half_way_stops_its_children_and_the_task_waits_for_them() {
    for (name, policy) in PRESETS {
        let runtime = alone(policy);
        let clock = runtime.clock().clone();
        runtime.block_on(async {
            let begin = clock.now();
            let living = Living::default();
            let one = living.one();
            let (give, told) = mpsc::channel();
            let task = spawn(async move {
                let mut dropped: Boxed<()> = Box::pin(scope(|s| async move {
                    drop(s.spawn(async move {
                        let _one = one;
                        give.send(stopped().await.kind()).unwrap();
                        sleep(SECOND).await;
                    }));
                    pending::<()>().await
                }));
                super::support::either(&mut dropped, quiet())
                    .await
                    .unwrap_err();
                drop(dropped);
                check_stop().is_ok()
            });
            let handle = task.stop_handle();
            assert!(
                task.await.unwrap(),
                "{name}: the task itself is not stopped"
            );
            assert!(handle.is_done());
            match policy.at_end {
                AtEnd::StopAndWait => {
                    assert_eq!(living.count(), 0, "{name}");
                    assert_on_time(clock.now(), begin + SECOND);
                }
                AtEnd::Stop => assert_eq!(living.count(), 1, "{name}: left to itself"),
                AtEnd::Leave => {}
            }
            sleep(2 * SECOND).await;
            assert_eq!(living.count(), 0, "{name}");
            let expected = (name != "detached").then_some(StopKind::HandleDropped);
            assert_eq!(told.try_recv().ok(), expected, "{name}");
        });
    }
}

#[test]
fn a_scope_dropped_at_any_of_many_moments_leaves_nothing_behind() {
    within_patience("dropped at random", || {
        let runtime = real_crew(3, StopPolicy::native());
        for round in 0..120_usize {
            let living = Living::default();
            let counted = living.clone();
            let task = runtime.spawn(async move {
                let work: Boxed<()> = Box::pin(scope(move |s| async move {
                    for n in 0..3 {
                        let one = counted.one();
                        drop(s.spawn(async move {
                            let _one = one;
                            for _ in 0..n {
                                yield_now().await;
                            }
                            drop(stopped().await);
                        }));
                        yield_now().await;
                    }
                    s.on_exit(yield_now());
                    s.stop("");
                }));
                let until = async {
                    for _ in 0..round % 12 {
                        yield_now().await;
                    }
                };
                let _ = super::support::either(work, until).await;
            });
            runtime.block_on(task).unwrap();
            assert_eq!(living.count(), 0, "round {round}");
        }
    });
}

#[test]
fn a_forgotten_scope_leaks_and_no_more() {
    for (name, policy) in PRESETS {
        let runtime = alone(policy);
        runtime.block_on(async {
            let living = Living::default();
            let one = living.one();
            let task = spawn(async move {
                let mut forgotten: Boxed<()> = Box::pin(scope(|s| async move {
                    drop(s.spawn(async move {
                        let _one = one;
                        stopped().await;
                        sleep(SECOND).await;
                    }));
                    pending::<()>().await
                }));
                {
                    let mut cx = Context::from_waker(Waker::noop());
                    assert!(forgotten.as_mut().poll(&mut cx).is_pending());
                }
                super::support::forget(forgotten);
                quiet().await;
            });
            task.await.unwrap();
            match policy.at_end {
                AtEnd::StopAndWait => assert_eq!(living.count(), 0, "{name}"),
                AtEnd::Stop => {
                    sleep(2 * SECOND).await;
                    assert_eq!(living.count(), 0, "{name}");
                }
                AtEnd::Leave => assert_eq!(living.count(), 1, "{name}"),
            }
        });
        drop(runtime);
    }
}

#[test]
fn what_is_forgotten_in_a_scope_is_only_leaked() {
    alone(StopPolicy::native()).block_on(async {
        let task = spawn(async {
            scope(|s| async move {
                super::support::forget(s.clone());
                super::support::forget(s.spawn(async {}));
                super::support::forget(s.stop_handle());
                super::support::forget(s.stop_handle().on_stop(|| {}));
                s.on_exit(async {
                    super::support::forget(spawn_child(async {}));
                });
                let mut wait = Box::pin(pending::<()>().or_stop());
                let mut cx = Context::from_waker(Waker::noop());
                assert!(wait.as_mut().poll(&mut cx).is_pending());
                super::support::forget(wait);
                let mut shielded = Box::pin(lenio_executor::shield(pending::<()>()));
                assert!(shielded.as_mut().poll(&mut cx).is_pending());
                super::support::forget(shielded);
            })
            .await;
        });
        task.await.unwrap();
        quiet().await;
        assert_eq!(here().metrics().living_tasks, 0);
    });
}

#[test]
fn a_late_child_is_born_stopped_and_its_handle_says_so() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let kept: Scope = scope(|s| async move { s }).await;
            assert!(kept.stop_handle().is_done(), "{name}");
            let living = Living::default();
            let one = living.one();
            let child: JoinHandle<()> = kept.spawn(async move {
                let _one = one;
                unreachable!("never polled")
            });
            let job: JoinHandle<()> = kept.spawn_blocking(|| unreachable!("never run"));
            for error in [child.await.unwrap_err(), job.await.unwrap_err()] {
                assert!(error.is_stopped(), "{name}: {error}");
                let kind = error.reason().unwrap().kind();
                assert_eq!(kind, StopKind::ParentFinished, "{name}");
            }
            assert_eq!(living.count(), 0, "{name}");
            kept.on_exit(async { unreachable!("dropped") });
        });
    }
}

#[test]
fn late_spawns_from_other_threads_against_the_end_lose_nobody() {
    within_patience("late spawns", || {
        let runtime = real_crew(2, StopPolicy::native());
        let _inside = runtime.handle().enter();
        for round in 0..100 {
            let living = Living::default();
            let ran = Arc::new(AtomicUsize::new(0));
            let (give, scopes) = mpsc::channel();
            let task = runtime.spawn(scope(move |s| async move {
                give.send(s).unwrap();
                yield_now().await;
            }));
            let s: Scope = scopes.recv().unwrap();
            let mut children = Vec::new();
            for _ in 0..round % 20 {
                let (one, ran) = (living.one(), ran.clone());
                children.push(s.spawn(async move {
                    let _one = one;
                    ran.fetch_add(1, Ordering::SeqCst);
                }));
            }
            runtime.block_on(async {
                task.await.unwrap();
                let mut finished = 0;
                for child in children {
                    match child.await {
                        Ok(()) => finished += 1,
                        Err(error) => assert!(error.is_stopped(), "{error}"),
                    }
                }
                assert_eq!(finished, ran.load(Ordering::SeqCst));
                assert_eq!(living.count(), 0);
            });
        }
    });
}

#[test]
fn a_stop_reaches_scopes_inside_of_scopes_and_a_scope_stops_nobody_outside() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let trace = Trace::default();
            let noting = trace.clone();
            scope(|outer| async move {
                let note = noting.clone();
                drop(outer.spawn(async move {
                    drop(stopped().await);
                    note.note("a child of the outer one");
                }));
                scope(|inner| async move {
                    inner.stop("inner");
                    assert!(check_stop().is_err());
                })
                .await;
                assert!(check_stop().is_ok());
                quiet().await;
                assert!(noting.lines().is_empty());
                scope(|_| async {
                    outer.stop("outer");
                    assert_eq!(check_stop().unwrap_err().to_string(), "outer");
                    scope(|born| async move {
                        assert!(born.is_stopped(), "born stopped");
                        assert!(born.spawn(pending::<()>()).await.unwrap_err().is_stopped());
                    })
                    .await;
                })
                .await;
            })
            .await;
            assert!(check_stop().is_ok(), "{name}");
            let expected = usize::from(name != "detached");
            assert_eq!(trace.lines().len(), expected, "{name}");
        });
    }
}

#[test]
fn who_waits_for_the_end_of_a_scope_is_woken() {
    for (name, policy) in PRESETS {
        for has_children in [false, true] {
            alone(policy).block_on(async {
                let waiter = scope(|s| async move {
                    let handle = s.stop_handle();
                    if has_children {
                        drop(s.spawn(quiet()));
                    }
                    // Outside of the scope, or it would wait for itself.
                    let waiter = here().task().detached().spawn(async move {
                        handle.done().await;
                        handle.is_done()
                    });
                    quiet().await;
                    waiter
                })
                .await;
                assert!(waiter.await.unwrap(), "{name}");
            });
        }
    }
}

#[test]
fn a_scope_that_moves_to_another_task_goes_on_there() {
    within_patience("a scope moves", || {
        for (name, policy) in PRESETS {
            for is_stopped in [false, true] {
                alone(policy).block_on(async {
                    let (give, handles) = mpsc::channel();
                    let gate = Arc::new(Event::new());
                    let opened = gate.clone();
                    let mut moving: Boxed<bool> = Box::pin(scope(move |s| async move {
                        give.send(s.stop_handle()).unwrap();
                        drop(s.spawn(stopped()));
                        let was_stopped = opened.wait().or_stop().await.is_err();
                        s.stop("over");
                        was_stopped
                    }));
                    // First polled here, by the future of `block_on`.
                    let mut cx = Context::from_waker(Waker::noop());
                    assert!(moving.as_mut().poll(&mut cx).is_pending());
                    let task = spawn(moving);
                    quiet().await;
                    if is_stopped {
                        handles.recv().unwrap().stop("moved, and still heard");
                    } else {
                        gate.set();
                    }
                    assert_eq!(task.await.unwrap(), is_stopped, "{name}");
                });
            }
        }
    });
}

#[test]
fn a_scope_that_moves_outlives_the_task_that_began_it() {
    within_patience("an orphaned scope", || {
        for (name, policy) in GENTLE_ENDS {
            alone(policy).block_on(async {
                let begun = spawn(async {
                    let mut moving: Boxed<bool> = Box::pin(scope(|s| async move {
                        pending::<()>().or_stop().await.is_err() && s.spawn(async {}).await.is_err()
                    }));
                    let mut cx = Context::from_waker(Waker::noop());
                    assert!(moving.as_mut().poll(&mut cx).is_pending());
                    moving
                });
                let moving = begun.await.unwrap();
                // The end of the task has stopped its scope.
                assert!(spawn(moving).await.unwrap(), "{name}");
            });
        }
    });
}

const GENTLE_ENDS: [(&str, StopPolicy); 2] = super::support::GENTLE;

#[test]
fn a_scope_polled_by_no_task_works_and_is_stopped_by_its_handle() {
    within_patience("a foreign executor", || {
        let runtime = crew(1, StopPolicy::native());
        let clock = runtime.clock().clone();
        let _inside = runtime.handle().enter();
        let begin = clock.now();
        let (give, dropped) = mpsc::channel();
        let outcome = lenio_sync::wait::block_on(Box::pin(scope(|s| async move {
            let (began, begun) = mpsc::channel();
            let child = s.spawn(async move {
                let _note = OnDrop::new(move || give.send(clock.now()).unwrap());
                began.send(()).unwrap();
                pending::<()>().await
            });
            begun.recv().unwrap();
            s.stop("from inside");
            child.await
        })));
        let error = outcome.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.reason().unwrap().message(), Some("from inside"));
        assert_on_time(dropped.recv().unwrap(), begin + 5 * SECOND);
    });
}

#[test]
fn cleanup_of_a_scope_runs_behind_its_children_and_before_its_end() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let trace = Trace::default();
            let noting = trace.clone();
            scope(|s| async move {
                for name in ["registered first", "registered last"] {
                    let note = noting.clone();
                    s.on_exit(async move {
                        assert!(check_stop().is_ok(), "shielded");
                        sleep(SECOND / 10).await;
                        note.note(name);
                    });
                }
                let note = noting.clone();
                drop(s.spawn(async move {
                    sleep(SECOND).await;
                    note.note("child");
                }));
                noting.note("body");
            })
            .await;
            trace.note("after");
            let expected = [
                "body",
                "child",
                "registered last",
                "registered first",
                "after",
            ];
            assert_eq!(trace.lines(), expected, "{name}");
        });
    }
}

#[test]
fn cleanup_of_a_dropped_scope_runs_at_the_end_of_its_task() {
    alone(StopPolicy::native()).block_on(async {
        let trace = Trace::default();
        let noting = trace.clone();
        let task = spawn(async move {
            let note = noting.clone();
            let work: Boxed<()> = Box::pin(scope(|s| async move {
                s.on_exit(async move {
                    yield_now().await;
                    note.note("cleanup");
                });
                pending::<()>().await
            }));
            let _ = super::support::either(work, quiet()).await;
            noting.note("body");
        });
        task.await.unwrap();
        assert_eq!(trace.lines(), ["body", "cleanup"]);
    });
}

#[test]
fn a_scope_dropped_while_its_cleanup_runs_leaves_nothing_behind() {
    alone(StopPolicy::native()).block_on(async {
        let living = Living::default();
        let one = living.one();
        let trace = Trace::default();
        let note = trace.clone();
        let task = spawn(async move {
            let work: Boxed<()> = Box::pin(scope(|s| async move {
                s.on_exit(async move {
                    drop(spawn_child(async move {
                        let _one = one;
                        drop(stopped().await);
                    }));
                    sleep(SECOND).await;
                    note.note("cleaned up");
                });
            }));
            let _ = super::support::either(work, quiet()).await;
        });
        task.await.unwrap();
        assert_eq!(living.count(), 0);
        assert_eq!(trace.lines(), ["cleaned up"]);
    });
}

#[test]
fn helpers_are_stopped_at_the_end_if_the_scope_says_so() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let kind = Arc::new(Mutex::new(None));
            let told = kind.clone();
            ScopeBuilder::new()
                .stop_at_end()
                .run(|s| async move {
                    drop(s.spawn(async move {
                        *told.lock().unwrap() = Some(stopped().await.kind());
                    }));
                    quiet().await;
                })
                .await;
            let expected = (name != "detached").then_some(StopKind::ParentFinished);
            assert_eq!(kind.lock().unwrap().take(), expected, "{name}");
        });
    }
}

#[test]
fn a_shared_state_comes_back_unless_somebody_keeps_it() {
    alone(StopPolicy::native()).block_on(async {
        let returned = scope_with(AtomicUsize::new(0), |s, count| async move {
            for _ in 0..3 {
                let count = count.clone();
                drop(s.spawn(async move { count.fetch_add(1, Ordering::SeqCst) }));
            }
            "done"
        })
        .await;
        assert_eq!(returned.output, "done");
        assert_eq!(returned.state.unwrap().into_inner(), 3);

        let returned = scope_with(7, |_, state| async move { state }).await;
        assert_eq!(returned.output, returned.state.unwrap_err());
    });
}

#[test]
fn a_body_that_is_no_task_of_its_own_may_hold_what_cannot_be_sent() {
    alone(StopPolicy::native()).block_on(async {
        let cell = Cell::new(1);
        let borrowed = &cell;
        scope(|s| async move {
            let two = s.spawn(async { 2 }).await.unwrap();
            borrowed.set(borrowed.get() + two);
        })
        .await;
        assert_eq!(cell.get(), 3);
    });
}

#[test]
fn children_of_a_dropped_scope_hear_of_the_stop_before_the_body_goes() {
    /// Says, when it is dropped, whether the child had been stopped.
    struct Shared(StopHandle, mpsc::Sender<bool>);
    impl Drop for Shared {
        fn drop(&mut self) {
            self.1.send(self.0.is_stopped()).unwrap();
        }
    }
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let (tell, told) = mpsc::channel();
            let mut dropped = Box::pin(scope(|s| async move {
                let child = s.spawn(pending::<()>());
                let _shared = Shared(child.stop_handle(), tell);
                pending::<()>().await;
            }));
            let polled = std::future::poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx)));
            assert!(polled.await.is_pending());
            drop(dropped);
            assert!(told.recv().unwrap(), "{name}");
        });
    }
}
