//! G24: the rules hold under all presets, each as the fields of the policy say.

use crate::rig::{Log, Watch, ms, under};
use lenio_executor::{
    AtEnd, Grace, Handle, JoinLinks, ScopeBuilder, SpawnUnder, StopExt, StopPolicy, on_exit, scope,
    shield, spawn, spawn_child, yield_now,
};
use lenio_sync::channel::oneshot;
use lenio_time::sleep;
use std::future::pending;

const PRESETS: [StopPolicy; 3] = [
    StopPolicy::native(),
    StopPolicy::gentletask(),
    StopPolicy::detached(),
];

/// Whether a stop is a cancel.
fn is_abrupt(policy: &StopPolicy) -> bool {
    policy.grace == Grace::NONE
}

#[test]
fn g24_a_plain_spawn_goes_where_the_policy_says() {
    for policy in PRESETS {
        under(policy, move |_| async move {
            let (hand_over, handed_over) = oneshot();
            let parent = spawn(async {
                let spawned = spawn(async { pending::<()>().or_stop().await });
                hand_over.send(spawned).ok();
                let _ = pending::<()>().or_stop().await;
            });
            let spawned = handed_over.await.unwrap();
            yield_now().await;
            parent.stop("");
            let is_child = policy.spawn_under == SpawnUnder::Current;
            assert_eq!(spawned.is_stopped(), is_child);
            spawned.stop("");
            let _ = (parent.await, spawned.await);
        });
    }
}

#[test]
fn g24_children_at_the_end_of_the_body_are_treated_as_the_policy_says() {
    for policy in PRESETS {
        under(policy, move |_| async move {
            let watch = Watch::start();
            let parent = spawn(async {
                let child = spawn_child(async {
                    let stopped = sleep(ms(500)).or_stop().await.is_err();
                    sleep(ms(50)).await;
                    stopped
                });
                sleep(ms(10)).await;
                child
            });
            let child = parent.await.unwrap();
            let outcome = match policy.at_end {
                AtEnd::StopAndWait => {
                    watch.assert_at(ms(60));
                    true
                }
                AtEnd::Stop => {
                    watch.assert_at(ms(10));
                    true
                }
                AtEnd::Leave => {
                    watch.assert_at(ms(10));
                    false
                }
            };
            assert_eq!(child.is_stopped(), outcome);
            assert_eq!(child.await.unwrap(), outcome);
        });
    }
}

#[test]
fn g24_a_stop_is_followed_by_a_cancel_when_the_policy_says() {
    for policy in PRESETS {
        under(policy, move |_| async move {
            let watch = Watch::start();
            let log = Log::default();
            let seen = log.clone();
            let task = spawn(async move {
                let _gone = log.at_drop("gone");
                let _ = pending::<()>().or_stop().await;
                sleep(ms(20_000)).await;
                log.note("cleaned up");
            });
            sleep(ms(10)).await;
            task.stop("");
            let outcome = task.await;
            match policy.grace.soft {
                Some(soft) => {
                    assert!(outcome.unwrap_err().is_cancelled());
                    watch.assert_at(ms(10) + soft);
                    assert_eq!(seen.all(), ["gone"]);
                }
                None => {
                    outcome.unwrap();
                    watch.assert_at(ms(20_010));
                    assert_eq!(seen.all(), ["cleaned up", "gone"]);
                }
            }
        });
    }
}

#[test]
fn g24_a_linked_wait_is_one_where_the_policy_allows_it() {
    for policy in PRESETS {
        under(policy, move |_| async move {
            let handle = Handle::current().unwrap();
            let producer = handle.task().detached();
            let producer = producer.spawn(async { pending::<()>().or_stop().await.is_err() });
            let by_handle = producer.stop_handle();
            let consumer = spawn(async move { producer.join_linked().or_stop().await.is_err() });
            sleep(ms(1)).await;
            consumer.stop("");
            let _ = consumer.await;
            assert_eq!(
                by_handle.is_stopped(),
                policy.join_links != JoinLinks::Never
            );
            by_handle.stop("");
            by_handle.done().await;
        });
    }
}

#[test]
fn g24_finalizers_run_and_are_shielded_under_every_preset() {
    for policy in PRESETS {
        let log = Log::default();
        let seen = log.clone();
        under(policy, move |_| async move {
            let task = spawn(async move {
                on_exit(async move {
                    let slept = sleep(ms(500)).or_stop().await.is_ok();
                    log.note(format!("{slept}"));
                });
                let _ = pending::<()>().or_stop().await;
            });
            sleep(ms(1)).await;
            task.stop("");
            let _ = task.await;
        });
        assert_eq!(seen.all(), ["true"]);
    }
}

#[test]
fn g24_finalizers_have_as_long_as_the_policy_says() {
    for policy in PRESETS {
        under(policy, move |_| async move {
            let watch = Watch::start();
            let task = spawn(async move { on_exit(sleep(ms(60_000))) });
            task.await.unwrap();
            let limit = match policy {
                _ if policy == StopPolicy::native() => ms(10_000),
                _ if policy == StopPolicy::gentletask() => ms(60_000),
                _ => ms(1000),
            };
            watch.assert_at(limit);
        });
    }
}

#[test]
fn g24_a_shield_protects_for_as_long_as_there_is_a_grace() {
    for policy in PRESETS {
        under(policy, move |_| async move {
            let watch = Watch::start();
            let task = spawn(async {
                shield(sleep(ms(100))).await;
                sleep(ms(1000)).or_stop().await.is_err()
            });
            sleep(ms(10)).await;
            task.stop("");
            let outcome = task.await;
            if is_abrupt(&policy) {
                assert!(outcome.unwrap_err().is_cancelled());
                watch.assert_at(ms(10));
            } else {
                assert!(outcome.unwrap());
                watch.assert_at(ms(100));
            }
        });
    }
}

#[test]
fn g24_a_scope_waits_for_its_children_under_every_preset() {
    for policy in PRESETS {
        under(policy, move |_| async move {
            let watch = Watch::start();
            scope(|s| async move {
                drop(s.spawn(sleep(ms(50))));
            })
            .await;
            watch.assert_at(ms(50));
        });
    }
}

#[test]
fn g24_a_policy_of_its_own_goes_down_from_a_task_or_scope_and_not_up() {
    for policy in PRESETS {
        for inner in PRESETS {
            under(policy, move |_| async move {
                let handle = Handle::current().unwrap();
                let task = handle.task().policy(inner).spawn(async move {
                    let child = spawn_child(async {
                        let _ = pending::<()>().or_stop().await;
                        sleep(ms(1)).await;
                    });
                    sleep(ms(5)).await;
                    child.stop("");
                    child.await.is_err()
                });
                assert_eq!(task.await.unwrap(), is_abrupt(&inner), "of the task");
                let in_scope = ScopeBuilder::new().policy(inner).run(|s| async move {
                    let child = s.spawn(async {
                        let _ = pending::<()>().or_stop().await;
                        sleep(ms(1)).await;
                    });
                    sleep(ms(5)).await;
                    child.stop("");
                    child.await.is_err()
                });
                assert_eq!(in_scope.await, is_abrupt(&inner), "of the scope");
                let outside = spawn(async {
                    let _ = pending::<()>().or_stop().await;
                    sleep(ms(1)).await;
                });
                sleep(ms(5)).await;
                outside.stop("");
                assert_eq!(outside.await.is_err(), is_abrupt(&policy), "outside");
            });
        }
    }
}

#[test]
fn g24_what_is_left_at_the_end_of_its_parent_keeps_its_grace() {
    let mut policy = StopPolicy::native();
    policy.at_end = AtEnd::Stop;
    under(policy, |_| async {
        let watch = Watch::start();
        let parent = spawn(async {
            let child = spawn_child(async {
                let _ = pending::<()>().or_stop().await;
                pending::<()>().await
            });
            let _ = pending::<()>().or_stop().await;
            child
        });
        sleep(ms(10)).await;
        parent.stop("");
        let child = parent.await.unwrap();
        watch.assert_at(ms(10));
        assert!(child.await.unwrap_err().is_cancelled());
        watch.assert_at(ms(5010));
    });
}
