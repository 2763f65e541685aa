//! G9, at close quarters: a task is done when what is below is gone, also where a scope ends at the moment in which its last child does.

use crate::watchdog::within_patience;
use lenio_executor::{Runtime, block_scope, scope, spawn, spawn_blocking, spawn_child, yield_now};

#[test]
fn g09_a_scope_that_ends_beside_its_last_child_does_not_hold_up_its_task() {
    within_patience("scopes", || {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        runtime.block_on(async {
            for _ in 0..3000 {
                let task = spawn(async {
                    scope(|s| async move {
                        scope(|inner| async move { drop(inner.spawn(yield_now())) }).await;
                        drop(s.spawn(async {}));
                    })
                    .await;
                });
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn g09_a_block_scope_that_ends_beside_its_last_child_does_not_hold_up_its_job() {
    within_patience("block scopes", || {
        let runtime = Runtime::builder().current_thread().build().unwrap();
        runtime.block_on(async {
            for _ in 0..1500 {
                let job = spawn_blocking(|| {
                    block_scope(|s| {
                        for _ in 0..3 {
                            s.spawn(yield_now());
                        }
                    });
                });
                job.await.unwrap();
            }
        });
    });
}

#[test]
fn g09_children_that_come_and_go_on_two_workers_are_all_waited_for() {
    within_patience("children", || {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        runtime.block_on(async {
            for _ in 0..1500 {
                let task = spawn(async {
                    let adds = scope(|s| async move {
                        for _ in 0..3 {
                            let s = s.clone();
                            drop(s.clone().spawn(async move {
                                yield_now().await;
                                drop(s.spawn(spawn_child(async {})));
                            }));
                        }
                    });
                    adds.await;
                });
                task.await.unwrap();
            }
        });
        assert!(
            runtime
                .shutdown(std::time::Duration::from_secs(5))
                .is_clean()
        );
    });
}
