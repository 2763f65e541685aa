//! G9, G10: how a task ends.

use super::support::{
    Dice, HOUR, Living, PRESETS, SECOND, Trace, alone, assert_on_time, crew, quiet,
};
use super::watchdog::within_patience;
use lenio_executor::{
    AtEnd, JoinHandle, StopPolicy, on_exit, shield, spawn, spawn_child, stopped, yield_now,
};
use lenio_sync::stop::StopKind;
use lenio_time::{Clock, Instant, sleep};
use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};

/// A child that takes three seconds to clean up once it is asked to stop.
fn slow_child() -> JoinHandle<()> {
    spawn_child(async {
        drop(stopped().await);
        sleep(3 * SECOND).await;
    })
}

#[test]
fn g09_a_child_in_slow_cleanup_delays_done_and_not_the_body() {
    for (name, policy) in PRESETS {
        let runtime = alone(policy);
        let clock: Clock = runtime.clock().clone();
        runtime.block_on(async {
            let begin: Instant = clock.now();
            let parent = spawn(async {
                let child = slow_child();
                yield_now().await;
                child
            });
            let handle = parent.stop_handle();
            parent.join_body().await;
            assert_on_time(clock.now(), begin);
            let is_done = parent.is_finished();
            let child = parent.await.unwrap();
            match policy.at_end {
                AtEnd::StopAndWait => {
                    assert!(!is_done);
                    assert_on_time(clock.now(), begin + 3 * SECOND);
                    assert!(child.is_finished(), "{name}");
                    let reason = child.stop_reason().unwrap();
                    assert_eq!(reason.kind(), StopKind::ParentFinished);
                }
                AtEnd::Stop => {
                    assert_on_time(clock.now(), begin);
                    assert!(child.is_stopped() && !child.is_finished(), "{name}");
                    child.await.unwrap();
                    assert_on_time(clock.now(), begin + 3 * SECOND);
                }
                AtEnd::Leave => {
                    assert_on_time(clock.now(), begin);
                    sleep(HOUR).await;
                    assert!(!child.is_stopped() && !child.is_finished(), "{name}");
                }
            }
            assert!(handle.is_done());
        });
    }
}

#[test]
fn g09_the_children_of_a_task_that_panics_are_told_so() {
    alone(StopPolicy::native()).block_on(async {
        let (give, child) = mpsc::channel();
        let parent = spawn(async move {
            give.send(slow_child()).unwrap();
            yield_now().await;
            panic!("on purpose");
        });
        assert!(parent.await.unwrap_err().is_panic());
        let child: JoinHandle<()> = child.recv().unwrap();
        assert!(child.is_finished());
        assert_eq!(child.stop_reason().unwrap().kind(), StopKind::ParentFailed);
    });
}

#[test]
fn g09_children_keep_the_reason_of_their_parents_stop() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let (give, child) = mpsc::channel();
            let parent = spawn(async move {
                // Spawned before the stop, and told at the end if not before.
                give.send(slow_child()).unwrap();
                drop(stopped().await);
            });
            quiet().await;
            parent.stop("closing time");
            drop(parent.await);
            let child = child.recv().unwrap();
            let reason = child.stop_reason().unwrap();
            assert_eq!(reason.message(), Some("closing time"), "{name}");
        });
    }
}

#[test]
fn g09_the_steps_of_the_end_come_in_order() {
    alone(StopPolicy::native()).block_on(async {
        let trace = Trace::default();
        let noting = trace.clone();
        let parent = spawn(async move {
            let in_finalizer = noting.clone();
            on_exit(async move {
                in_finalizer.note("finalizer begins");
                sleep(SECOND).await;
                in_finalizer.note("finalizer ends");
            });
            let in_child = noting.clone();
            drop(spawn_child(async move {
                drop(stopped().await);
                in_child.note("child is stopped");
                sleep(SECOND).await;
                in_child.note("child ends");
            }));
            yield_now().await;
            noting.note("body ends");
        });
        let noting = trace.clone();
        parent.on_finish(move || noting.note("finish callback"));
        parent.await.unwrap();
        trace.note("joined");
        let expected = [
            "body ends",
            "child is stopped",
            "child ends",
            "finalizer begins",
            "finalizer ends",
            "finish callback",
            "joined",
        ];
        assert_eq!(trace.lines(), expected);
    });
}

type Family = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task with a random number of descendants, all of which are counted while their futures exist.
fn family(mut dice: Dice, depth: usize, living: Living) -> Family {
    Box::pin(async move {
        let _one = living.one();
        let children = if depth == 0 { 0 } else { dice.below(4) };
        for _ in 0..children {
            let dice = Dice::new(dice.below(1 << 20) as u64);
            drop(spawn_child(family(dice, depth - 1, living.clone())));
        }
        for _ in 0..dice.below(3) {
            yield_now().await;
        }
        match dice.below(5) {
            0 => drop(stopped().await),
            1 => shield(sleep(SECOND / 10)).await,
            2 => sleep(SECOND / 20).await,
            3 => pending().await,
            _ => {}
        }
    })
}

#[test]
fn g09_at_the_end_of_a_task_no_descendant_lives() {
    within_patience("random families", || {
        let runtime = crew(3, StopPolicy::native());
        for seed in 0..60 {
            let living = Living::default();
            let counted = living.clone();
            let mut dice = Dice::new(seed);
            let how = dice.below(3);
            let top = runtime.spawn(async move {
                let _one = counted.one();
                for _ in 0..3 {
                    let dice = Dice::new(dice.below(1 << 20) as u64);
                    drop(spawn_child(family(dice, 3, counted.clone())));
                }
                match how {
                    0 => yield_now().await,
                    1 => drop(stopped().await),
                    _ => pending().await,
                }
            });
            match how {
                0 => {}
                1 => drop(top.stop("")),
                _ => top.cancel(),
            }
            runtime.block_on(async {
                drop(top.await);
                assert_eq!(living.count(), 0, "seed {seed}");
            });
        }
        // Those who look after the time have gone too.
        runtime.block_on(quiet());
        assert_eq!(runtime.metrics().living_tasks, 0);
    });
}

#[test]
fn g10_what_a_finish_callback_did_is_visible_after_the_wait() {
    within_patience("callbacks before waiters", || {
        for (name, policy) in PRESETS {
            let runtime = crew(2, policy);
            runtime.block_on(async {
                for round in 0..1000 {
                    let ran = Arc::new(AtomicBool::new(false));
                    let task = spawn(async move {
                        if round % 3 == 0 {
                            yield_now().await;
                        }
                    });
                    let set = ran.clone();
                    task.on_finish(move || set.store(true, Ordering::Relaxed));
                    task.await.unwrap();
                    assert!(ran.load(Ordering::Relaxed), "{name}, round {round}");
                }
            });
        }
    });
}

#[test]
fn g10_a_wait_inside_a_finish_callback_returns_at_once() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let task = spawn(async {
                yield_now().await;
                7
            });
            let slot = Arc::new(Mutex::new(None::<JoinHandle<i32>>));
            let seen = Arc::new(Mutex::new(None));
            let (waited, told) = (slot.clone(), seen.clone());
            let handle = task.stop_handle();
            task.on_finish(move || {
                let mut task = waited.lock().unwrap().take().unwrap();
                let polled = Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()));
                *told.lock().unwrap() = Some(polled.map(drop));
            });
            *slot.lock().unwrap() = Some(task);
            handle.done().await;
            assert_eq!(seen.lock().unwrap().take(), Some(Poll::Ready(())), "{name}");
        });
    }
}

#[test]
fn g10_a_callback_that_comes_late_runs_at_once() {
    for (_, policy) in PRESETS {
        alone(policy).block_on(async {
            let mut task = spawn(async {});
            (&mut task).await.unwrap();
            let task = spawn(async {});
            quiet().await;
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = calls.clone();
            task.on_finish(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(calls.load(Ordering::SeqCst), 1);
            task.on_finish(|| panic!("contained, on purpose"));
            task.await.unwrap();
        });
    }
}

#[test]
fn g10_a_finish_callback_that_spawns_children_leaves_none_behind() {
    alone(StopPolicy::native()).block_on(async {
        let living = Living::default();
        let counted = living.clone();
        let task = spawn(yield_now());
        let (give, child) = mpsc::channel();
        task.on_finish(move || {
            let one = counted.one();
            let child: JoinHandle<()> = spawn_child(async move {
                let _one = one;
                pending().await
            });
            give.send(child).unwrap();
        });
        task.await.unwrap();
        let child = child.recv().unwrap();
        assert!(child.is_stopped());
        assert!(child.await.unwrap_err().is_stopped());
        assert_eq!(living.count(), 0);
    });
}

#[test]
fn a_task_that_panics_in_the_poll_of_its_first_child_has_failed_it() {
    for (name, policy) in PRESETS {
        if policy.at_end == AtEnd::Leave {
            continue;
        }
        let runtime = alone(policy);
        let (give, take) = mpsc::channel();
        let parent = runtime.handle().task().detached().spawn(async move {
            give.send(slow_child()).unwrap();
            panic!("the first poll is the last");
        });
        let parent = runtime.block_on(parent);
        assert!(parent.unwrap_err().is_panic(), "{name}");
        let reason = take.recv().unwrap().stop_reason().unwrap();
        assert_eq!(reason.kind(), StopKind::ParentFailed, "{name}");
    }
}

/// One place, and another thread has it: this `block_on` polls its future itself.
#[test]
fn a_block_on_without_a_place_that_panics_stops_what_is_below() {
    let runtime = alone(StopPolicy::native());
    let (give_leave, leave) = lenio_executor::promise::<()>();
    let (give, take) = mpsc::channel();
    let (say_inside, inside) = mpsc::channel();
    std::thread::scope(|threads| {
        let first = runtime.handle().clone();
        threads.spawn(move || {
            first.block_on(async {
                say_inside.send(()).unwrap();
                drop(leave.await);
            });
        });
        inside.recv().unwrap();
        let second = runtime.handle().clone();
        let panicked = threads.spawn(move || {
            second.block_on(async {
                give.send(slow_child()).unwrap();
                panic!("without a place");
            });
        });
        assert!(panicked.join().is_err());
        let child = take.recv().unwrap();
        let reason = child.stop_reason().unwrap();
        assert_eq!(reason.kind(), StopKind::ParentFailed);
        drop(give_leave);
    });
}
