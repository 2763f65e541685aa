//! G15: only its parent lets go of a task; then it goes on alone.

use crate::rig::{Heard, Watch, ms, runtime, scenario};
use crate::watchdog::within_patience;
use lenio_executor::{
    Handle, JoinHandle, Runtime, StopExt, StopPolicy, scope, shield, spawn, spawn_child,
    throughline, yield_now,
};
use lenio_sync::channel::oneshot;
use lenio_sync::stop::StopKind;
use lenio_time::sleep;
use std::future::pending;
use std::sync::Arc;

#[test]
fn g15_only_the_parent_can_detach() {
    scenario(|_| async {
        let (hand_over, handed_over) = oneshot::<JoinHandle<()>>();
        let parent = spawn(async {
            let child = spawn_child(async { pending::<()>().or_stop().await.unwrap_or(()) });
            hand_over.send(child).ok();
            let _ = pending::<()>().or_stop().await;
        });
        let child = handed_over.await.unwrap();
        assert!(parent.detach().is_err(), "it has no parent");
        assert!(child.detach().is_err(), "an outsider");
        let child = Arc::new(child);
        let same = child.clone();
        let sibling = spawn_child(async move { same.detach().is_err() });
        assert!(sibling.await.unwrap(), "a sibling");
        parent.stop("");
        parent.await.unwrap();
        assert!(child.is_finished());
    });
}

#[test]
fn g15_a_task_cannot_detach_itself() {
    scenario(|_| async {
        let parent = spawn(async {
            let (send, recv) = oneshot::<JoinHandle<()>>();
            let (tell, told) = oneshot();
            let child = spawn_child(async move {
                let me = recv.await.unwrap();
                tell.send(me.detach().is_err()).ok();
            });
            send.send(child).ok();
            told.await.unwrap()
        });
        assert!(parent.await.unwrap());
    });
}

#[test]
fn g15_a_child_of_a_scope_or_shield_belongs_to_it() {
    scenario(|_| async {
        spawn(async {
            let child = scope(|s| async move {
                let child = s.spawn(async {});
                assert!(child.detach().is_ok(), "by the scope");
                let child = s.spawn(sleep(ms(1)));
                assert!(
                    shield(async { child.detach().is_err() }).await,
                    "by a part of it"
                );
            });
            child.await;
            let child = shield(async { spawn_child(sleep(ms(1))) }).await;
            assert!(child.detach().is_err());
        })
        .await
        .unwrap();
    });
}

#[test]
fn g15_it_loses_stop_and_deadline_and_keeps_its_throughline() {
    scenario(|_| async {
        let watch = Watch::start();
        let (hand_over, handed_over) = oneshot::<JoinHandle<String>>();
        let parent = throughline::in_frame("request", async move {
            let handle = Handle::current().unwrap();
            handle.task().deadline(ms(100)).spawn(async move {
                let child = spawn_child(async {
                    assert!(sleep(ms(500)).or_stop().await.is_ok());
                    throughline::current().to_string()
                });
                yield_now().await;
                child.detach().unwrap();
                assert!(child.detach().is_err(), "nobody's any more");
                hand_over.send(child).ok();
                pending::<()>().or_stop().await.unwrap_err().into_reason()
            })
        });
        let parent = parent.await;
        let child = handed_over.await.unwrap();
        assert_eq!(parent.await.unwrap().kind(), StopKind::Deadline);
        watch.assert_at(ms(100));
        assert_eq!(child.await.unwrap(), "request");
        watch.assert_at(ms(500));
    });
}

#[test]
fn g15_a_shutdown_stops_it() {
    within_patience("shutdown", || {
        let heard = Arc::new(Heard::default());
        let runtime = runtime(StopPolicy::native(), &heard);
        let child = runtime.block_on(async {
            let parent = spawn(async {
                let child = spawn_child(async { pending::<()>().or_stop().await.unwrap_err() });
                yield_now().await;
                child.detach().unwrap();
                child
            });
            parent.await.unwrap()
        });
        assert!(!child.is_stopped());
        let kind = child.stop_handle();
        let report = runtime.shutdown(ms(1000));
        assert!(report.is_clean(), "{report}");
        assert_eq!(kind.reason().unwrap().kind(), StopKind::Shutdown);
    });
}

#[test]
fn g15_detach_against_a_stop_of_the_parent_is_one_or_the_other() {
    within_patience("race", || {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        let (mut stopped, mut free) = (0, 0);
        for round in 0..2000_u32 {
            runtime.block_on(async {
                let (hand_over, handed_over) = oneshot();
                let parent = spawn(async move {
                    let child = spawn_child(async { sleep(ms(20_000)).or_stop().await.is_err() });
                    yield_now().await;
                    for _ in 0..round % 7 {
                        std::hint::spin_loop();
                    }
                    let is_free = child.detach().is_ok();
                    hand_over.send(child).ok();
                    is_free
                });
                for _ in 0..round % 3 {
                    yield_now().await;
                }
                parent.stop("");
                let Ok(true) = parent.await else { return };
                let child = handed_over.await.unwrap();
                if child.is_stopped() {
                    stopped += 1;
                } else {
                    free += 1;
                    child.stop("");
                }
                // Stopped once, before its first poll or in its wait: never left waiting.
                assert!(child.await.unwrap_or(true));
            });
        }
        assert!(free > 0, "{stopped} stopped, none free");
        while runtime.metrics().living_tasks > 0 {
            runtime.block_on(yield_now());
        }
    });
}
