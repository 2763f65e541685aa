//! Groups of tasks: the order of outcomes, what is cancelled, and what is let go.

#[path = "../../tests/watchdog/mod.rs"]
mod watchdog;

use lenio_executor::{Handle, JoinSet, Runtime, TaskId, block_on, spawn, yield_now};
use lenio_sync::budget;
use std::collections::HashSet;
use std::future::{pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use watchdog::within_patience;

fn current_thread() -> Runtime {
    Runtime::builder().current_thread().build().unwrap()
}

struct OnDrop(Arc<AtomicUsize>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A task that stays until it is cancelled, and counts its drop.
fn stay(drops: &Arc<AtomicUsize>) -> impl Future<Output = u32> + use<> {
    let on_drop = OnDrop(drops.clone());
    async move {
        let _on_drop = on_drop;
        pending().await
    }
}

#[test]
fn outcomes_come_in_the_order_in_which_the_tasks_finish() {
    within_patience("order", || {
        current_thread().block_on(async {
            let order = [7, 3, 9, 0, 5, 8, 1, 2, 6, 4];
            let turn = Arc::new(AtomicUsize::new(0));
            let mut set = JoinSet::new();
            for n in 0..10 {
                let turn = turn.clone();
                set.spawn(async move {
                    // Each ends only when those that are named before it have ended.
                    while order[turn.load(Ordering::SeqCst)] != n {
                        yield_now().await;
                    }
                    turn.fetch_add(1, Ordering::SeqCst);
                    n
                });
            }
            let mut outcomes = Vec::new();
            while let Some(outcome) = set.join_next().await {
                outcomes.push(outcome.unwrap());
            }
            assert_eq!(outcomes, order);
        });
    });
}

#[test]
fn every_outcome_is_yielded_once_with_many_workers() {
    within_patience("many", || {
        let runtime = Runtime::builder().threads(4).build().unwrap();
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let ids: HashSet<TaskId> = (0..10_000).map(|n| set.spawn(async move { n })).collect();
            assert_eq!(ids.len(), 10_000);
            assert_eq!(set.len(), 10_000);
            let mut seen = HashSet::new();
            while let Some(outcome) = set.join_next().await {
                assert!(seen.insert(outcome.unwrap()));
            }
            assert_eq!(seen.len(), 10_000);
            assert!(set.is_empty());
        });
    });
}

#[test]
fn r12_ten_thousand_members_cost_one_look_each() {
    // Counted by the cooperative budget: each outcome may ask it a bounded number of times.
    within_patience("linear", || {
        let runtime = current_thread();
        runtime.block_on(async {
            let mut inner = JoinSet::new();
            for _ in 0..100 {
                inner.spawn(async {
                    let mut set = JoinSet::new();
                    for n in 0..100 {
                        set.spawn(async move { n });
                    }
                    let mut sum = 0;
                    while let Some(outcome) = set.join_next().await {
                        sum += outcome.unwrap();
                    }
                    sum
                });
            }
            let mut sum = 0;
            while let Some(outcome) = inner.join_next().await {
                sum += outcome.unwrap();
            }
            assert_eq!(sum, 100 * (0..100).sum::<u32>());
        });
        // 10,100 tasks: each is polled once, a joiner once per burst of its members; yields to the budget come on top.
        let polls = runtime.metrics().polls();
        assert!(polls < 4 * 10_100, "{polls} polls");
    });
}

#[test]
fn an_empty_set_yields_none_without_waiting() {
    let mut set = JoinSet::<()>::new();
    assert!(set.is_empty());
    assert!(set.try_join_next().is_none());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(None)));
    block_on(set.shutdown());
    assert!(block_on(set.join_next()).is_none());
}

#[test]
fn try_join_next_takes_what_has_finished_and_leaves_the_rest() {
    within_patience("try", || {
        current_thread().block_on(async {
            let drops = Arc::new(AtomicUsize::new(0));
            let mut set = JoinSet::new();
            set.spawn(stay(&drops));
            assert!(set.try_join_next().is_none());
            set.spawn(async { 5 });
            let found = loop {
                match set.try_join_next() {
                    Some(outcome) => break outcome,
                    None => yield_now().await,
                }
            };
            assert_eq!(found.unwrap(), 5);
            assert!(set.try_join_next().is_none());
            assert_eq!((set.len(), drops.load(Ordering::SeqCst)), (1, 0));
        });
    });
}

#[test]
fn a_set_that_is_dropped_cancels_its_tasks() {
    within_patience("drop", || {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        let drops = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..100 {
                set.spawn(stay(&drops));
            }
            yield_now().await;
            drop(set);
            while drops.load(Ordering::SeqCst) < 100 {
                yield_now().await;
            }
        });
    });
}

#[test]
fn cancelled_members_stay_and_say_so() {
    within_patience("cancel", || {
        block_on(async {
            let drops = Arc::new(AtomicUsize::new(0));
            let mut set = JoinSet::new();
            for _ in 0..50 {
                set.spawn(stay(&drops));
            }
            set.cancel_all();
            assert_eq!(set.len(), 50);
            let mut cancelled = 0;
            while let Some(outcome) = set.join_next().await {
                cancelled += usize::from(outcome.unwrap_err().is_cancelled());
            }
            assert_eq!((cancelled, drops.load(Ordering::SeqCst)), (50, 50));
        });
    });
}

#[test]
fn after_a_shutdown_no_task_of_the_set_lives() {
    within_patience("shutdown", || {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        runtime.block_on(async {
            let drops = Arc::new(AtomicUsize::new(0));
            let mut set = JoinSet::new();
            for _ in 0..50 {
                set.spawn(stay(&drops));
                set.spawn(async { 1 });
            }
            set.shutdown().await;
            assert_eq!(drops.load(Ordering::SeqCst), 50);
            assert!(set.is_empty());
            // It can be used again.
            set.spawn(async { 2 });
            assert_eq!(set.join_next().await.unwrap().unwrap(), 2);
        });
    });
}

#[test]
fn detached_tasks_run_on_and_are_not_waited_for() {
    within_patience("detach", || {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        let (send, done) = mpsc::channel();
        runtime.block_on(async {
            let gate = Arc::new(AtomicUsize::new(0));
            let mut set = JoinSet::new();
            for n in 0..100 {
                let (send, gate) = (send.clone(), gate.clone());
                set.spawn(async move {
                    while gate.load(Ordering::SeqCst) == 0 {
                        yield_now().await;
                    }
                    send.send(n).unwrap();
                });
            }
            set.detach_all();
            assert!(set.is_empty());
            assert!(set.join_next().await.is_none());
            drop(set);
            gate.store(1, Ordering::SeqCst);
        });
        drop(send);
        assert_eq!(done.iter().count(), 100);
    });
}

#[test]
fn what_was_detached_does_not_end_the_wait_for_the_others() {
    within_patience("detach finished ones", || {
        current_thread().block_on(async {
            let mut set = JoinSet::new();
            for round in 0..10 {
                // These have finished and reported, but were never joined.
                let finished: Vec<_> = (0..100).map(|n| spawn(async move { n })).collect();
                while !finished.iter().all(|task| task.is_finished()) {
                    yield_now().await;
                }
                finished.into_iter().for_each(|task| {
                    set.insert(task);
                });
                set.detach_all();
                set.spawn(async move {
                    yield_now().await;
                    round
                });
                assert_eq!(set.join_next().await.unwrap().unwrap(), round);
                assert!(set.join_next().await.is_none());
            }
        });
    });
}

#[test]
fn tasks_that_had_finished_or_were_refused_before_they_were_added_are_yielded() {
    within_patience("insert", || {
        let dead = Runtime::builder().threads(1).build().unwrap();
        let handle = dead.handle().clone();
        drop(dead);
        current_thread().block_on(async {
            let task = spawn(async { 1 });
            while !task.is_finished() {
                yield_now().await;
            }
            let mut set = JoinSet::new();
            set.insert(task);
            set.spawn_on(async { 2 }, &handle);
            set.spawn_on(async { 3 }, &Handle::current().unwrap());
            let mut refused = 0;
            let mut sum = 0;
            while let Some(outcome) = set.join_next().await {
                match outcome {
                    Ok(n) => sum += n,
                    Err(error) => refused += usize::from(error.is_refused()),
                }
            }
            assert_eq!((sum, refused), (4, 1));
        });
    });
}

#[test]
fn a_handle_that_was_polled_elsewhere_reports_to_the_set_it_is_put_into() {
    within_patience("insert after a poll", || {
        current_thread().block_on(async {
            let gate = Arc::new(AtomicUsize::new(0));
            let opener = gate.clone();
            let mut task = Box::pin(spawn(async move {
                while opener.load(Ordering::SeqCst) == 0 {
                    yield_now().await;
                }
                8
            }));
            poll_fn(|cx| {
                assert!(task.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            let mut set = JoinSet::new();
            set.insert(*Pin::into_inner(task));
            gate.store(1, Ordering::SeqCst);
            assert_eq!(set.join_next().await.unwrap().unwrap(), 8);
        });
    });
}

#[test]
fn a_join_next_that_is_dropped_loses_no_outcome() {
    within_patience("cancel safety", || {
        let runtime = Runtime::builder().threads(2).build().unwrap();
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for n in 0..1000 {
                set.spawn(async move {
                    yield_now().await;
                    n
                });
            }
            let mut seen = HashSet::new();
            while !set.is_empty() {
                // Polled once and dropped, whatever came of it.
                let next = {
                    let mut next = Box::pin(set.join_next());
                    poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await
                };
                match next {
                    Poll::Ready(outcome) => assert!(seen.insert(outcome.unwrap().unwrap())),
                    Poll::Pending => yield_now().await,
                }
            }
            assert_eq!(seen.len(), 1000);
        });
    });
}

#[test]
fn the_last_joiner_that_polled_is_woken() {
    struct Flag(AtomicUsize);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    within_patience("joiner", || {
        let runtime = current_thread();
        let gate: Arc<Mutex<Option<Waker>>> = Arc::default();
        let opened = gate.clone();
        let (first, second) = (
            Arc::new(Flag(AtomicUsize::new(0))),
            Arc::new(Flag(AtomicUsize::new(0))),
        );
        let mut set = JoinSet::new();
        let mut polls = 0;
        set.spawn_on(
            poll_fn(move |cx| {
                polls += 1;
                *opened.lock().unwrap() = Some(cx.waker().clone());
                match polls {
                    1 => Poll::Pending,
                    _ => Poll::Ready(6),
                }
            }),
            runtime.handle(),
        );
        for waker in [&first, &second] {
            let waker = Waker::from(waker.clone());
            let polled = set.poll_join_next(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        runtime.block_on(async {
            while gate.lock().unwrap().is_none() {
                yield_now().await;
            }
            gate.lock().unwrap().take().unwrap().wake();
            while second.0.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
        });
        assert_eq!(first.0.load(Ordering::SeqCst), 0);
        assert_eq!(set.try_join_next().unwrap().unwrap(), 6);
    });
}

#[test]
fn f1_members_that_panic_are_outcomes_like_others() {
    within_patience("panics", || {
        block_on(async {
            let mut set = JoinSet::new();
            for n in 0..100 {
                set.spawn(async move {
                    if n % 2 == 0 {
                        resume_unwind(Box::new(n));
                    }
                    n
                });
            }
            let (mut panics, mut outputs) = (0, 0);
            while let Some(outcome) = set.join_next().await {
                match outcome {
                    Ok(_) => outputs += 1,
                    Err(error) => panics += usize::from(error.is_panic()),
                }
            }
            assert_eq!((panics, outputs), (50, 50));
        });
    });
}

#[test]
fn join_next_yields_to_others_when_the_budget_is_used_up() {
    within_patience("budget", || {
        current_thread().block_on(async {
            spawn(async {
                let finished: Vec<_> = (0..10_000).map(|_| spawn(async {})).collect();
                while !finished.iter().all(|task| task.is_finished()) {
                    yield_now().await;
                }
                let mut set = JoinSet::new();
                finished.into_iter().for_each(|task| {
                    set.insert(task);
                });
                // All outcomes are there, so nothing but the budget makes this task wait.
                let mut pendings = 0;
                let mut left = 10_000;
                poll_fn(|cx| {
                    loop {
                        match set.poll_join_next(cx) {
                            Poll::Ready(None) => return Poll::Ready(()),
                            Poll::Ready(Some(_)) => left -= 1,
                            Poll::Pending => {
                                pendings += 1;
                                return Poll::Pending;
                            }
                        }
                    }
                })
                .await;
                assert_eq!(left, 0);
                assert!(pendings >= 10_000 / usize::from(budget::PER_POLL) - 1);
            })
            .await
            .unwrap();
        });
    });
}
