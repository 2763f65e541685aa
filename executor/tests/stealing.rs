#![expect(
    clippy::disallowed_methods,
    reason = "wakes from a thread that is no worker are part of the mixture"
)]
//! Tasks wander between workers, and none is lost or run twice (R17).

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::{JoinHandle, Runtime, spawn, yield_now};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use watchdog::within_patience;

const TASKS: usize = 40_000;

fn four_workers() -> Runtime {
    Runtime::builder().threads(4).seed(17).build().unwrap()
}

/// A ledger of unique ids: each may be signed once.
struct Ledger(Vec<AtomicU8>);

impl Ledger {
    fn new(ids: usize) -> Arc<Self> {
        Arc::new(Self((0..ids).map(|_| AtomicU8::new(0)).collect()))
    }

    /// The box is what a double pop would free twice, and what a loss would leak.
    fn sign(&self, id: Box<usize>) {
        let before = self.0[*id].fetch_add(1, Ordering::Relaxed);
        assert_eq!(before, 0, "id {id} was seen before");
    }

    fn assert_complete(&self) {
        let missing = self.0.iter().filter(|id| id.load(Ordering::Relaxed) != 1);
        assert_eq!(missing.count(), 0);
    }
}

/// Suspends the task until a thread outside has woken it.
async fn wait_for_remote_wake(remote: mpsc::Sender<Waker>) {
    let mut sent = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut sent, true) {
            return Poll::Ready(());
        }
        remote.send(cx.waker().clone()).unwrap();
        Poll::Pending
    })
    .await;
}

#[test]
fn r17_every_id_is_seen_once_through_yields_and_remote_wakes() {
    within_patience("yields and remote wakes", || {
        let runtime = four_workers();
        let ledger = Ledger::new(TASKS);
        let (remote, wakers) = mpsc::channel::<Waker>();
        let waking = std::thread::spawn(move || wakers.into_iter().map(Waker::wake).count());
        runtime.block_on(async {
            let spawners: Vec<_> = (0..8)
                .map(|part| {
                    let (ledger, remote) = (ledger.clone(), remote.clone());
                    spawn(async move {
                        let tasks: Vec<_> = (part..TASKS)
                            .step_by(8)
                            .map(|id| {
                                let (ledger, remote) = (ledger.clone(), remote.clone());
                                let id = Box::new(id);
                                spawn(async move {
                                    for _ in 0..*id % 4 {
                                        yield_now().await;
                                    }
                                    if *id % 3 == 0 {
                                        wait_for_remote_wake(remote).await;
                                    }
                                    ledger.sign(id);
                                })
                            })
                            .collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    })
                })
                .collect();
            for spawner in spawners {
                spawner.await.unwrap();
            }
        });
        drop(remote);
        assert_eq!(waking.join().unwrap(), TASKS.div_ceil(3));
        ledger.assert_complete();
    });
}

/// A node of a binary tree of tasks: signs, and waits for its children.
fn node(id: usize, ledger: Arc<Ledger>) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        let children: Vec<JoinHandle<usize>> = [2 * id + 1, 2 * id + 2]
            .into_iter()
            .filter(|child| *child < ledger.0.len())
            .map(|child| spawn(node(child, ledger.clone())))
            .collect();
        ledger.sign(Box::new(id));
        let mut below = 1;
        for child in children {
            below += child.await.unwrap();
        }
        below
    })
}

#[test]
fn r17_a_tree_of_tasks_that_spawn_tasks_is_complete() {
    within_patience("tree", || {
        let runtime = four_workers();
        let ledger = Ledger::new(TASKS);
        let root = runtime.spawn(node(0, ledger.clone()));
        assert_eq!(runtime.block_on(root).unwrap(), TASKS);
        ledger.assert_complete();
    });
}

#[test]
fn r17_tasks_that_are_cancelled_while_they_are_stolen_are_dropped_once() {
    struct Token {
        id: Option<Box<usize>>,
        ledger: Arc<Ledger>,
    }
    impl Drop for Token {
        fn drop(&mut self) {
            if let Some(id) = self.id.take() {
                self.ledger.sign(id);
            }
        }
    }
    within_patience("cancels", || {
        let runtime = four_workers();
        let ledger = Ledger::new(TASKS);
        let ran = Arc::new(AtomicUsize::new(0));
        let (ok, cancelled) = runtime.block_on(async {
            let (ledger, ran) = (ledger.clone(), ran.clone());
            spawn(async move {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|id| {
                        let ran = ran.clone();
                        let token = Token {
                            id: Some(Box::new(id)),
                            ledger: ledger.clone(),
                        };
                        spawn(async move {
                            let _token = token;
                            yield_now().await;
                            ran.fetch_add(1, Ordering::Relaxed);
                        })
                    })
                    .collect();
                tasks.iter().step_by(2).for_each(JoinHandle::cancel);
                let (mut ok, mut cancelled) = (0, 0);
                for task in tasks {
                    match task.await {
                        Ok(()) => ok += 1,
                        Err(error) => cancelled += usize::from(error.is_cancelled()),
                    }
                }
                (ok, cancelled)
            })
            .await
            .unwrap()
        });
        assert_eq!(ok + cancelled, TASKS);
        assert!(ok >= TASKS / 2, "nobody cancelled these");
        assert_eq!(ok, ran.load(Ordering::Relaxed));
        ledger.assert_complete();
    });
}

#[test]
fn r17_guests_come_and_go_and_lose_nothing() {
    // Threads inside `block_on` take tasks along, and give them back when they leave.
    within_patience("guests", || {
        let runtime = four_workers();
        let ledger = Ledger::new(8 * 2000);
        let guests: Vec<_> = (0..8)
            .map(|part| {
                let (handle, ledger) = (runtime.handle().clone(), ledger.clone());
                std::thread::spawn(move || {
                    let mut tasks = Vec::new();
                    for round in 0..100 {
                        handle.block_on(async {
                            for n in 0..20 {
                                let id = Box::new(part * 2000 + round * 20 + n);
                                let ledger = ledger.clone();
                                tasks.push(spawn(async move {
                                    yield_now().await;
                                    ledger.sign(id);
                                }));
                            }
                            yield_now().await;
                        });
                    }
                    for task in tasks {
                        handle.block_on(task).unwrap();
                    }
                })
            })
            .collect();
        for guest in guests {
            guest.join().unwrap();
        }
        ledger.assert_complete();
    });
}
