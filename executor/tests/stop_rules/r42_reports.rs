//! R42: five reports about cancel scopes elsewhere, each as a scenario here.

use crate::rig::{Log, WAKERS, Watch, both, ms, scenario};
use lenio_executor::{
    ScopeBuilder, StopExt, check_stop, scope, shield, spawn, try_scope, yield_now,
};
use lenio_sync::channel::oneshot;
use lenio_sync::stop::StopKind;
use lenio_time::{Instant, sleep};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// trio#1175: a shield that went up while a cancel was on its way swallowed it.
#[test]
fn r42_a_shield_that_goes_up_while_a_stop_is_on_its_way_swallows_nothing() {
    for wakers in WAKERS {
        scenario(move |_| async move {
            let watch = Watch::start();
            let task = spawn(async move {
                let waits = async {
                    assert!(sleep(ms(1000)).or_stop().await.is_err());
                    watch.assert_at(ms(10));
                };
                // Polled first, so the shield stands when the other branch looks.
                let shields = async {
                    sleep(ms(10)).await;
                    shield(sleep(ms(50))).await;
                    assert!(check_stop().is_err(), "seen at the first look after it");
                };
                both(wakers, shields, waits).await;
                watch.assert_at(ms(60));
            });
            sleep(ms(10)).await;
            task.stop("");
            task.await.unwrap();
        });
    }
}

/// trio#2895: a child's start against a shield of its starter was a deadlock.
#[test]
fn r42_starting_a_child_from_inside_of_a_shield_is_no_deadlock() {
    for is_cancel in [false, true] {
        scenario(move |_| async move {
            let watch = Watch::start();
            let task = spawn(async {
                scope(|s| async move {
                    let (started, is_started) = oneshot::<()>();
                    drop(s.spawn(async move {
                        // Its start takes longer than anybody has patience.
                        if sleep(ms(1000)).or_stop().await.is_ok() {
                            started.send(()).ok();
                        }
                    }));
                    shield(is_started).await.is_err()
                })
                .await
            });
            sleep(ms(10)).await;
            if is_cancel {
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
            } else {
                task.stop("");
                assert!(task.await.unwrap(), "the child never started");
            }
            watch.assert_at(ms(10));
        });
    }
}

/// anyio#685: the cancel of one group got into another.
#[test]
fn r42_the_stop_of_one_scope_does_not_get_into_another() {
    for wakers in WAKERS {
        let log = Log::default();
        let seen = log.clone();
        scenario(move |_| async move {
            let task = spawn(async move {
                let (hand_over, handed_over) = oneshot();
                let stopped = scope(|s| async move {
                    let child = s.spawn(async { pending::<()>().or_stop().await.is_err() });
                    hand_over.send(s.clone()).ok();
                    (sleep(ms(1000)).or_stop().await.is_err(), child.await)
                });
                let other = scope(|s| async move {
                    let child = s.spawn(async { sleep(ms(100)).or_stop().await.is_ok() });
                    let one = handed_over.await.unwrap();
                    sleep(ms(1)).await;
                    one.stop("only this one");
                    // A scope inside of this one, that is stopped as well.
                    let inner = scope(|s| async move {
                        s.stop("and this");
                        check_stop().is_err()
                    });
                    assert!(inner.await);
                    assert!(check_stop().is_ok());
                    (sleep(ms(50)).or_stop().await.is_ok(), child.await)
                });
                let ((body, child), (other_body, other_child)) = both(wakers, stopped, other).await;
                assert!(body && child.unwrap());
                assert!(other_body && other_child.unwrap());
                assert!(check_stop().is_ok(), "nor into the task");
                log.note("done");
            });
            task.await.unwrap();
        });
        assert_eq!(seen.all(), ["done"]);
    }
}

/// anyio#787: the error of a child cancelled the group only when its body next looked.
#[test]
fn r42_the_failure_of_a_child_stops_the_others_at_once() {
    for wakers in WAKERS {
        scenario(move |_| async move {
            let watch = Watch::start();
            let result = try_scope(|s| async move {
                let waits = s.spawn(async {
                    let stopped = sleep(ms(1000)).or_stop().await.unwrap_err();
                    (stopped.into_reason().kind(), Instant::now())
                });
                drop(s.spawn_fallible(async {
                    sleep(ms(10)).await;
                    Err::<(), _>("failed")
                }));
                let body = async {
                    let stopped = sleep(ms(1000)).or_stop().await.unwrap_err();
                    watch.assert_at(ms(10));
                    stopped.into_reason().kind()
                };
                let (body, child) = both(wakers, body, waits).await;
                assert_eq!(body, StopKind::SiblingFailed);
                assert_eq!(child.unwrap().0, StopKind::SiblingFailed);
                // What comes now is born stopped.
                assert!(s.spawn(async {}).await.unwrap_err().is_stopped());
                Ok(())
            });
            assert_eq!(result.await.unwrap_err().first, "failed");
            watch.assert_at(ms(10));
        });
    }
}

/// anyio#1069: leaving a group was a point at which a cancel could hit.
#[test]
fn r42_leaving_a_scope_is_no_hidden_point_of_a_stop() {
    scenario(|_| async {
        let task = spawn(async {
            let _ = pending::<()>().or_stop().await;
            // The task is stopped. A body that looks at nothing gives its value, in one poll.
            let mut left = pin!(scope(|_| async { "kept" }));
            let polled = poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx))).await;
            let Poll::Ready(kept) = polled else {
                panic!("leaving has waited")
            };
            // One that is stopped itself, and waits for a child that still cleans up.
            let with_child = ScopeBuilder::new().run(|s| async move {
                shield(async {
                    drop(s.spawn(async {}));
                    yield_now().await;
                })
                .await;
                s.stop("");
                "kept as well"
            });
            let kept_too = with_child.await;
            let result = try_scope(|_| async { Ok::<_, &str>("and this") }).await;
            (kept, kept_too, result.unwrap())
        });
        sleep(ms(1)).await;
        task.stop("");
        assert_eq!(task.await.unwrap(), ("kept", "kept as well", "and this"));
    });
}

/// As above, for a scope that is cancelled: its body hears of it while its children still clean up.
#[test]
fn r42_the_body_of_a_scope_hears_of_its_cancel_at_once() {
    for wakers in WAKERS {
        scenario(move |_| async move {
            let watch = Watch::start();
            let body = scope(|s| async move {
                drop(s.spawn(pending::<()>()));
                let by_handle = s.stop_handle();
                let waits = async { pending::<()>().or_stop().await.is_err() };
                let cancels = async {
                    sleep(ms(10)).await;
                    by_handle.cancel("")
                };
                both(wakers, waits, cancels).await
            });
            assert_eq!(body.await, (true, true));
            watch.assert_at(ms(10));
            let stopped = scope(|s| async move {
                drop(s.spawn(pending::<()>()));
                let by_handle = s.stop_handle();
                drop(spawn(async move {
                    sleep(ms(10)).await;
                    by_handle.cancel("");
                }));
                pending::<()>().or_stop().await.is_err()
            });
            assert!(stopped.await);
            watch.assert_at(ms(20));
        });
    }
}
