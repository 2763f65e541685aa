//! G11: stop, grace, cancel, report.

use super::support::{
    Events, HOUR, Living, OnDrop, SECOND, Trace, alone, assert_on_time, crew, here, quiet,
};
use super::watchdog::within_patience;
use lenio_executor::{
    Grace, JoinHandle, Runtime, StopEvent, StopExt, StopPolicy, check_stop, on_exit, scope, shield,
    shield_hard, spawn, spawn_child, stop_handle, stopped, yield_now,
};
use lenio_sync::Event;
use lenio_time::{Clock, Instant, sleep};
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

fn with_events(builder: lenio_executor::Builder) -> (Runtime, Events) {
    let events = Events::default();
    let runtime = builder.on_stop_event(events.record()).build().unwrap();
    (runtime, events)
}

fn virtual_time() -> (Runtime, Events, Clock) {
    let (runtime, events) = with_events(Runtime::builder().current_thread().virtual_clock());
    let clock = runtime.clock().clone();
    (runtime, events, clock)
}

#[test]
fn g11_a_body_that_ignores_the_stop_is_dropped_at_soft() {
    let (runtime, events, clock) = virtual_time();
    runtime.block_on(async {
        let living = Living::default();
        let one = living.one();
        let task = spawn(async move {
            let _one = one;
            pending::<()>().await
        });
        quiet().await;
        let begin: Instant = clock.now();
        task.stop("please");
        let error = task.await.unwrap_err();
        assert_on_time(clock.now(), begin + 5 * SECOND);
        assert!(error.is_cancelled());
        assert_eq!(error.reason().unwrap().message(), Some("please"));
        assert_eq!(living.count(), 0);
    });
    assert!(matches!(events.all()[..], [StopEvent::GraceOver { .. }]));
}

#[test]
fn g11_without_a_grace_a_stop_is_a_cancel_and_without_an_end_it_is_none() {
    let runtime = alone(StopPolicy::detached());
    let clock = runtime.clock().clone();
    runtime.block_on(async {
        let task = spawn(pending::<()>());
        quiet().await;
        let begin = clock.now();
        task.stop("now");
        assert!(task.await.unwrap_err().is_cancelled());
        assert_on_time(clock.now(), begin);
    });
    let runtime = alone(StopPolicy::gentletask());
    runtime.block_on(async {
        let mut task = spawn(pending::<()>());
        quiet().await;
        task.stop("some day");
        assert!(lenio_time::timeout(1000 * HOUR, &mut task).await.is_err());
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn g11_leaves_are_dropped_before_their_parents() {
    let (runtime, _, clock) = virtual_time();
    runtime.block_on(async {
        struct Note(Trace, &'static str);
        impl Drop for Note {
            fn drop(&mut self) {
                self.0.note(self.1);
            }
        }
        let trace = Trace::default();
        let noting = trace.clone();
        let root = spawn(async move {
            let _note = Note(noting.clone(), "root");
            drop(spawn_child(async move {
                let _note = Note(noting.clone(), "middle");
                drop(spawn_child(async move {
                    let _note = Note(noting, "leaf");
                    pending::<()>().await
                }));
                pending::<()>().await
            }));
            pending::<()>().await
        });
        quiet().await;
        let begin = clock.now();
        root.stop("");
        assert!(root.await.unwrap_err().is_cancelled());
        assert_on_time(clock.now(), begin + 5 * SECOND);
        assert_eq!(trace.lines(), ["leaf", "middle", "root"]);
    });
}

#[test]
fn g11_a_child_with_a_shorter_grace_goes_first_and_one_with_a_longer_one_goes_with_its_parent() {
    let (runtime, _, clock) = virtual_time();
    runtime.block_on(async {
        let (give, ended) = mpsc::channel();
        let at = clock.clone();
        let root = spawn(async move {
            for soft in [1, 60] {
                let mut policy = StopPolicy::native();
                policy.grace = Grace::new(soft * SECOND, 100 * SECOND);
                let (give, at) = (give.clone(), at.clone());
                drop(here().task().child().policy(policy).spawn(async move {
                    let _note = OnDrop::new(move || {
                        give.send((soft, at.now())).unwrap();
                    });
                    pending::<()>().await
                }));
            }
            pending::<()>().await
        });
        quiet().await;
        let begin = clock.now();
        root.stop("");
        assert!(root.await.unwrap_err().is_cancelled());
        assert_on_time(clock.now(), begin + 5 * SECOND);
        let mut ended: Vec<_> = ended.try_iter().collect();
        ended.sort();
        assert_on_time(ended[0].1, begin + SECOND);
        assert_on_time(ended[1].1, begin + 5 * SECOND);
    });
}

#[test]
fn g11_a_later_stop_can_only_shorten_the_grace() {
    let (runtime, _, clock) = virtual_time();
    runtime.block_on(async {
        let task = spawn(pending::<()>());
        quiet().await;
        let begin = clock.now();
        let handle = task.stop_handle();
        assert!(handle.stop_within("", Grace::new(2 * SECOND, 3 * SECOND)));
        assert!(!handle.stop_within("", Grace::new(HOUR, HOUR)));
        assert!(task.await.unwrap_err().is_cancelled());
        assert_on_time(clock.now(), begin + 2 * SECOND);

        let task = spawn(pending::<()>());
        quiet().await;
        let begin = clock.now();
        task.stop("");
        sleep(SECOND).await;
        let handle = task.stop_handle();
        handle.stop_within("", Grace::new(SECOND, SECOND));
        assert!(task.await.unwrap_err().is_cancelled());
        assert_on_time(clock.now(), begin + 2 * SECOND);
    });
}

/// Real time: a virtual clock does not move while somebody computes.
fn impatient() -> StopPolicy {
    let mut policy = StopPolicy::native();
    policy.grace = Grace::new(Duration::from_millis(5), Duration::from_millis(10));
    policy
}

/// A runtime that reports what is stuck to the receiver.
fn reporting(policy: StopPolicy) -> (Runtime, mpsc::Receiver<StopEvent>) {
    let (give, stuck) = mpsc::channel();
    let give = std::sync::Mutex::new(give);
    let runtime = Runtime::builder()
        .threads(2)
        .stuck_after(None)
        .stop_policy(policy)
        .on_stop_event(move |event| {
            if matches!(event, StopEvent::Stuck { .. }) {
                drop(give.lock().unwrap().send(event.clone()));
            }
        })
        .build()
        .unwrap();
    (runtime, stuck)
}

#[track_caller]
fn assert_stuck_in(event: &StopEvent, name: &str, message: &str) {
    let StopEvent::Stuck {
        task,
        reason,
        stopped_for,
        ..
    } = event
    else {
        panic!("{event}")
    };
    assert_eq!(task.name.as_deref(), Some(name));
    assert_eq!(reason.message(), Some(message));
    assert!(
        (Duration::from_millis(10)..SECOND).contains(stopped_for),
        "{stopped_for:?}"
    );
}

#[test]
fn g11_a_loop_that_computes_is_reported_stuck_at_hard_and_left_alone() {
    within_patience("a stuck poll", || {
        let (runtime, stuck) = reporting(impatient());
        let go_on = Arc::new(AtomicBool::new(true));
        let is_told = go_on.clone();
        let (began, begun) = mpsc::channel();
        let parent = runtime.spawn(async move {
            let child = here().task().child().name("loop").spawn(async move {
                began.send(()).unwrap();
                while is_told.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
                7
            });
            child.await
        });
        begun.recv().unwrap();
        parent.stop("enough");
        let event = stuck.recv().unwrap();
        assert_stuck_in(&event, "loop", "enough");
        assert!(!parent.is_finished(), "it waits for its child");
        go_on.store(false, Ordering::SeqCst);
        assert!(runtime.block_on(parent).unwrap_err().is_cancelled());
        assert!(stuck.try_recv().is_err(), "reported once");
    });
}

#[test]
fn g11_a_blocking_job_that_does_not_look_is_reported_stuck_and_its_value_counts() {
    within_patience("a stuck job", || {
        let (runtime, stuck) = reporting(impatient());
        let go_on = Arc::new(Event::new());
        let (until, (began, begun)) = (go_on.clone(), mpsc::channel());
        let job = runtime.handle().task().name("job").spawn_blocking(move || {
            began.send(()).unwrap();
            until.wait_blocking();
            7
        });
        begun.recv().unwrap();
        job.stop("enough");
        assert_stuck_in(&stuck.recv().unwrap(), "job", "enough");
        go_on.set();
        assert_eq!(runtime.block_on(job).unwrap(), 7);
    });
}

#[test]
fn g11_a_blocking_job_can_look_for_the_stop() {
    within_patience("an attentive job", || {
        let (runtime, stuck) = reporting(StopPolicy::native());
        let (began, begun) = mpsc::channel();
        let job = runtime.spawn_blocking(move || {
            began.send(()).unwrap();
            loop {
                if let Err(stopped) = check_stop() {
                    return stopped.reason().message().map(str::to_owned);
                }
                std::hint::spin_loop();
            }
        });
        begun.recv().unwrap();
        job.stop("look up");
        assert_eq!(runtime.block_on(job).unwrap().as_deref(), Some("look up"));
        assert!(stuck.try_recv().is_err());
    });
}

#[test]
fn g11_a_wait_of_a_blocking_job_ends_at_the_stop() {
    within_patience("a waiting job", || {
        let (runtime, _stuck) = reporting(StopPolicy::native());
        let handle = runtime.handle().clone();
        let (began, begun) = mpsc::channel();
        let job = runtime.spawn_blocking(move || {
            began.send(()).unwrap();
            handle.block_on(pending::<()>().or_stop()).is_err()
        });
        begun.recv().unwrap();
        job.stop("");
        assert!(runtime.block_on(job).unwrap());
    });
}

#[test]
fn g11_the_report_says_how_long_ago_the_stop_was_if_the_grace_was_cut() {
    within_patience("a short grace", || {
        let (runtime, stuck) = reporting(StopPolicy::native());
        let go_on = Arc::new(Event::new());
        let (until, (began, begun)) = (go_on.clone(), mpsc::channel());
        let job = runtime.handle().task().name("job").spawn_blocking(move || {
            began.send(()).unwrap();
            until.wait_blocking();
        });
        begun.recv().unwrap();
        let grace = Grace::new(Duration::from_millis(5), Duration::from_millis(10));
        job.stop_handle().stop_within("enough", grace);
        let event = stuck.recv().unwrap();
        go_on.set();
        runtime.block_on(job).unwrap();
        let StopEvent::Stuck { stopped_for, .. } = event else {
            unreachable!("only those are sent")
        };
        assert!(
            (Duration::from_millis(10)..SECOND).contains(&stopped_for),
            "{stopped_for:?}"
        );
    });
}

#[test]
fn g11_a_shield_hides_a_stop_until_soft_and_a_hard_one_hides_a_cancel_until_its_end() {
    let (runtime, _, clock) = virtual_time();
    runtime.block_on(async {
        // A plain one.
        let task = spawn(shield(async {
            assert!(sleep(HOUR).or_stop().await.is_ok(), "never gets here");
        }));
        quiet().await;
        let begin = clock.now();
        task.stop("");
        assert!(task.await.unwrap_err().is_cancelled());
        assert_on_time(clock.now(), begin + 5 * SECOND);

        // A hard one, whose work ends in time.
        let task = spawn(async {
            shield_hard(HOUR, async { sleep(60 * SECOND).or_stop().await.is_ok() }).await
        });
        let begin = clock.now();
        quiet().await;
        task.stop("");
        assert!(task.await.unwrap(), "nothing was seen inside");
        assert_on_time(clock.now(), begin + 60 * SECOND);

        // A hard one whose time is over.
        let begin = clock.now();
        let task = spawn(shield_hard(20 * SECOND, pending::<()>()));
        quiet().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_on_time(clock.now(), begin + 20 * SECOND);
    });
}

#[test]
fn g11_after_a_hard_shield_a_cancelled_task_goes_at_its_next_wait() {
    let (runtime, _, clock) = virtual_time();
    runtime.block_on(async {
        let trace = Trace::default();
        let noting = trace.clone();
        let task = spawn(async move {
            shield_hard(HOUR, async {
                shield_hard(HOUR, sleep(SECOND)).await;
                noting.note("inner");
                sleep(SECOND).await;
            })
            .await;
            noting.note("outer");
            assert!(check_stop().is_err());
            yield_now().await;
            noting.note("never");
        });
        quiet().await;
        let begin = clock.now();
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_on_time(clock.now(), begin + 2 * SECOND - Duration::from_millis(1));
        assert_eq!(trace.lines(), ["inner", "outer"]);
    });
}

#[test]
fn g11_nothing_is_left_of_a_hard_shield_that_has_ended() {
    let (runtime, _, _) = virtual_time();
    runtime.block_on(async {
        spawn(shield_hard(HOUR, yield_now())).await.unwrap();
        let mut task = spawn(async {
            shield_hard(HOUR, yield_now()).await;
            pending::<()>().await
        });
        quiet().await;
        quiet().await;
        let metrics = here().metrics();
        assert_eq!(
            metrics.living_tasks, 1,
            "the task itself, and nobody who watches the shield"
        );
        assert_eq!(metrics.timers, 0);
        task.cancel();
        drop((&mut task).await);
    });
}

#[test]
fn g11_finalizers_are_shielded_after_a_cancel_too() {
    let (runtime, _, clock) = virtual_time();
    runtime.block_on(async {
        for is_expired in [false, true] {
            let (give, seen) = mpsc::channel();
            let task = spawn(async move {
                on_exit(async move {
                    let waited = sleep(SECOND).or_stop().await.is_ok();
                    let child = spawn_child(async { 7 }).await;
                    give.send((waited, child.ok())).unwrap();
                });
                pending::<()>().await
            });
            quiet().await;
            let begin = clock.now();
            if is_expired {
                task.stop("");
            } else {
                task.cancel();
            }
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(
                seen.recv().unwrap(),
                (true, Some(7)),
                "expired: {is_expired}"
            );
            let grace = if is_expired {
                5 * SECOND
            } else {
                Duration::ZERO
            };
            assert_on_time(clock.now(), begin + grace + SECOND);
        }
    });
}

#[test]
fn g11_finalizers_that_run_when_the_grace_ends_stay_shielded() {
    let (runtime, _, clock) = virtual_time();
    runtime.block_on(async {
        let (give, seen) = mpsc::channel();
        let task = spawn(async move {
            on_exit(async move {
                give.send(sleep(3 * SECOND).or_stop().await.is_ok())
                    .unwrap();
            });
            drop(stopped().await);
            sleep(3 * SECOND).await;
        });
        quiet().await;
        let begin = clock.now();
        task.stop("");
        task.await.unwrap();
        assert_on_time(clock.now(), begin + 6 * SECOND);
        assert!(seen.recv().unwrap());
    });
}

#[test]
fn g11_finalizers_of_a_block_on_have_an_end() {
    within_patience("finalizers of a root", || {
        let (runtime, events, clock) = virtual_time();
        let begin = clock.now();
        runtime.block_on(async {
            on_exit(pending());
        });
        assert_on_time(clock.now(), begin + 10 * SECOND);
        assert!(matches!(
            events.all()[..],
            [StopEvent::FinalizersCut { .. }]
        ));
    });
}

#[test]
fn g11_the_future_of_a_block_on_is_told_and_not_dropped() {
    let (runtime, _, clock) = virtual_time();
    let begin = clock.now();
    let value = runtime.block_on(async {
        let me = stop_handle().unwrap();
        let stopper = spawn(async move { me.stop("you too") });
        let stopped = pending::<()>().or_stop().await.unwrap_err();
        assert!(stopper.await.unwrap());
        assert_eq!(stopped.to_string(), "you too");
        sleep(HOUR).await;
        7
    });
    assert_eq!(value, 7);
    assert_on_time(clock.now(), begin + HOUR);
}

#[test]
fn g11_a_nested_block_on_obeys_the_stop_of_whoever_called_it() {
    within_patience("nested block_on", || {
        for is_in_scope in [false, true] {
            let runtime = crew(1, StopPolicy::native());
            let (give, handles) = mpsc::channel();
            let stopper = std::thread::spawn(move || {
                let handle: lenio_executor::StopHandle = handles.recv().unwrap();
                handle.stop("");
            });
            let inner = runtime.handle().clone();
            let outer = runtime.handle().clone();
            let was_stopped = outer.block_on(async move {
                give.send(stop_handle().unwrap()).unwrap();
                let wait = move || inner.block_on(pending::<()>().or_stop()).is_err();
                if is_in_scope {
                    scope(|_| async move { wait() }).await
                } else {
                    wait()
                }
            });
            assert!(was_stopped);
            stopper.join().unwrap();
        }
    });
}

#[test]
fn g11_nothing_is_dropped_twice_and_nothing_is_kept() {
    within_patience("drop counters", || {
        let mut policy = StopPolicy::native();
        policy.grace = Grace::new(Duration::from_millis(2), Duration::from_millis(4));
        let runtime = crew(3, policy);
        let living = Living::default();
        runtime.block_on(async {
            for round in 0..200_u32 {
                let one = living.one();
                let counted = living.clone();
                let task: JoinHandle<super::support::Alive> = spawn(async move {
                    let child = counted.one();
                    let finalizer = counted.one();
                    on_exit(async move {
                        let _finalizer = finalizer;
                        yield_now().await;
                    });
                    drop(spawn_child(async move {
                        let _child = child;
                        pending::<()>().await
                    }));
                    match round % 4 {
                        0 => sleep(Duration::from_millis(2)).await,
                        1 => drop(stopped().await),
                        2 => pending().await,
                        _ => shield(sleep(Duration::from_millis(3))).await,
                    }
                    one
                });
                if round % 3 == 0 {
                    yield_now().await;
                }
                if round % 5 == 0 {
                    task.cancel();
                } else {
                    task.stop("");
                }
                drop(task.await);
                assert_eq!(living.count(), 0, "round {round}");
            }
        });
    });
}

#[test]
fn g11_a_finalizer_goes_on_while_what_it_has_started_lives() {
    let (runtime, events, clock) = virtual_time();
    runtime.block_on(async {
        let begin = clock.now();
        let (give, seen) = mpsc::channel();
        let task = spawn(async move {
            on_exit(async move {
                let child = spawn_child(stopped());
                sleep(SECOND).await;
                let reason = child.stop_and_wait("cleaned up").await;
                give.send(reason.unwrap().message().map(str::to_owned))
                    .unwrap();
            });
        });
        task.await.unwrap();
        assert_eq!(seen.recv().unwrap().as_deref(), Some("cleaned up"));
        assert_on_time(clock.now(), begin + SECOND);
    });
    assert!(events.all().is_empty());
}

#[test]
fn g11_what_finalizers_have_started_goes_when_their_time_is_over() {
    let (runtime, events, clock) = virtual_time();
    runtime.block_on(async {
        let begin = clock.now();
        let living = Living::default();
        let one = living.one();
        let task = spawn(async move {
            on_exit(async move {
                drop(spawn_child(async move {
                    let _one = one;
                    pending::<()>().await
                }));
                pending::<()>().await
            });
        });
        task.await.unwrap();
        assert_on_time(clock.now(), begin + 10 * SECOND);
        assert_eq!(living.count(), 0);
    });
    assert!(matches!(
        events.all()[..],
        [StopEvent::FinalizersCut { .. }]
    ));
}
