//! G17: the tree owns a task; a handle only knows it.

use crate::rig::{Log, ms, scenario};
use lenio_executor::{JoinHandle, StopExt, on_exit, spawn, spawn_child, yield_now};
use lenio_sync::stop::StopKind;
use lenio_time::sleep;
use std::sync::Arc;

/// Sleeps for 10 ms, then waits in its finalizer for 10 ms more.
fn sleeper(log: &Log, witness: &Arc<()>, as_child: bool) -> JoinHandle<Arc<()>> {
    let (log, witness) = (log.clone(), witness.clone());
    let body = async move {
        let inner = log.clone();
        on_exit(async move {
            sleep(ms(10)).await;
            inner.note("finalizer");
        });
        match sleep(ms(10)).or_stop().await {
            Ok(()) => log.note("finished"),
            Err(stopped) => log.note(format!("{:?}", stopped.reason().kind())),
        }
        witness
    };
    if as_child {
        spawn_child(body)
    } else {
        spawn(body)
    }
}

/// The moments, in ms after the spawn, that lie in each of the states: newborn, parked, in its finalizer, done.
const MOMENTS: [u64; 4] = [0, 5, 15, 25];

#[test]
fn g17_dropping_the_handle_in_any_state_neither_stops_nor_leaks() {
    for as_child in [false, true] {
        for moment in MOMENTS {
            let log = Log::default();
            let witness = Arc::new(());
            let (seen, given) = (log.clone(), witness.clone());
            scenario(move |_| async move {
                let handle = sleeper(&log, &given, as_child);
                if moment > 0 {
                    sleep(ms(moment)).await;
                }
                drop(handle);
                sleep(ms(30)).await;
            });
            assert_eq!(seen.all(), ["finished", "finalizer"], "at {moment}");
            assert_eq!(Arc::strong_count(&witness), 1, "at {moment}");
        }
    }
}

#[test]
fn g17_a_handle_that_stops_on_drop_stops_in_any_state() {
    let expected: [&[&str]; 4] = [
        &[],
        &["HandleDropped", "finalizer"],
        &["finished", "finalizer"],
        &["finished", "finalizer"],
    ];
    assert_eq!(format!("{:?}", StopKind::HandleDropped), "HandleDropped");
    for (moment, expected) in MOMENTS.into_iter().zip(expected) {
        let log = Log::default();
        let witness = Arc::new(());
        let (seen, given) = (log.clone(), witness.clone());
        scenario(move |_| async move {
            let handle = sleeper(&log, &given, false).stop_on_drop();
            if moment > 0 {
                sleep(ms(moment)).await;
            }
            drop(handle);
            sleep(ms(30)).await;
        });
        assert_eq!(seen.all(), expected, "at {moment}");
        assert_eq!(Arc::strong_count(&witness), 1, "at {moment}");
    }
}

#[test]
fn g17_a_handle_that_cancels_on_drop_cancels_in_any_state() {
    let expected: [&[&str]; 4] = [
        &[],
        &["finalizer"],
        &["finished", "finalizer"],
        &["finished", "finalizer"],
    ];
    for (moment, expected) in MOMENTS.into_iter().zip(expected) {
        let log = Log::default();
        let witness = Arc::new(());
        let (seen, given) = (log.clone(), witness.clone());
        scenario(move |_| async move {
            let handle = sleeper(&log, &given, false).cancel_on_drop();
            if moment > 0 {
                sleep(ms(moment)).await;
            }
            drop(handle);
            sleep(ms(30)).await;
        });
        assert_eq!(seen.all(), expected, "at {moment}");
        assert_eq!(Arc::strong_count(&witness), 1, "at {moment}");
    }
}

#[test]
fn g17_a_stop_during_the_finalizers_leaves_the_output_alone() {
    for is_cancel in [false, true] {
        let log = Log::default();
        let seen = log.clone();
        scenario(move |_| async move {
            let handle = sleeper(&log, &Arc::new(()), false);
            sleep(ms(15)).await;
            if is_cancel {
                handle.cancel();
            } else {
                handle.stop("");
            }
            assert!(handle.await.is_ok());
        });
        assert_eq!(seen.all(), ["finished", "finalizer"]);
    }
}

#[test]
fn g17_a_task_that_is_stopped_before_its_first_poll_never_runs() {
    let log = Log::default();
    let seen = log.clone();
    scenario(move |_| async move {
        let _dropped = log.at_drop("later");
        let never = log.at_drop("dropped unpolled");
        let task = spawn(async move {
            let _never = never;
            unreachable!("stopped before");
        });
        task.stop("too early");
        let error = task.await.unwrap_err();
        assert!(error.is_stopped());
        assert_eq!(error.reason().unwrap().message(), Some("too early"));
        yield_now().await;
    });
    assert_eq!(seen.all(), ["dropped unpolled", "later"]);
}
