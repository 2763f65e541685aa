//! G23: stop callbacks run once, on whoever stops, as a part of the task that is stopped.

use crate::rig::{Log, ms, scenario};
use crate::watchdog::within_patience;
use lenio_executor::{
    Runtime, StopExt, StopOrigin, check_stop, current_task, spawn, spawn_child, stop_handle,
    yield_now,
};
use lenio_sync::stop::Callback;
use lenio_time::sleep;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

#[test]
fn g23_one_that_comes_late_runs_at_once_and_one_that_was_taken_back_never() {
    let log = Log::default();
    let seen = log.clone();
    scenario(move |_| async move {
        let task = spawn(async { pending::<()>().or_stop().await.is_err() });
        let (a, b, c) = (log.clone(), log.clone(), log.clone());
        let _kept = task.on_stop(move || a.note("kept"));
        let removed = task.on_stop(move || b.note("removed"));
        assert!(removed.remove());
        yield_now().await;
        task.stop("");
        log.note("stopped");
        let late = task.on_stop(move || c.note("late"));
        assert!(!late.remove());
        log.note("back");
        task.await.unwrap();
    });
    assert_eq!(seen.all(), ["kept", "stopped", "late", "back"]);
}

#[test]
fn g23_removal_against_a_stop_is_one_or_the_other() {
    within_patience("race", || {
        let runtime = Runtime::builder().threads(1).build().unwrap();
        let start = &Barrier::new(2);
        let both_ways = thread::scope(|scope| {
            let (mut ran_first, mut removed_first) = (0, 0);
            for round in 0..3000 {
                let runs = Arc::new(AtomicUsize::new(0));
                let counted = runs.clone();
                let task = runtime.spawn(async { pending::<()>().or_stop().await });
                let callback = task.on_stop(move || {
                    counted.fetch_add(1, Ordering::SeqCst);
                });
                let stopper = task.stop_handle();
                let stopping = scope.spawn(move || {
                    start.wait();
                    stopper.stop("");
                });
                start.wait();
                for _ in 0..round % 200 {
                    std::hint::spin_loop();
                }
                let was_removed = callback.remove();
                stopping.join().unwrap();
                let runs = runs.load(Ordering::SeqCst);
                assert_eq!(runs, usize::from(!was_removed), "round {round}");
                if was_removed {
                    removed_first += 1;
                } else {
                    ran_first += 1;
                }
                drop(task);
            }
            (ran_first, removed_first)
        });
        assert!(both_ways.0 + both_ways.1 == 3000, "{both_ways:?}");
        assert!(
            runtime
                .shutdown(std::time::Duration::from_secs(5))
                .is_clean()
        );
    });
}

#[test]
fn g23_a_registration_may_go_inside_of_its_own_callback() {
    scenario(|_| async {
        for waits in [false, true] {
            let place = Arc::new(Mutex::new(None::<Callback>));
            let mine = place.clone();
            let ran = Arc::new(AtomicUsize::new(0));
            let counted = ran.clone();
            let task = spawn(async { pending::<()>().or_stop().await });
            let callback = task.on_stop(move || {
                let me = mine.lock().unwrap().take().unwrap();
                if waits {
                    assert!(!me.remove_and_wait());
                } else {
                    drop(me);
                }
                counted.fetch_add(1, Ordering::SeqCst);
            });
            *place.lock().unwrap() = Some(callback);
            yield_now().await;
            task.stop("");
            assert!(task.await.unwrap().is_err());
            assert_eq!(ran.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn g23_inside_the_stopped_task_is_the_current_one() {
    scenario(|_| async {
        let task = spawn(async { pending::<()>().or_stop().await.is_err() });
        yield_now().await;
        let id = task.id();
        let found = Arc::new(Mutex::new(None));
        let left = found.clone();
        let _callback = task.on_stop(move || {
            let child = spawn_child(async { unreachable!("born stopped") });
            *left.lock().unwrap() = Some((current_task(), check_stop().is_err(), child));
        });
        let me = current_task();
        task.stop("early");
        assert_eq!(current_task(), me, "and outside it is who it was");
        let (current, sees_stop, child) = found.lock().unwrap().take().unwrap();
        assert_eq!(current, Some(id));
        assert!(sees_stop);
        let error: lenio_executor::JoinError = child.await.unwrap_err();
        assert!(error.is_stopped());
        assert_eq!(error.reason().unwrap().message(), Some("early"));
        assert!(task.await.unwrap());
    });
}

#[test]
fn g23_one_that_panics_stops_neither_the_others_nor_the_cascade() {
    let log = Log::default();
    let seen = log.clone();
    scenario(move |_| async move {
        let (started, is_started) = lenio_sync::channel::oneshot();
        let task = spawn(async move {
            let child = spawn_child(async { pending::<()>().or_stop().await.is_err() });
            let by_handle = child.stop_handle();
            started.send(by_handle).ok();
            child.await.unwrap()
        });
        let child = is_started.await.unwrap();
        let (a, b) = (log.clone(), log.clone());
        let _one = task.on_stop(move || a.note("first"));
        let _two = task.on_stop(|| panic!("a bad callback"));
        let _three = child.on_stop(move || b.note("of the child"));
        yield_now().await;
        task.stop("");
        assert!(child.is_stopped());
        assert!(task.await.unwrap());
    });
    assert_eq!(seen.all(), ["first", "of the child"]);
}

#[test]
fn g23_a_stop_from_a_callback_reaches_other_tasks_and_names_its_origin() {
    scenario(|_| async {
        let other = spawn(async { pending::<()>().or_stop().await.unwrap_err().into_reason() });
        let task = spawn(async { pending::<()>().or_stop().await.is_err() });
        sleep(ms(1)).await;
        let id = task.id();
        let by_handle = other.stop_handle();
        let _callback = task.on_stop(move || {
            by_handle.stop("passed on");
        });
        task.stop("");
        let reason = other.await.unwrap();
        assert_eq!(reason.origin::<StopOrigin>().unwrap().task, Some(id));
        assert!(task.await.unwrap());
    });
}

#[test]
fn g23_a_callback_may_stop_its_own_task_and_its_parent() {
    scenario(|_| async {
        let parent = spawn(async {
            let me = stop_handle().unwrap();
            let child = spawn_child(async { pending::<()>().or_stop().await.is_err() });
            let again = child.stop_handle();
            let _up = child.on_stop(move || {
                assert!(!again.stop("again"));
                assert!(me.stop("upwards"));
            });
            yield_now().await;
            child.stop("first");
            assert_eq!(check_stop().unwrap_err().to_string(), "upwards");
            assert_eq!(child.stop_reason().unwrap().message(), Some("first"));
            child.await.unwrap()
        });
        assert!(parent.await.unwrap());
        sleep(ms(1)).await;
    });
}

#[test]
fn g23_inside_a_callback_the_task_is_the_one_that_is_stopped() {
    let runtime = Runtime::builder().current_thread().build().unwrap();
    runtime.block_on(async {
        let (tell, told) = std::sync::mpsc::channel();
        let task = spawn(pending::<()>());
        let me = task.id();
        let callback = task.on_stop(move || {
            let handle = stop_handle().unwrap();
            tell.send((current_task(), handle.is_stopped())).unwrap();
        });
        task.stop("");
        assert_eq!(told.recv().unwrap(), (Some(me), true));
        assert!(!stop_handle().unwrap().is_stopped());
        drop(callback);
        task.cancel();
    });
}
