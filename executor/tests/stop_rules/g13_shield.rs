//! G13: a shield keeps a stop out of what is polled inside, and of nothing else.

use crate::rig::{Log, WAKERS, Watch, both, ms, scenario, under};
use lenio_executor::{
    Grace, ScopeBuilder, StopExt, StopPolicy, check_stop, scope, shield, shield_hard, spawn,
    spawn_child,
};
use lenio_time::{sleep, timeout};
use std::future::pending;

/// A cancel one second after a stop.
fn short_grace() -> StopPolicy {
    let mut policy = StopPolicy::native();
    policy.grace = Grace::new(ms(1000), ms(2000));
    policy
}

#[test]
fn g13_a_stop_is_not_seen_inside_and_once_at_the_first_wait_after() {
    let seen = scenario(|_| async {
        let task = spawn(async {
            let inside = shield(async {
                let mut stops = 0;
                for _ in 0..5 {
                    stops += usize::from(sleep(ms(10)).or_stop().await.is_err());
                    stops += usize::from(check_stop().is_err());
                }
                stops
            })
            .await;
            let after = sleep(ms(10)).or_stop().await;
            (inside, after.map_err(|stopped| stopped.to_string()))
        });
        sleep(ms(15)).await;
        task.stop("later");
        task.await.unwrap()
    });
    assert_eq!(seen, (0, Err("later".to_owned())));
}

#[test]
fn g13_a_sibling_branch_sees_the_stop_at_once() {
    for wakers in WAKERS {
        let log = Log::default();
        let seen = log.clone();
        scenario(move |_| async move {
            let watch = Watch::start();
            let task = spawn(async move {
                let shielded = shield(async {
                    assert!(sleep(ms(100)).or_stop().await.is_ok());
                    watch.assert_at(ms(100));
                    log.note("shielded");
                });
                let beside = async {
                    assert!(sleep(ms(1000)).or_stop().await.is_err());
                    watch.assert_at(ms(20));
                    log.note("beside");
                };
                both(wakers, shielded, beside).await;
            });
            sleep(ms(20)).await;
            task.stop("");
            task.await.unwrap();
        });
        assert_eq!(seen.all(), ["beside", "shielded"]);
    }
}

#[test]
fn g13_what_is_spawned_inside_is_stopped_when_the_shield_ends() {
    scenario(|_| async {
        let watch = Watch::start();
        let task = spawn(async move {
            let child = shield(async {
                let child = spawn_child(async move {
                    let stopped = sleep(ms(1000)).or_stop().await.unwrap_err();
                    watch.assert_at(ms(50));
                    stopped.to_string()
                });
                sleep(ms(50)).await;
                assert!(!child.is_stopped());
                // A child that is born after the stop is shielded as well.
                assert!(spawn_child(async { check_stop().is_ok() }).await.unwrap());
                child
            })
            .await;
            assert!(child.is_stopped());
            child.await.unwrap()
        });
        sleep(ms(10)).await;
        task.stop("through the door");
        assert_eq!(task.await.unwrap(), "through the door");
    });
}

#[test]
fn g13_the_outer_one_of_two_shields_still_protects() {
    scenario(|_| async {
        let task = spawn(async {
            shield(async {
                shield(sleep(ms(20))).await;
                assert!(check_stop().is_ok());
                scope(|_| async { assert!(check_stop().is_ok()) }).await;
            })
            .await;
            check_stop().is_err()
        });
        sleep(ms(10)).await;
        task.stop("");
        assert!(task.await.unwrap());
    });
}

#[test]
fn g13_the_soft_grace_ends_a_shield() {
    under(short_grace(), |_| async {
        let watch = Watch::start();
        let task = spawn(async {
            let child = shield(async { spawn_child(pending::<()>()) }).await;
            shield(async { sleep(ms(5000)).await }).await;
            child.await
        });
        sleep(ms(10)).await;
        task.stop("");
        assert!(task.await.unwrap_err().is_cancelled());
        watch.assert_at(ms(1010));
    });
}

#[test]
fn g13_a_hard_shield_holds_off_the_cancel_until_it_ends() {
    under(short_grace(), |_| async {
        let watch = Watch::start();
        for is_explicit in [false, true] {
            let log = Log::default();
            let seen = log.clone();
            let begin = Watch::start();
            let task = spawn(async move {
                let child = shield_hard(ms(60_000), async {
                    let child = spawn_child(sleep(ms(60_000)));
                    sleep(ms(3000)).await;
                    log.note("committed");
                    child
                });
                child.await.await
            });
            sleep(ms(10)).await;
            if is_explicit {
                task.cancel();
            } else {
                task.stop("");
            }
            assert!(task.await.unwrap_err().is_cancelled());
            begin.assert_at(ms(3000));
            assert_eq!(seen.all(), ["committed"]);
        }
        watch.assert_at(ms(6000));
    });
}

#[test]
fn g13_a_hard_shield_holds_off_the_cancel_for_its_time_and_no_longer() {
    under(short_grace(), |_| async {
        let watch = Watch::start();
        let task = spawn(async { shield_hard(ms(2500), pending::<()>()).await });
        sleep(ms(10)).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        watch.assert_at(ms(2500));
    });
}

#[test]
fn g13_a_stop_gets_into_a_hard_shield_when_its_time_is_over() {
    for wakers in WAKERS {
        under(StopPolicy::gentletask(), move |_| async move {
            let watch = Watch::start();
            let task = spawn(async move {
                shield_hard(ms(500), async move {
                    let wait = async {
                        let result = sleep(ms(5000)).or_stop().await;
                        watch.assert_at(ms(500));
                        result.is_err()
                    };
                    // A scope that is there by then, too.
                    let inner = scope(|_| async { sleep(ms(5000)).or_stop().await.is_err() });
                    both(wakers, wait, inner).await
                })
                .await
            });
            sleep(ms(10)).await;
            task.stop("");
            assert_eq!(task.await.unwrap(), (true, true));
            watch.assert_at(ms(500));
        });
    }
}

#[test]
fn g13_the_end_of_a_hard_shields_time_is_no_stop() {
    scenario(|_| async {
        let task = spawn(async {
            shield_hard(ms(100), async {
                sleep(ms(200)).await;
                assert!(check_stop().is_ok());
                let child = spawn_child(async { check_stop().is_ok() });
                assert!(child.await.unwrap(), "a child is born free");
                let inner = scope(|s| async move { s.spawn(async { check_stop().is_ok() }).await });
                inner.await.unwrap()
            })
            .await
        });
        assert!(task.await.unwrap());
    });
}

#[test]
fn g13_what_lives_in_a_hard_shield_beyond_its_time_still_belongs_to_the_task() {
    let log = Log::default();
    let seen = log.clone();
    scenario(move |_| async move {
        let task = spawn(async move {
            let late = shield_hard(ms(100), async move {
                let inner = ScopeBuilder::new().run(|s| async move {
                    sleep(ms(200)).await;
                    drop(s.spawn(async move {
                        let _gone = log.at_drop("the child is gone");
                        let _ = pending::<()>().or_stop().await;
                        sleep(ms(50)).await;
                    }));
                });
                inner.await;
            });
            let _ = timeout(ms(300), late).await;
        });
        task.await.unwrap();
        assert_eq!(seen.all(), ["the child is gone"]);
    });
}

#[test]
fn g13_a_shield_that_is_dropped_half_way_lets_the_stop_in() {
    scenario(|_| async {
        let task = spawn(async {
            let child = {
                let shielded = shield(async {
                    let child = spawn_child(async { pending::<()>().or_stop().await.is_err() });
                    sleep(ms(20)).await;
                    child
                });
                let child = spawn_child(async { pending::<()>().or_stop().await.is_err() });
                assert!(timeout(ms(10), shielded).await.is_err());
                child
            };
            let after = sleep(ms(1000)).or_stop().await.is_err();
            (after, child.await.unwrap())
        });
        sleep(ms(5)).await;
        task.stop("");
        assert_eq!(task.await.unwrap(), (true, true));
    });
}
