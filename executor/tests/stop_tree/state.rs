//! G1, G2: one word, one outcome, one reason.

use super::support::{PRESETS, alone, crew, quiet, real_crew};
use super::watchdog::within_patience;
use lenio_executor::{
    JoinError, JoinHandle, StopExt, StopHandle, StopPolicy, spawn, spawn_child, stopped,
};
use lenio_sync::Event;
use lenio_sync::stop::{StopKind, StopReason};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

/// Runs `actions` at the same time, each on a thread of its own.
pub(crate) fn at_once(actions: Vec<Box<dyn FnOnce() + Send + '_>>) {
    let gate = Barrier::new(actions.len());
    std::thread::scope(|threads| {
        for action in actions {
            let gate = &gate;
            threads.spawn(move || {
                gate.wait();
                action();
            });
        }
    });
}

#[test]
fn g01_there_is_one_outcome_whatever_comes_first() {
    within_patience("one outcome", || {
        for (name, policy) in PRESETS {
            let runtime = real_crew(2, policy);
            let mut seen = [0; 3];
            for round in 0..90 {
                let go = Arc::new(Event::new());
                let begun = Arc::new(Event::new());
                let (gate, began) = (go.clone(), begun.clone());
                let task: JoinHandle<u32> = runtime.spawn(async move {
                    began.set();
                    gate.wait().await;
                    7
                });
                if round % 3 != 0 {
                    begun.wait_blocking();
                }
                let calls = Arc::new(AtomicUsize::new(0));
                for _ in 0..3 {
                    let calls = calls.clone();
                    task.on_finish(move || {
                        calls.fetch_add(1, Ordering::SeqCst);
                    });
                }
                let handle = task.stop_handle();
                at_once(vec![
                    Box::new(|| {
                        go.set();
                    }),
                    Box::new(|| {
                        handle.stop("stopped");
                    }),
                    Box::new(|| {
                        handle.cancel("cancelled");
                    }),
                ]);
                let outcome = runtime.block_on(task);
                assert_eq!(calls.load(Ordering::SeqCst), 3, "{name}: once each");
                runtime.block_on(handle.done());
                let reason = handle.reason();
                let is_mine = |error: &JoinError| {
                    error.reason().unwrap().is_same_as(reason.as_ref().unwrap())
                };
                match outcome {
                    Ok(7) => seen[0] += 1,
                    Err(error) if error.is_stopped() => {
                        assert!(is_mine(&error), "{name}");
                        seen[1] += 1;
                    }
                    Err(error) if error.is_cancelled() => {
                        assert!(is_mine(&error), "{name}");
                        seen[2] += 1;
                    }
                    other => panic!("{name}: {other:?}"),
                }
            }
            assert!(seen[0] + seen[1] + seen[2] == 90);
        }
    });
}

/// A root with three children of three children each, all of them waiting; the root's handle comes first.
pub(crate) fn small_tree(runtime: &lenio_executor::Runtime) -> Vec<StopHandle> {
    let (send, handles) = std::sync::mpsc::channel();
    let sender = send.clone();
    let root = runtime.spawn(async move {
        for _ in 0..3 {
            let send = sender.clone();
            let middle = spawn_child(async move {
                for _ in 0..3 {
                    let leaf = spawn_child(async { drop(stopped().await) });
                    send.send(leaf.stop_handle()).unwrap();
                }
                drop(stopped().await);
            });
            sender.send(middle.stop_handle()).unwrap();
        }
        drop(stopped().await);
    });
    send.send(root.stop_handle()).unwrap();
    let mut all: Vec<StopHandle> = (0..13).map(|_| handles.recv().unwrap()).collect();
    let at = all
        .iter()
        .position(|handle| format!("{handle:?}") == format!("{:?}", root.stop_handle()));
    all.swap(0, at.unwrap());
    all
}

#[test]
fn g02_two_stops_at_once_leave_one_reason_in_the_whole_tree() {
    within_patience("one reason", || {
        for (name, policy) in PRESETS {
            let runtime = real_crew(2, policy);
            for _ in 0..30 {
                let tree = small_tree(&runtime);
                let (a, b) = (tree[0].clone(), tree[0].clone());
                let first = Arc::new(AtomicUsize::new(0));
                let (of_a, of_b) = (first.clone(), first.clone());
                at_once(vec![
                    Box::new(move || {
                        of_a.fetch_add(usize::from(a.stop("a")), Ordering::SeqCst);
                    }),
                    Box::new(move || {
                        of_b.fetch_add(usize::from(b.stop("b")), Ordering::SeqCst);
                    }),
                ]);
                assert_eq!(first.load(Ordering::SeqCst), 1, "{name}: one was first");
                let reason = tree[0].reason().unwrap();
                for node in &tree {
                    assert!(node.reason().unwrap().is_same_as(&reason), "{name}");
                }
                runtime.block_on(tree[0].done());
            }
        }
    });
}

#[test]
fn g02_a_later_cancel_does_not_change_the_reason() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let task = spawn(pending::<()>());
            quiet().await;
            assert!(task.stop("first"));
            task.cancel_because(StopReason::new(StopKind::Requested).with_message("second"));
            let handle = task.stop_handle();
            let error = task.await.unwrap_err();
            assert!(error.is_cancelled(), "{name}");
            assert_eq!(error.reason().unwrap().message(), Some("first"), "{name}");
            assert_eq!(handle.reason().unwrap().message(), Some("first"), "{name}");
        });
    }
}

#[test]
fn g02_a_reason_without_a_message_shows_nothing() {
    crew(1, StopPolicy::native()).block_on(async {
        let task = spawn(async { pending::<()>().or_stop().await.unwrap_err() });
        quiet().await;
        task.stop("");
        let stopped = task.await.unwrap();
        assert_eq!(stopped.to_string(), "");
        assert_eq!(stopped.reason().message(), None);
    });
}
