//! What does it cost to tell other tasks something: that it is time, one value, the latest value, every value?
//!
//! Each body is a contest between libraries (see `library/`). Where a body needs an answer, it is given by the
//! runtime-neutral flag, for everybody alike. A regression: an allocation per notification; a lock on the way of each
//! receiver of a broadcast; receivers woken once per value instead of once per batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Row;
use crate::floor::{poll, ring, word};
use crate::library::{self, Broadcast, CAPACITY, Notify, Oneshot, Signals, VisitSignals, Watch};
use crate::rt::Rt;
use crate::signal::Flag;

const RECEIVERS: u64 = 8;
/// Values that a broadcast channel holds, and that are sent before an answer is awaited.
const BATCH: u64 = CAPACITY as u64;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    struct Collect<R>(Vec<Row<R>>);
    impl<R: Rt> VisitSignals for Collect<R> {
        fn visit<S: Signals>(&mut self) {
            self.0.extend(rows_of::<R, S>());
        }
    }
    let mut rows = Collect(Vec::new());
    library::signals(&mut rows);
    rows.0
}

fn rows_of<R: Rt, S: Signals>() -> Vec<Row<R>> {
    let rows = vec![
        Row::timed("notify", 100_000, 1_000, |rt: &R, n| {
            rt.run_inside(notify::<R, S::Notify>(n))
        })
        .ops(|n| 2 * n)
        .gate(2_000, 12_000)
        .floor(|n| poll::rounds(2, n)),
        Row::timed("oneshot1", 200_000, 2_000, |rt: &R, n| {
            rt.run_inside(send_to_itself::<S::Oneshot>(n))
        })
        .gate(2_000, 22_000)
        .floor(word::hand_over),
        Row::timed("oneshot2", 100_000, 1_000, |rt: &R, n| {
            rt.run_inside(ask::<R, S::Oneshot>(n))
        })
        .gate(2_000, 12_000)
        .floor(|n| poll::rounds(2, n)),
        Row::timed("watch8", 10_000, 100, |rt: &R, n| {
            rt.run_inside(watch::<R, S::Watch>(n))
        })
        .ops(|n| RECEIVERS * n)
        .gate(300, 1_800)
        .floor(|n| poll::rounds(RECEIVERS, n)),
        Row::timed("broadcast8_1024", 50, 2, |rt: &R, batches| {
            rt.run_inside(broadcast::<R, S::Broadcast>(batches))
        })
        .ops(|batches| RECEIVERS * BATCH * batches)
        .gate(2, 12)
        .floor(|batches| ring::to_everybody(RECEIVERS, batches)),
    ];
    let rows = rows.into_iter();
    rows.map(|row| row.outside_mean().of(S::LIBRARY)).collect()
}

/// Two tasks notify each other in turn, `n` times each way.
async fn notify<R: Rt, N: Notify>(n: u64) {
    let (to, fro) = (Arc::new(N::new()), Arc::new(N::new()));
    let answerer = R::spawn({
        let (to, fro) = (to.clone(), fro.clone());
        async move {
            for _ in 0..n {
                to.notified().await;
                fro.notify_one();
            }
        }
    });
    let asker = R::spawn(async move {
        for _ in 0..n {
            to.notify_one();
            fro.notified().await;
        }
    });
    answerer.await;
    asker.await;
}

/// One task opens, sends and receives: what the channel itself costs, without a wait.
async fn send_to_itself<O: Oneshot>(n: u64) {
    for value in 0..n {
        let (sender, receiver) = O::open();
        O::send(sender, value);
        assert_eq!(O::receive(receiver).await, value);
    }
}

/// One task opens, passes the sender to the other one, and waits for its answer.
async fn ask<R: Rt, O: Oneshot>(n: u64) {
    let question = Arc::new(Mutex::new(None));
    let is_asked = Arc::new(Flag::default());
    let answerer = R::spawn({
        let (question, is_asked) = (question.clone(), is_asked.clone());
        async move {
            for value in 0..n {
                is_asked.wait().await;
                let sender = question.lock().expect("no holder panics").take();
                O::send(sender.expect("a question comes with the flag"), value);
            }
        }
    });
    let asker = R::spawn(async move {
        for value in 0..n {
            let (sender, receiver) = O::open();
            *question.lock().expect("no holder panics") = Some(sender);
            is_asked.set();
            assert_eq!(O::receive(receiver).await, value);
        }
    });
    answerer.await;
    asker.await;
}

/// The answer of all receivers together: the last of them raises the flag.
struct Answers {
    left: AtomicU64,
    are_complete: Flag,
}

impl Answers {
    fn new() -> Arc<Answers> {
        Arc::new(Answers {
            left: AtomicU64::new(RECEIVERS),
            are_complete: Flag::default(),
        })
    }

    fn give(&self) {
        // ORDERING: AcqRel as for any reference count; the flag publishes the new count to the sender.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // ORDERING: Relaxed, nobody gives an answer before the sender has sent again.
            self.left.store(RECEIVERS, Ordering::Relaxed);
            self.are_complete.set();
        }
    }
}

/// One sender, eight receivers: `n` values, each sent when all receivers have seen the one before.
async fn watch<R: Rt, W: Watch>(n: u64) {
    let answers = Answers::new();
    let (sender, receiver) = W::open(0);
    let receivers: Vec<_> = (0..RECEIVERS)
        .map(|_| {
            let (mut receiver, answers) = (receiver.clone(), answers.clone());
            R::spawn(async move {
                let mut seen = 0;
                while let Some(value) = W::changed(&mut receiver).await {
                    seen += 1;
                    assert_eq!(value, seen);
                    answers.give();
                }
                seen
            })
        })
        .collect();
    drop(receiver);
    for value in 1..=n {
        W::send(&sender, value);
        answers.are_complete.wait().await;
    }
    drop(sender);
    for receiver in receivers {
        assert_eq!(receiver.await, n);
    }
}

/// One sender, eight receivers, 1024 values at a time, sent when all receivers have got the ones before. An op is a
/// value received.
async fn broadcast<R: Rt, B: Broadcast>(batches: u64) {
    let answers = Answers::new();
    let sender = B::open(CAPACITY);
    let receivers: Vec<_> = (0..RECEIVERS)
        .map(|_| {
            let (mut receiver, answers) = (B::subscribe(&sender), answers.clone());
            R::spawn(async move {
                let mut received = 0;
                while let Some(value) = B::receive(&mut receiver).await {
                    assert_eq!(value, received);
                    received += 1;
                    if received % BATCH == 0 {
                        answers.give();
                    }
                }
                received
            })
        })
        .collect();
    for batch in 0..batches {
        for value in batch * BATCH..(batch + 1) * BATCH {
            B::send(&sender, value);
        }
        answers.are_complete.wait().await;
    }
    drop(sender);
    for receiver in receivers {
        assert_eq!(receiver.await, batches * BATCH);
    }
}
