//! What a dump of the tasks says, and that it disturbs nobody.

use lenio_executor::throughline;
use lenio_executor::{
    Builder, DumpEntry, Runtime, StopExt, TaskState, block_scope, on_exit, scope, shield,
    spawn_child, yield_now,
};
use lenio_sync::{Event, Lock};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

fn current_thread() -> Builder {
    Runtime::builder().current_thread()
}

fn find<'d>(dump: &'d lenio_executor::Dump, name: &str) -> &'d DumpEntry {
    let named = |entry: &&DumpEntry| entry.name.as_deref() == Some(name);
    dump.entries
        .iter()
        .find(named)
        .unwrap_or_else(|| panic!("no {name} in {dump}"))
}

async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

#[test]
fn a_dump_shows_the_tree_in_the_order_of_spawning() {
    let runtime = current_thread().build().unwrap();
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let parent = handle.task().name("parent").spawn(async {
            for _ in 0..3 {
                spawn_child(async {
                    spawn_child(pending::<()>());
                    pending::<()>().await;
                });
            }
            scope(|s| async move {
                s.spawn(pending::<()>());
                pending::<()>().await;
            })
            .await;
        });
        settle().await;
        let dump = handle.dump();
        let shape: Vec<_> = dump
            .entries
            .iter()
            .map(|entry| (entry.depth, entry.state))
            .collect();
        use TaskState::{Idle, Scope};
        assert_eq!(
            shape,
            [
                (0, Idle),
                (1, Idle),
                (2, Idle),
                (1, Idle),
                (2, Idle),
                (1, Idle),
                (2, Idle),
                (1, Scope),
                (2, Idle)
            ],
            "{dump}"
        );
        let ids: Vec<_> = dump
            .entries
            .iter()
            .filter(|entry| entry.depth == 1)
            .filter_map(|entry| entry.id)
            .collect();
        assert!(ids.is_sorted());
        parent.cancel();
        assert!(parent.await.unwrap_err().is_cancelled());
        assert!(handle.dump().entries.is_empty(), "{}", handle.dump());
    });
}

#[test]
fn a_dump_says_what_tasks_wait_for_and_where_they_asked() {
    let runtime = current_thread().record_waits(true).build().unwrap();
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let lock = Arc::new(Lock::new(()));
        let held = lock.lock().await;
        let locker = lock.clone();
        let waiting = handle.task().name("locker").spawn(async move {
            drop(locker.lock().await);
        });
        let joined = waiting.id();
        handle.task().name("joiner").spawn(waiting);
        handle
            .task()
            .name("sleeper")
            .spawn(lenio_time::sleep(Duration::from_secs(3600)));
        handle.task().name("both").spawn(async {
            let event = Event::new();
            let mut wait = std::pin::pin!(event.wait());
            let mut sleep = lenio_time::sleep(Duration::from_secs(3600));
            poll_fn(|cx| {
                let _ = wait.as_mut().poll(cx);
                std::pin::Pin::new(&mut sleep).poll(cx)
            })
            .await;
        });
        settle().await;
        let dump = handle.dump();
        let waits = &find(&dump, "locker").waits;
        assert_eq!(waits.len(), 1, "{dump}");
        assert_eq!(waits[0].what, "lock");
        assert!(waits[0].at.unwrap().file().ends_with("dump.rs"));
        assert_eq!(find(&dump, "sleeper").waits[0].to_string(), "timer");
        assert_eq!(find(&dump, "both").waits.len(), 2);
        let joiner = &find(&dump, "joiner").waits[0];
        assert_eq!(joiner.what, "the end of a task, spawned");
        assert_eq!(joiner.at, Some(find(&dump, "locker").spawned_at));
        assert!(
            dump.to_string()
                .contains(&format!("task {joined} `locker`")),
            "{dump}"
        );
        drop(held);
    });
}

#[test]
fn a_dump_shows_stops_throughlines_and_ends() {
    let runtime = current_thread().virtual_clock().build().unwrap();
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let task = throughline::enter("request", || {
            handle.task().name("ending").spawn(async {
                on_exit(pending());
                let _ = pending::<()>().or_stop().await;
            })
        });
        let shielded = handle.task().name("shielded").spawn(shield(async {
            spawn_child(pending::<()>());
            pending::<()>().await;
        }));
        settle().await;
        task.stop("closing time");
        settle().await;
        let dump = handle.dump();
        let ending = find(&dump, "ending");
        assert_eq!(ending.state, TaskState::Ending);
        assert_eq!(ending.throughline.to_string(), "request");
        assert_eq!(
            ending.stop.as_ref().and_then(|stop| stop.message()),
            Some("closing time")
        );
        assert_eq!(ending.stopped_for, Some(Duration::ZERO));
        let states: Vec<_> = dump.entries.iter().map(|entry| entry.state).collect();
        assert!(states.contains(&TaskState::Shield), "{dump}");
        assert!(
            dump.to_string()
                .contains("stopped (Requested: closing time)"),
            "{dump}"
        );
        shielded.cancel();
    });
    runtime.shutdown_now(Duration::from_secs(1));
}

#[test]
fn a_dump_from_outside_sees_what_runs_and_what_is_queued() {
    let runtime = Runtime::builder()
        .threads(1)
        .blocking_threads(1)
        .build()
        .unwrap();
    let (go, went) = mpsc::channel();
    let (stuck, is_stuck) = mpsc::channel();
    runtime.spawn_blocking({
        let stuck = stuck.clone();
        move || {
            stuck.send(()).unwrap();
            went.recv().unwrap();
        }
    });
    is_stuck.recv().unwrap();
    let queued = runtime.spawn_blocking(|| ());
    let dump = runtime.dump();
    let states: Vec<_> = dump.entries.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [TaskState::Running, TaskState::Queued], "{dump}");
    assert_eq!(dump.entries[1].id, Some(queued.id()));
    go.send(()).unwrap();
}

#[test]
fn a_dump_polls_nobody() {
    let runtime = current_thread().record_waits(true).build().unwrap();
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let polls = polls.clone();
            handle.spawn(poll_fn(move |_| {
                polls.fetch_add(1, Ordering::Relaxed);
                Poll::<()>::Pending
            }));
        }
        settle().await;
        for _ in 0..10 {
            assert_eq!(handle.dump().entries.len(), 10);
        }
        settle().await;
        assert_eq!(polls.load(Ordering::Relaxed), 10);
    });
}

#[test]
fn a_dump_of_a_running_runtime_is_always_a_tree() {
    let runtime = Runtime::builder().threads(2).build().unwrap();
    let handle = runtime.handle().clone();
    handle.block_scope(|s| {
        for _ in 0..4 {
            s.spawn(async {
                for _ in 0..300 {
                    scope(|s| async move {
                        for _ in 0..4 {
                            let inner = s.clone();
                            s.spawn(async move {
                                inner.spawn(yield_now());
                                spawn_child(yield_now());
                            });
                        }
                    })
                    .await;
                }
            });
        }
        for _ in 0..200 {
            let dump = handle.dump();
            let mut depth = None;
            for entry in &dump.entries {
                assert!(
                    entry.depth <= depth.map_or(0, |depth: usize| depth + 1),
                    "{dump}"
                );
                depth = Some(entry.depth);
            }
        }
    });
    block_scope(|_| ());
}

#[test]
fn a_chain_of_100_000_tasks_is_dumped_without_recursion() {
    const DEPTH: usize = 100_000;
    fn chain(left: usize) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if left > 0 {
                spawn_child(chain(left - 1));
            }
            pending::<()>().await;
        })
    }
    let runtime = current_thread().build().unwrap();
    runtime.block_on(async {
        let top = runtime.spawn(chain(DEPTH));
        while runtime.metrics().living_tasks <= DEPTH {
            yield_now().await;
        }
        settle().await;
        let dump = runtime.dump();
        assert_eq!(dump.entries.len(), DEPTH + 1);
        assert_eq!(dump.entries[DEPTH].depth, DEPTH);
        assert!(dump.to_string().lines().count() > DEPTH);
        top.cancel();
        assert!(top.await.unwrap_err().is_cancelled());
    });
}
