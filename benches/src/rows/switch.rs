//! What does it cost to go from one task to another: by a wake, by a yield, by a signal?
//!
//! A regression: a queue too many on the way, a wake of a second worker that finds nothing, a division per poll.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Row;
use crate::floor::poll;
use crate::rt::Rt;
use crate::signal::{Flag, oneshot, wake_yield};

const GAMES: u64 = 20;
const PAIRS: u64 = 50;
const YIELDERS: u64 = 200;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    vec![
        Row::timed("ping_pong", 1_000, 50, |rt: &R, pairs| {
            rt.block_on(ping_pong::<R>(pairs))
        })
        .ops(|pairs| GAMES * pairs)
        .gate(100, 600),
        Row::timed("token1", 100_000, 1_000, |rt: &R, n| {
            rt.run_inside(pass_tokens::<R>(1, n))
        })
        .ops(|n| 2 * n)
        .gate(2_000, 12_000)
        .floor(|n| poll::rounds(2, n)),
        Row::timed("token50", 4_000, 40, |rt: &R, n| {
            rt.run_inside(pass_tokens::<R>(PAIRS, n))
        })
        .ops(|n| 2 * PAIRS * n)
        .gate(50, 250)
        .floor(|n| poll::rounds(2 * PAIRS, n)),
        Row::timed("yield_own", 2_000, 20, |rt: &R, n| {
            rt.run_inside(yield_own::<R>(n))
        })
        .ops(|n| YIELDERS * n)
        .gate(20, 120)
        .floor(|n| poll::rounds(YIELDERS, n)),
        Row::timed("yield_wake", 2_000, 20, |rt: &R, n| {
            rt.run_inside(yield_wake::<R>(n))
        })
        .ops(|n| YIELDERS * n)
        .gate(20, 120)
        .floor(|n| poll::rounds(YIELDERS, n)),
        Row::timed("yield_one", 200_000, 2_000, |rt: &R, n| {
            rt.run_inside(yield_alone(n))
        })
        .gate(2_000, 22_000)
        .floor(|n| poll::rounds(1, n)),
    ]
}

/// Pairs of short tasks ask and answer over two oneshots; the last pair ends the game. Twenty games.
async fn ping_pong<R: Rt>(pairs: u64) {
    for _ in 0..GAMES {
        let left = Arc::new(AtomicU64::new(pairs));
        let (sender, receiver) = oneshot();
        let done = Arc::new(Mutex::new(Some(sender)));
        for _ in 0..pairs {
            let (left, done) = (left.clone(), done.clone());
            R::detach(async move {
                let (ask, asked) = oneshot();
                let (answer, answered) = oneshot();
                R::detach(async move {
                    let question: u64 = asked.await;
                    answer.send(question + 1);
                });
                ask.send(1);
                assert_eq!(answered.await, 2);
                // ORDERING: AcqRel as for any reference count; nothing else is published through it.
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    let sender = done.lock().expect("no holder panics").take();
                    sender.expect("only one pair is the last").send(());
                }
            });
        }
        receiver.await;
    }
}

/// Pairs of long-lived tasks pass a token `n` times each way: pure wake and switch.
async fn pass_tokens<R: Rt>(pairs: u64, n: u64) {
    let mut tasks = Vec::new();
    for _ in 0..pairs {
        let (to, fro) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
        let (my_to, my_fro) = (to.clone(), fro.clone());
        tasks.push(R::spawn(async move {
            for _ in 0..n {
                my_to.wait().await;
                my_fro.set();
            }
        }));
        tasks.push(R::spawn(async move {
            for _ in 0..n {
                to.set();
                fro.wait().await;
            }
        }));
    }
    for task in tasks {
        task.await;
    }
}

/// Two hundred tasks yield the runtime's own way.
async fn yield_own<R: Rt>(n: u64) {
    let task = || async move {
        for _ in 0..n {
            R::yield_now().await;
        }
    };
    let tasks: Vec<_> = (0..YIELDERS).map(|_| R::spawn(task())).collect();
    for task in tasks {
        task.await;
    }
}

/// Two hundred tasks yield by waking themselves.
async fn yield_wake<R: Rt>(n: u64) {
    let tasks: Vec<_> = (0..YIELDERS).map(|_| R::spawn(yield_alone(n))).collect();
    for task in tasks {
        task.await;
    }
}

/// One task wakes itself `n` times.
async fn yield_alone(n: u64) {
    for _ in 0..n {
        wake_yield().await;
    }
}
