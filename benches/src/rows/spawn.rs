//! What does it cost to start a task, to run it once, and to learn that it has ended?
//!
//! A regression: an allocation, a shared counter or a lock on the way of every spawn; a second worker woken for tasks
//! that end before it is awake.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::Row;
use crate::floor::tasks;
use crate::rt::Rt;
use crate::signal::{Sender, oneshot};

const BURST: u64 = 100;
const CHAINS: u64 = 20;
const FIB: u64 = 22;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    vec![
        Row::timed("spawn_join_in", 200_000, 2_000, |rt: &R, n| {
            rt.run_inside(spawn_join::<R>(n))
        })
        .gate(2_000, 12_000)
        .floor(tasks::cell_batch),
        Row::timed("spawn_join_out", 200_000, 2_000, |rt: &R, n| {
            rt.block_on(spawn_join::<R>(n))
        })
        .gate(2_000, 12_000)
        .floor(tasks::cell_batch),
        Row::timed("spawn_det_in", 200_000, 2_000, |rt: &R, n| {
            rt.run_inside(spawn_detached::<R>(n))
        })
        .gate(2_000, 12_000)
        .floor(tasks::boxed_batch),
        Row::timed("spawn_det_out", 200_000, 2_000, |rt: &R, n| {
            rt.block_on(spawn_detached::<R>(n))
        })
        .gate(2_000, 12_000)
        .floor(tasks::boxed_batch),
        Row::timed("spawn_small_in", 2_000, 20, |rt: &R, n| {
            rt.run_inside(spawn_small::<R>(n))
        })
        .ops(|bursts| BURST * bursts)
        .gate(20, 120)
        .floor(|bursts| tasks::boxed_one_by_one(BURST * bursts)),
        Row::timed("spawn_await1", 100_000, 1_000, |rt: &R, n| {
            rt.run_inside(spawn_await_one::<R>(n))
        })
        .gate(2_000, 12_000)
        .floor(tasks::boxed_one_by_one),
        Row::timed("chained", 10_000, 100, |rt: &R, depth| {
            rt.block_on(chained::<R>(depth))
        })
        .ops(|depth| CHAINS * depth)
        .gate(200, 1_200)
        .floor(|depth| tasks::boxed_one_by_one(CHAINS * depth)),
        Row::timed("fib", FIB, 10, |rt: &R, n| {
            assert_eq!(rt.run_inside(fib::<R>(n)), fib_value(n));
        })
        .ops(fib_joins)
        .floor(|n| tasks::boxed_one_by_one(fib_joins(n))),
    ]
}

/// Spawns `n` empty tasks keeping all handles, then awaits them in order.
async fn spawn_join<R: Rt>(n: u64) {
    let handles: Vec<_> = (0..n).map(|_| R::spawn(async {})).collect();
    for handle in handles {
        handle.await;
    }
}

/// Detaches `n` tasks; the last one to count down fires the signal.
async fn spawn_detached<R: Rt>(n: u64) {
    let (sender, receiver) = oneshot();
    let left = Arc::new(AtomicU64::new(n));
    let done = Arc::new(Mutex::new(Some(sender)));
    for _ in 0..n {
        let (left, done) = (left.clone(), done.clone());
        R::detach(async move {
            // ORDERING: AcqRel as for any reference count; nothing else is published through it.
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                let sender: Option<Sender<()>> = done.lock().expect("no holder panics").take();
                sender.expect("only one task is the last").send(());
            }
        });
    }
    receiver.await;
}

/// Bursts that fit every local queue.
async fn spawn_small<R: Rt>(bursts: u64) {
    for _ in 0..bursts {
        spawn_join::<R>(BURST).await;
    }
}

/// One task alive at a time.
async fn spawn_await_one<R: Rt>(n: u64) {
    for _ in 0..n {
        R::spawn(async {}).await;
    }
}

/// A detached task detaches the next one, down to `depth`; twenty times.
async fn chained<R: Rt>(depth: u64) {
    for _ in 0..CHAINS {
        let (sender, receiver) = oneshot();
        link::<R>(depth, sender);
        receiver.await;
    }
}

fn link<R: Rt>(left: u64, done: Sender<()>) {
    R::detach(async move {
        if left <= 1 {
            done.send(());
        } else {
            link::<R>(left - 1, done);
        }
    });
}

/// Spawns the one half, awaits the other inline, then joins.
fn fib<R: Rt>(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let spawned = R::spawn(fib::<R>(n - 1));
        let inline = fib::<R>(n - 2).await;
        spawned.await + inline
    })
}

fn fib_value(n: u64) -> u64 {
    (0..n).fold((0, 1), |(now, next), _| (next, now + next)).0
}

/// Joins in `fib(n)`: 28,656 for 22.
fn fib_joins(n: u64) -> u64 {
    fib_value(n + 1) - 1
}
