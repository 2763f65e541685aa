//! G3: a stop is a level, and what took effect is not lost.

use super::support::{Dice, Foreign, GENTLE, PRESETS, alone, either, quiet, real_crew};
use super::watchdog::within_patience;
use lenio_executor::{
    JoinHandle, StopExt, check_stop, shield, spawn, spawn_child, stop_handle, yield_now,
};
use lenio_sync::channel::{self, Receiver, Sender, bounded, rendezvous, unbounded};
use lenio_sync::stop::Stopped;
use lenio_sync::{Lock, Notify, RwLock, Semaphore};
use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn g03_after_a_stop_every_wait_ends_with_it_even_with_data_ready() {
    for (name, policy) in GENTLE {
        alone(policy).block_on(async {
            let (send, receive) = bounded(4);
            send.try_send(1).unwrap();
            let left = receive.clone();
            let task = spawn(async move {
                stop_handle().unwrap().stop("level");
                for _ in 0..100 {
                    assert!(check_stop().is_err());
                    assert!(ready(1).or_stop().await.is_err());
                    assert!(receive.recv().or_stop().await.is_err());
                    assert!(Foreign::new(receive.recv().or_stop()).await.is_err());
                    assert!(
                        either(receive.recv().or_stop(), pending::<()>())
                            .await
                            .unwrap()
                            .is_err()
                    );
                }
                // Without the adapter a wait is just a wait.
                assert_eq!(receive.recv().await, Ok(1));
                // And inside of a shield there is no stop.
                shield(async {
                    assert!(check_stop().is_ok());
                    assert!(ready(1).or_stop().await.is_ok());
                })
                .await;
                assert!(check_stop().is_err());
            });
            task.await.unwrap();
            assert!(left.is_empty(), "{name}");
        });
    }
}

#[test]
fn g03_a_fresh_wait_is_not_polled_after_the_stop() {
    for (name, policy) in PRESETS {
        alone(policy).block_on(async {
            let polls = Arc::new(AtomicUsize::new(0));
            let counted = polls.clone();
            let task = spawn(async move {
                stop_handle().unwrap().stop("");
                let wait = async {
                    counted.fetch_add(1, Ordering::SeqCst);
                };
                wait.or_stop().await.is_err()
            });
            assert!(task.await.unwrap(), "{name}");
            assert_eq!(polls.load(Ordering::SeqCst), 0, "{name}");
        });
    }
}

#[test]
fn g03_a_wait_in_flight_that_is_ready_counts_and_the_next_one_stops() {
    for (name, policy) in GENTLE {
        for is_foreign in [false, true] {
            alone(policy).block_on(async {
                let (send, receive) = unbounded();
                let task = spawn(async move {
                    let first = receive.recv().or_stop();
                    let first = if is_foreign {
                        Foreign::new(first).await
                    } else {
                        first.await
                    };
                    let second = receive.recv().or_stop().await;
                    (first.unwrap(), second.is_err(), receive.try_recv())
                });
                quiet().await;
                task.stop("");
                send.try_send(1).unwrap();
                send.try_send(2).unwrap();
                assert_eq!(task.await.unwrap(), (Ok(1), true, Ok(2)), "{name}");
            });
        }
    }
}

/// Waits in one of the ways in which a future is polled.
async fn wait_somehow<F: Future>(how: usize, future: F) -> Result<F::Output, Stopped> {
    match how {
        0 => future.or_stop().await,
        1 => Foreign::new(future.or_stop()).await,
        2 => match either(future.or_stop(), pending::<()>()).await {
            Ok(output) => output,
            Err(()) => unreachable!("it is pending"),
        },
        // The one that counts first: what a select drops it drops.
        _ => match either(future.or_stop(), Foreign::new(pending::<()>().or_stop())).await {
            Ok(output) => output,
            Err(stopped) => Err(stopped.unwrap_err()),
        },
    }
}

/// Stops every task at some moment, and waits for all of them.
async fn stop_all(mut dice: Dice, tasks: Vec<JoinHandle<()>>) {
    let mut tasks = tasks;
    while !tasks.is_empty() {
        for _ in 0..dice.below(4) {
            yield_now().await;
        }
        let at = dice.below(tasks.len());
        let task = tasks.swap_remove(at);
        if dice.below(6) == 0 {
            task.cancel();
        } else {
            task.stop("");
        }
        match task.await {
            Ok(()) => {}
            Err(error) => {
                assert!(!error.is_panic(), "{error}");
            }
        }
    }
}

const ROUNDS: u64 = 12;

/// Runs `scenario` many times, on several threads, under every preset.
fn rounds<F>(scenario: impl Fn(u64) -> F + Send + 'static)
where
    F: Future<Output = ()>,
{
    within_patience("conservation", move || {
        for (_, policy) in PRESETS {
            let runtime = real_crew(3, policy);
            for seed in 0..ROUNDS {
                runtime.block_on(scenario(seed));
            }
        }
    });
}

fn conserves_items(make: fn() -> (Sender<usize>, Receiver<usize>)) {
    rounds(move |seed| async move {
        let (send, receive) = make();
        let sent = Arc::new(AtomicUsize::new(0));
        let received = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for n in 0..6 {
            let (send, receive) = (send.clone(), receive.clone());
            let (sent, received) = (sent.clone(), received.clone());
            let mut dice = Dice::new(seed * 100 + n);
            tasks.push(spawn(async move {
                for _ in 0..50 {
                    // Not the last way: what a select drops nobody counts.
                    let how = dice.below(3);
                    if n % 2 == 0 {
                        // In one poll with what tells it: a cancel can come in between awaits only.
                        let count = async {
                            let result = send.send(1).await;
                            sent.fetch_add(usize::from(result.is_ok()), Ordering::SeqCst);
                        };
                        if wait_somehow(how, count).await.is_err() {
                            return;
                        }
                    } else {
                        let count = async {
                            let result = receive.recv().await;
                            received.fetch_add(usize::from(result.is_ok()), Ordering::SeqCst);
                        };
                        if wait_somehow(how, count).await.is_err() {
                            return;
                        }
                    }
                }
            }));
        }
        stop_all(Dice::new(seed), tasks).await;
        let left = std::iter::from_fn(|| receive.try_recv().ok()).count();
        let (sent, arrived) = (
            sent.load(Ordering::SeqCst),
            received.load(Ordering::SeqCst) + left,
        );
        assert!(
            sent <= arrived,
            "seed {seed}: {sent} sent, {arrived} arrived"
        );
        // An item that is taken between the last poll of its sender and the drop of that wait is one that nobody could count: one for
        // each sender at most.
        assert!(
            arrived <= sent + 3,
            "seed {seed}: {sent} sent, {arrived} arrived"
        );
    });
}

#[test]
fn g03_no_item_is_lost_in_a_bounded_channel() {
    conserves_items(|| bounded(2));
}

#[test]
fn g03_no_item_is_lost_in_an_unbounded_channel() {
    conserves_items(unbounded);
}

#[test]
fn g03_no_item_is_lost_in_a_rendezvous() {
    conserves_items(rendezvous);
}

#[test]
fn g03_no_permit_is_lost() {
    rounds(|seed| async move {
        let semaphore = Arc::new(Semaphore::new(3));
        let tasks = (0..6).map(|n| {
            let semaphore = semaphore.clone();
            let mut dice = Dice::new(seed * 100 + n);
            spawn(async move {
                loop {
                    let (how, count) = (dice.below(4), 1 + dice.below(3));
                    let Ok(permit) = wait_somehow(how, semaphore.acquire(count)).await else {
                        return;
                    };
                    yield_now().await;
                    drop(permit);
                }
            })
        });
        let tasks = tasks.collect();
        stop_all(Dice::new(seed), tasks).await;
        assert_eq!(semaphore.available_permits(), 3, "seed {seed}");
        drop(semaphore.acquire(3).await);
    });
}

#[test]
fn g03_no_lock_stays_locked_and_no_change_is_torn() {
    rounds(|seed| async move {
        let lock = Arc::new(Lock::new((0_usize, 0_usize)));
        let shared = Arc::new(RwLock::new((0_usize, 0_usize)));
        let tasks = (0..6).map(|n| {
            let (lock, shared) = (lock.clone(), shared.clone());
            let mut dice = Dice::new(seed * 100 + n);
            spawn(async move {
                loop {
                    let how = dice.below(4);
                    match dice.below(3) {
                        0 => {
                            let Ok(mut pair) = wait_somehow(how, lock.lock()).await else {
                                return;
                            };
                            pair.0 += 1;
                            pair.1 += 1;
                        }
                        1 => {
                            let Ok(mut pair) = wait_somehow(how, shared.write()).await else {
                                return;
                            };
                            pair.0 += 1;
                            pair.1 += 1;
                        }
                        _ => {
                            let Ok(pair) = wait_somehow(how, shared.read()).await else {
                                return;
                            };
                            assert_eq!(pair.0, pair.1);
                            if dice.below(2) == 0 {
                                yield_now().await;
                            }
                        }
                    }
                }
            })
        });
        let tasks = tasks.collect();
        stop_all(Dice::new(seed), tasks).await;
        let (one, two) = (lock.lock().await, shared.write().await);
        assert_eq!((one.0, two.0), (one.1, two.1), "seed {seed}");
    });
}

#[test]
fn g03_no_notification_is_lost() {
    rounds(|seed| async move {
        let notify = Arc::new(Notify::new());
        let given = Arc::new(AtomicUsize::new(0));
        let taken = Arc::new(AtomicUsize::new(0));
        // One notification is under way at a time: whoever takes it gives the next one.
        let tasks = (0..6).map(|n| {
            let (notify, given, taken) = (notify.clone(), given.clone(), taken.clone());
            let mut dice = Dice::new(seed * 100 + n);
            spawn(async move {
                loop {
                    let how = dice.below(4);
                    let take = async {
                        notify.notified().await;
                        taken.fetch_add(1, Ordering::SeqCst);
                        given.fetch_add(1, Ordering::SeqCst);
                        notify.notify_one();
                    };
                    if wait_somehow(how, take).await.is_err() {
                        return;
                    }
                }
            })
        });
        let tasks = tasks.collect();
        given.fetch_add(1, Ordering::SeqCst);
        notify.notify_one();
        stop_all(Dice::new(seed), tasks).await;
        assert_eq!(
            given.load(Ordering::SeqCst),
            taken.load(Ordering::SeqCst) + 1
        );
        // The last one is still there.
        notify.notified().await;
    });
}

#[test]
fn g03_a_oneshot_gives_its_value_or_tells_the_sender() {
    rounds(|seed| async move {
        let mut dice = Dice::new(seed);
        for _ in 0..20 {
            let (send, receive) = channel::oneshot();
            let how = dice.below(4);
            let receiver = spawn(async move { wait_somehow(how, receive).await });
            let sender = spawn_child(async move { send.send(7).is_ok() });
            if dice.below(2) == 0 {
                yield_now().await;
            }
            receiver.stop("");
            let was_sent = sender.await.unwrap();
            // Else it was stopped, cancelled, or never begun: the value may have been sent to nobody.
            if let Ok(Ok(value)) = receiver.await {
                assert!(was_sent && value == Ok(7));
            }
        }
    });
}
