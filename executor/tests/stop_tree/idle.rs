//! G7: nobody looks for a stop; it comes.

use super::support::{Foreign, GENTLE, HOUR, PRESETS, SECOND, alone, here, quiet};
use lenio_executor::{JoinHandle, ScopeBuilder, StopExt, shield, spawn, stopped};
use lenio_time::sleep;
use std::future::pending;

const WAITERS: usize = 10_000;

#[test]
fn g07_idle_waits_wake_nobody_in_an_hour() {
    for (name, policy) in PRESETS {
        let runtime = alone(policy);
        runtime.block_on(async {
            let mut waiting: Vec<JoinHandle<()>> = Vec::new();
            for n in 0..WAITERS {
                waiting.push(match n % 5 {
                    0 => spawn(async { drop(pending::<()>().or_stop().await) }),
                    1 => spawn(async { drop(Foreign::new(stopped()).await) }),
                    2 => spawn(async { shield(pending()).await }),
                    3 => spawn(async { drop(Foreign::new(pending::<()>().or_stop()).await) }),
                    _ => spawn(ScopeBuilder::new().run(|s| async move {
                        drop(s.spawn(stopped()));
                        drop(stopped().await);
                    })),
                });
            }
            quiet().await;
            let before = here().metrics();
            assert_eq!(
                before.timers, 0,
                "{name}: the only timer is the one that has just fired"
            );
            sleep(HOUR).await;
            let after = here().metrics();
            assert!(after.polls() <= before.polls() + 1, "{name}: our own");
            assert!(after.parks() <= before.parks() + 3, "{name}: our own sleep");
            for task in &waiting {
                task.cancel();
            }
            for task in waiting {
                drop(task.await);
            }
        });
    }
}

#[test]
fn g07_a_stopped_task_that_waits_for_something_else_is_left_alone() {
    for (name, policy) in GENTLE {
        let runtime = alone(policy);
        runtime.block_on(async {
            let task = spawn(pending::<()>());
            quiet().await;
            task.stop("not now");
            sleep(SECOND).await;
            let before = here().metrics().polls();
            sleep(3 * SECOND).await;
            assert!(here().metrics().polls() <= before + 1, "{name}: our own");
            task.cancel();
            assert!(task.await.unwrap_err().is_cancelled(), "{name}");
        });
    }
}

#[test]
fn g07_a_stop_wakes_each_waiter_once() {
    for (name, policy) in GENTLE {
        let runtime = alone(policy);
        runtime.block_on(async {
            let top = spawn(async {
                for _ in 0..100 {
                    drop(lenio_executor::spawn_child(stopped()));
                }
                drop(stopped().await);
                drop(pending::<()>().or_stop().await);
            });
            quiet().await;
            let before = here().metrics().polls();
            top.stop("");
            top.await.unwrap();
            quiet().await;
            let polls = here().metrics().polls() - before;
            // A poll of each; a few more of ourselves, of the parent for its last child, and of whoever looks after the grace.
            assert!(polls <= 101 + 8, "{name}: {polls}");
        });
    }
}
