//! G12: deadlines shrink.

use super::support::{HOUR, PRESETS, SECOND, alone, assert_on_time, here, quiet};
use lenio_executor::{JoinHandle, ScopeBuilder, StopExt, StopPolicy, check_stop, shield, stopped};
use lenio_sync::stop::{StopKind, Stopped};
use lenio_time::sleep;
use std::future::pending;

#[test]
fn g12_a_scope_is_stopped_at_its_deadline() {
    for (name, policy) in PRESETS {
        let runtime = alone(policy);
        let clock = runtime.clock().clone();
        runtime.block_on(async {
            let begin = clock.now();
            let late = ScopeBuilder::new()
                .deadline(7 * SECOND)
                .run(|_| async { pending::<()>().or_stop().await });
            let stopped: Stopped = late.await.unwrap_err();
            assert_eq!(stopped.reason().kind(), StopKind::Deadline, "{name}");
            assert_on_time(clock.now(), begin + 7 * SECOND);
            assert!(check_stop().is_ok(), "{name}: the task goes on");
        });
    }
}

#[test]
fn g12_the_earlier_deadline_wins_and_says_whose_it_was() {
    for (name, policy) in PRESETS {
        for (outer, inner) in [(2, 5), (5, 2), (3, 3)] {
            let runtime = alone(policy);
            let clock = runtime.clock().clone();
            runtime.block_on(async {
                let begin = clock.now();
                let (in_inner, in_outer) = ScopeBuilder::new()
                    .deadline(outer * SECOND)
                    .run(|_| async {
                        let in_inner = ScopeBuilder::new()
                            .deadline(inner * SECOND)
                            .run(|_| async { sleep(HOUR).or_stop().await.is_err() })
                            .await;
                        let passed = clock.now() - begin;
                        (in_inner.then_some(passed), check_stop().is_err())
                    })
                    .await;
                let passed = in_inner.unwrap();
                let earlier = outer.min(inner) * SECOND;
                assert_on_time(begin + passed, begin + earlier);
                if outer != inner {
                    assert_eq!(
                        in_outer,
                        outer < inner,
                        "{name}: an inner expiry is no outer one"
                    );
                }
                assert!(check_stop().is_ok());
            });
        }
    }
}

#[test]
fn g12_the_deadline_of_a_task_reaches_its_scopes_and_children() {
    let runtime = alone(StopPolicy::native());
    let clock = runtime.clock().clone();
    runtime.block_on(async {
        let begin = clock.now();
        let task: JoinHandle<_> = here().task().deadline(SECOND).spawn(async {
            ScopeBuilder::new()
                .deadline(HOUR)
                .run(|s| async move { s.spawn(stopped()).await })
                .await
        });
        let reason = task.await.unwrap().unwrap();
        assert_eq!(reason.kind(), StopKind::Deadline);
        assert_on_time(clock.now(), begin + SECOND);
    });
}

#[test]
fn g12_a_deadline_is_counted_from_the_spawn() {
    let runtime = alone(StopPolicy::native());
    let clock = runtime.clock().clone();
    runtime.block_on(async {
        let begin = clock.now();
        let task = here().task().deadline(SECOND).spawn(async {
            shield(sleep(3 * SECOND)).await;
            check_stop().is_err()
        });
        assert!(task.await.unwrap(), "seen after the shield");
        assert_on_time(clock.now(), begin + 3 * SECOND);
    });
}

#[test]
fn g12_who_finishes_in_spite_of_the_deadline_delivers_its_value() {
    for (name, policy) in PRESETS {
        let runtime = alone(policy);
        runtime.block_on(async {
            let value = ScopeBuilder::new().deadline(SECOND).run(|_| async {
                sleep(2 * SECOND).await;
                7
            });
            assert_eq!(value.await, 7, "{name}");
            if name != "detached" {
                let task = here().task().deadline(SECOND).spawn(async {
                    sleep(2 * SECOND).await;
                    7
                });
                assert_eq!(task.await.unwrap(), 7, "{name}");
            }
        });
    }
}

#[test]
fn g12_a_deadline_is_followed_by_the_grace() {
    let runtime = alone(StopPolicy::native());
    let clock = runtime.clock().clone();
    runtime.block_on(async {
        let begin = clock.now();
        let task = here().task().deadline(SECOND).spawn(pending::<()>());
        let error = task.await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.reason().unwrap().kind(), StopKind::Deadline);
        assert_on_time(clock.now(), begin + 6 * SECOND);

        // The children of a scope too.
        let begin = clock.now();
        let error = ScopeBuilder::new()
            .deadline(SECOND)
            .run(|s| async move { s.spawn(pending::<()>()).await.unwrap_err() });
        assert!(error.await.is_cancelled());
        assert_on_time(clock.now(), begin + 6 * SECOND);
    });
}

#[test]
fn g12_a_scope_that_is_over_leaves_no_timer_and_nobody_who_waits_for_it() {
    let runtime = alone(StopPolicy::native());
    let clock = runtime.clock().clone();
    runtime.block_on(async {
        for _ in 0..10 {
            ScopeBuilder::new().deadline(HOUR).run(|_| async {}).await;
            ScopeBuilder::new()
                .deadline(HOUR)
                .run(|s| async move { drop(s.spawn(quiet())) })
                .await;
        }
        quiet().await;
        quiet().await;
        let metrics = here().metrics();
        assert_eq!((metrics.living_tasks, metrics.timers), (0, 0));
    });
    let begin = clock.now();
    runtime.shutdown(HOUR / 2);
    assert!(clock.now() - begin < SECOND, "nobody is left to wait for");
}
