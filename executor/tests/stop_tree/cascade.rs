//! G4, G5, G6: who is reached by a stop, in which order, and when.

use super::state::{at_once, small_tree};
use super::support::{Dice, GENTLE, Living, PRESETS, Trace, alone, crew, quiet, real_crew};
use super::watchdog::within_patience;
use lenio_executor::{
    JoinHandle, StopHandle, StopPolicy, scope, spawn, spawn_child, stop_handle, stopped,
};
use lenio_sync::Event;
use lenio_sync::stop::{StopKind, StopReason};
use std::future::pending;
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

#[test]
fn g04_a_child_of_a_stopped_task_is_born_stopped() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let living = Living::default();
            let counted = living.clone();
            let parent = spawn(async move {
                stop_handle().unwrap().stop("enough");
                let guard = counted.one();
                let child: JoinHandle<()> = spawn_child(async move {
                    let _guard = guard;
                    unreachable!("a child that is born stopped is never polled");
                });
                assert!(child.is_stopped());
                assert_eq!(child.stop_reason().unwrap().message(), Some("enough"));
                child
            });
            let Ok(child) = parent.await else {
                panic!("{name}: the parent was done in its first poll")
            };
            let error = child.await.unwrap_err();
            assert!(
                error.is_stopped() || error.is_cancelled(),
                "{name}: {error}"
            );
            assert_eq!(error.reason().unwrap().message(), Some("enough"), "{name}");
            assert_eq!(living.count(), 0, "{name}");
        });
    }
}

#[test]
fn g04_no_child_lacks_the_flag_when_the_stop_has_returned() {
    within_patience("spawn against stop", || {
        for (name, policy) in PRESETS {
            let runtime = real_crew(1, policy);
            let _inside = runtime.handle().enter();
            let (give, scopes) = mpsc::channel();
            let mut dice = Dice::new(4);
            for _ in 0..100 {
                let give = give.clone();
                let owner = runtime.spawn(scope(move |s| async move {
                    give.send(s).unwrap();
                    pending::<()>().await;
                }));
                let s = scopes.recv().unwrap();
                let is_stopped = AtomicBool::new(false);
                let before = dice.below(6);
                let children: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());
                at_once(vec![
                    Box::new(|| {
                        for _ in 0..12 {
                            let child = s.spawn(pending());
                            children.lock().unwrap().push(child);
                        }
                        // And one for sure behind the stop.
                        if is_stopped.load(Ordering::SeqCst) {
                            assert!(s.spawn(pending::<()>()).is_stopped());
                        }
                    }),
                    Box::new(|| {
                        while children.lock().unwrap().len() < before {
                            std::thread::yield_now();
                        }
                        s.stop("all of you");
                        let seen = children.lock().unwrap();
                        assert!(seen.iter().all(JoinHandle::is_stopped), "{name}");
                        drop(seen);
                        is_stopped.store(true, Ordering::SeqCst);
                    }),
                ]);
                let children = children.into_inner().unwrap();
                assert!(children.iter().all(JoinHandle::is_stopped), "{name}");
                owner.cancel();
                drop(runtime.block_on(owner));
            }
        }
    });
}

#[test]
fn g05_a_stop_goes_to_parents_first_and_to_siblings_in_the_order_of_birth() {
    within_patience("order", || {
        for (name, policy) in PRESETS {
            for seed in 0..8 {
                let runtime = lenio_executor::Runtime::builder()
                    .threads(2)
                    .seed(seed)
                    .stop_policy(policy)
                    .build()
                    .unwrap();
                let trace = Trace::default();
                let (ready, is_ready) = mpsc::channel();
                let over = Arc::new(Event::new());
                let gate = over.clone();
                let noting = trace.clone();
                let root = runtime.spawn(async move {
                    let mut callbacks = Vec::new();
                    let mut handles = Vec::new();
                    for a in 0..3 {
                        let (inner, below) = mpsc::channel();
                        let noting_below = noting.clone();
                        let gate = gate.clone();
                        let middle = spawn_child(async move {
                            let mut callbacks = Vec::new();
                            for b in 0..70 {
                                let leaf = spawn_child(async { drop(stopped().await) });
                                let noting = noting_below.clone();
                                callbacks
                                    .push(leaf.on_stop(move || noting.note(format!("{a}.{b}"))));
                            }
                            inner.send(callbacks).unwrap();
                            // Whoever ends stops its children, and this would be in nobody's order.
                            gate.wait().await;
                        });
                        let noting = noting.clone();
                        callbacks.push(middle.on_stop(move || noting.note(format!("{a}"))));
                        handles.push((middle, below));
                    }
                    // Kept alive by the test.
                    ready.send((callbacks, handles)).unwrap();
                    gate.wait().await;
                });
                let noting = trace.clone();
                let _own = root.on_stop(move || noting.note("root"));
                let (_callbacks, middles) = is_ready.recv().unwrap();
                let _below: Vec<_> = middles.iter().map(|(_, below)| below.recv()).collect();
                root.stop("");
                let mut expected = vec![String::from("root")];
                for a in 0..3 {
                    expected.push(format!("{a}"));
                    expected.extend((0..70).map(|b| format!("{a}.{b}")));
                }
                assert_eq!(trace.lines(), expected, "{name}, seed {seed}");
                over.set();
                drop(runtime.block_on(root));
            }
        }
    });
}

#[test]
fn g05_who_sees_its_own_flag_sees_its_parents() {
    within_patience("parents first", || {
        let runtime = real_crew(1, StopPolicy::native());
        for _ in 0..200 {
            let tree = small_tree(&runtime);
            let (root, rest) = tree.split_first().unwrap();
            at_once(vec![
                Box::new(|| {
                    root.stop("");
                }),
                Box::new(|| {
                    for node in rest.iter().cycle() {
                        if node.is_stopped() {
                            assert!(root.is_stopped());
                            return;
                        }
                    }
                }),
            ]);
            runtime.block_on(root.done());
        }
    });
}

fn chain(left: usize, made: Arc<AtomicUsize>, bottom: Arc<Event>) -> JoinHandle<()> {
    spawn_child(async move {
        made.fetch_add(1, Ordering::Relaxed);
        let _below = if left == 0 {
            bottom.set();
            None
        } else {
            Some(chain(left - 1, made, bottom))
        };
        drop(stopped().await);
    })
}

#[test]
fn g05_a_chain_of_a_hundred_thousand_tasks_needs_no_deep_stack() {
    within_patience("a deep chain", || {
        for ((name, policy), depth) in PRESETS.into_iter().zip([100_000, 10_000, 10_000]) {
            let runtime = alone(policy);
            runtime.block_on(async {
                let made = Arc::new(AtomicUsize::new(0));
                let bottom = Arc::new(Event::new());
                let top = chain(depth, made.clone(), bottom.clone());
                bottom.wait().await;
                top.stop("all the way down");
                top.stop_handle().done().await;
                drop(top);
                quiet().await;
                assert_eq!(made.load(Ordering::Relaxed), depth + 1, "{name}");
            });
            assert_eq!(runtime.metrics().living_tasks, 0, "{name}");
        }
    });
}

#[test]
fn g05_sixteen_callbacks_that_panic_hold_up_nobody() {
    for (name, policy) in PRESETS {
        crew(2, policy).block_on(async move {
            let parent = spawn(async {
                let mut kept = Vec::new();
                let called = Arc::new(AtomicUsize::new(0));
                let handles: Vec<StopHandle> = (0..32)
                    .map(|n| {
                        let child = spawn_child(pending::<()>());
                        let called = called.clone();
                        kept.push(child.on_stop(move || {
                            called.fetch_add(1, Ordering::SeqCst);
                            if n % 4 == 0 {
                                panic!("hostile, on purpose");
                            }
                            if n % 4 == 2 {
                                panic_any(7);
                            }
                        }));
                        child.stop_handle()
                    })
                    .collect();
                (kept, called, handles, stop_handle().unwrap())
            });
            // The children of a task that has ended are stopped, or left alone: so they are asked one by one under `detached`.
            let (_kept, called, handles, _) = parent.await.unwrap();
            if name == "detached" {
                for handle in &handles {
                    handle.stop("");
                }
            }
            assert!(handles.iter().all(StopHandle::is_stopped), "{name}");
            assert_eq!(called.load(Ordering::SeqCst), 32, "{name}");
        });
    }
}

#[test]
fn g05_callbacks_of_one_task_that_panic_do_not_hold_up_its_children() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async move {
            let task = spawn(async {
                let child = spawn_child(async { drop(stopped().await) });
                let handle = child.stop_handle();
                stopped().await;
                handle
            });
            quiet().await;
            let calls = Arc::new(AtomicUsize::new(0));
            let _callbacks: Vec<_> = (0..16)
                .map(|n| {
                    let calls = calls.clone();
                    task.on_stop(move || {
                        calls.fetch_add(1, Ordering::SeqCst);
                        assert!(n % 2 == 0, "hostile, on purpose");
                    })
                })
                .collect();
            assert!(task.stop("in spite of all"), "{name}");
            assert_eq!(calls.load(Ordering::SeqCst), 16, "{name}");
            let handle = task.stop_handle();
            match task.await {
                Ok(child) => assert!(child.is_stopped()),
                Err(error) => assert!(error.is_cancelled() && name == "detached", "{error}"),
            }
            assert!(handle.is_done());
        });
    }
}

#[test]
fn g05_a_callback_may_stop_its_own_tree_again() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async move {
            let task = spawn(async {
                let child = spawn_child(async { drop(stopped().await) });
                drop(child);
                drop(stopped().await);
            });
            quiet().await;
            let again = task.stop_handle();
            let firsts = Arc::new(AtomicUsize::new(0));
            let counted = firsts.clone();
            let _callback = task.on_stop(move || {
                counted.fetch_add(usize::from(again.stop("again")), Ordering::SeqCst);
                counted.fetch_add(usize::from(again.cancel("and again")), Ordering::SeqCst);
            });
            task.stop("once");
            assert!(firsts.load(Ordering::SeqCst) <= 1, "{name}");
            assert_eq!(task.stop_reason().unwrap().message(), Some("once"));
            drop(task.await);
        });
    }
}

#[test]
fn g06_everybody_below_is_flagged_when_the_stop_returns() {
    within_patience("flag audit", || {
        for (name, policy) in PRESETS {
            let runtime = real_crew(2, policy);
            let (give, handles) = mpsc::channel();
            let root = runtime.spawn(async move {
                for _ in 0..50 {
                    let give = give.clone();
                    drop(spawn_child(async move {
                        for _ in 0..100 {
                            let leaf = spawn_child(async { drop(stopped().await) });
                            give.send(leaf.stop_handle()).unwrap();
                        }
                        drop(stopped().await);
                    }));
                }
                drop(stopped().await);
            });
            let all: Vec<StopHandle> = (0..5000).map(|_| handles.recv().unwrap()).collect();
            root.stop("audit");
            assert!(all.iter().all(StopHandle::is_stopped), "{name}");
            runtime.block_on(root.stop_handle().done());
        }
    });
}

#[test]
fn g06_whoever_stops_second_may_rely_on_it_too() {
    within_patience("two auditors", || {
        let runtime = real_crew(1, StopPolicy::native());
        for _ in 0..30 {
            let (give, handles) = mpsc::channel();
            let root = runtime.spawn(async move {
                for _ in 0..1000 {
                    let leaf = spawn_child(async { drop(stopped().await) });
                    give.send(leaf.stop_handle()).unwrap();
                }
                drop(stopped().await);
            });
            let all: Vec<StopHandle> = (0..1000).map(|_| handles.recv().unwrap()).collect();
            let root = root.stop_handle();
            let audit = || {
                root.stop("audit");
                assert!(all.iter().all(StopHandle::is_stopped));
            };
            at_once(vec![Box::new(audit), Box::new(audit)]);
            runtime.block_on(root.done());
        }
    });
}

#[test]
fn g06_a_stop_in_steps_that_was_dropped_is_made_good_by_the_next_stop() {
    alone(StopPolicy::gentletask()).block_on(async {
        let (give, handles) = mpsc::channel();
        let over = Arc::new(Event::new());
        let gate = over.clone();
        let root = spawn(async move {
            for _ in 0..10_000 {
                let leaf = spawn_child(async { drop(stopped().await) });
                give.send(leaf.stop_handle()).unwrap();
            }
            gate.wait().await;
        });
        quiet().await;
        let all: Vec<StopHandle> = handles.try_iter().collect();
        let handle = root.stop_handle();
        {
            let reason = StopReason::new(StopKind::Requested);
            let mut asking = Box::pin(handle.stop_in_steps(reason));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(asking.as_mut().poll(&mut cx).is_pending());
        }
        assert!(!all.iter().all(StopHandle::is_stopped));
        assert!(!handle.stop("the rest"));
        assert!(all.iter().all(StopHandle::is_stopped));
        over.set();
        root.await.unwrap();
    });
}

#[test]
fn g06_a_stop_in_steps_reaches_everybody_and_lets_others_run() {
    for (name, policy) in GENTLE {
        alone(policy).block_on(async move {
            let (give, handles) = mpsc::channel();
            let root = spawn(async move {
                for _ in 0..10_000 {
                    let leaf = spawn_child(async { drop(stopped().await) });
                    give.send(leaf.stop_handle()).unwrap();
                }
                drop(stopped().await);
            });
            quiet().await;
            let turns = Arc::new(AtomicUsize::new(0));
            let counted = turns.clone();
            let other = spawn(async move {
                loop {
                    counted.fetch_add(1, Ordering::SeqCst);
                    lenio_executor::yield_now().await;
                }
            });
            for _ in 0..3 {
                lenio_executor::yield_now().await;
            }
            let before = turns.load(Ordering::SeqCst);
            let handle = root.stop_handle();
            let asked = handle.clone();
            let stopper = spawn(async move {
                let reason = StopReason::new(StopKind::Requested);
                asked.stop_in_steps(reason).await
            });
            assert!(stopper.await.unwrap(), "{name}");
            assert!(turns.load(Ordering::SeqCst) > before, "{name}");
            let all: Vec<StopHandle> = handles.try_iter().collect();
            assert_eq!(all.len(), 10_000);
            assert!(all.iter().all(StopHandle::is_stopped), "{name}");
            other.cancel();
            drop(other.await);
            handle.done().await;
        });
    }
}
