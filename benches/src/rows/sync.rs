//! What does it cost to take turns: to lock, to take a permit, to meet at a barrier?
//!
//! Each body is a contest between libraries (see `library/`); the floor is one word that is taken and given back.
//! A regression: a lock or an allocation where nobody waits; a hand-over to a waiter that costs a task switch per
//! turn; a waiter woken that finds nothing; a wake of a second worker for a task that the first one runs next.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Row;
use crate::floor::{poll, word};
use crate::library::{self, Barrier, Locks, Mutex, RwLock, Semaphore, VisitLocks};
use crate::rt::Rt;
use crate::signal::wake_yield;

/// Tasks that contend with each other.
const TASKS: u64 = 8;
const PERMITS: u64 = 2;
/// One turn in so many is a write.
const WRITE_EVERY: u64 = 64;

pub(super) fn rows<R: Rt>() -> Vec<Row<R>> {
    struct Collect<R>(Vec<Row<R>>);
    impl<R: Rt> VisitLocks for Collect<R> {
        fn visit<L: Locks>(&mut self) {
            self.0.extend(rows_of::<R, L>());
        }
    }
    let mut rows = Collect(Vec::new());
    library::locks(&mut rows);
    rows.0
}

fn rows_of<R: Rt, L: Locks>() -> Vec<Row<R>> {
    let rows = vec![
        Row::timed("mutex1", 400_000, 4_000, |rt: &R, n| {
            rt.run_inside(count::<R, L::Mutex>(1, n))
        })
        .gate(2_000, 22_000)
        .floor(word::take_and_give_back),
        Row::timed("mutex8", 50_000, 500, |rt: &R, n| {
            rt.run_inside(count::<R, L::Mutex>(TASKS, n))
        })
        .ops(|n| TASKS * n)
        .gate(1_000, 6_000)
        .floor(|n| word::take_and_give_back(TASKS * n)),
        Row::timed("mutex8_hold", 10_000, 100, |rt: &R, n| {
            rt.run_inside(count_and_hold::<R, L::Mutex>(n))
        })
        .ops(|n| TASKS * n)
        .gate(300, 1_800),
        Row::timed("sem8_2", 10_000, 100, |rt: &R, n| {
            rt.run_inside(share_permits::<R, L::Semaphore>(n))
        })
        .ops(|n| TASKS * n)
        .gate(300, 1_800),
        Row::timed("rwlock8", 50_000, 640, |rt: &R, n| {
            rt.run_inside(read_mostly::<R, L::RwLock>(n))
        })
        .outside_mean()
        .ops(|n| TASKS * n)
        .gate(1_024, 6_144)
        .floor(|n| word::take_and_give_back(TASKS * n)),
        Row::timed("rwlock8_hold", 10_000, 160, |rt: &R, n| {
            rt.run_inside(read_and_hold::<R, L::RwLock>(n))
        })
        .outside_mean()
        .ops(|n| TASKS * n)
        .gate(320, 1_920),
        Row::timed("barrier8", 10_000, 100, |rt: &R, n| {
            rt.run_inside(meet::<R, L::Barrier>(n))
        })
        .outside_mean()
        .ops(|n| TASKS * n)
        .gate(300, 1_800)
        .floor(|n| poll::rounds(TASKS, n)),
    ];
    rows.into_iter().map(|row| row.of(L::LIBRARY)).collect()
}

/// Starts all tasks, then awaits all.
async fn join_all<R: Rt, T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    tasks: impl Iterator<Item = F>,
) -> Vec<T> {
    let tasks: Vec<_> = tasks.map(R::spawn).collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await);
    }
    outputs
}

/// Tasks lock, add one and unlock, `n` times each, never awaiting inside.
async fn count<R: Rt, M: Mutex>(tasks: u64, n: u64) {
    let mutex = Arc::new(M::new(0));
    let task = |mutex: Arc<M>| async move {
        for _ in 0..n {
            *mutex.lock().await += 1;
        }
    };
    join_all::<R, _, _>((0..tasks).map(|_| task(mutex.clone()))).await;
    assert_eq!(*mutex.lock().await, tasks * n);
}

/// Eight tasks lock, add one, yield by a wake while they hold it, and unlock, `n` times each.
async fn count_and_hold<R: Rt, M: Mutex>(n: u64) {
    let mutex = Arc::new(M::new(0));
    let task = |mutex: Arc<M>| async move {
        for _ in 0..n {
            let mut value = mutex.lock().await;
            *value += 1;
            wake_yield().await;
        }
    };
    join_all::<R, _, _>((0..TASKS).map(|_| task(mutex.clone()))).await;
    assert_eq!(*mutex.lock().await, TASKS * n);
}

/// Eight tasks over two permits: acquire, yield by a wake, release, `n` times each.
async fn share_permits<R: Rt, S: Semaphore>(n: u64) {
    let semaphore = Arc::new(S::new(PERMITS as usize));
    let holders = Arc::new(AtomicU64::new(0));
    let task = |semaphore: Arc<S>, holders: Arc<AtomicU64>| async move {
        for _ in 0..n {
            let permit = semaphore.acquire().await;
            // ORDERING: Relaxed, the count only checks; what orders holders is the semaphore under test.
            assert!(holders.fetch_add(1, Ordering::Relaxed) < PERMITS);
            wake_yield().await;
            holders.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        }
    };
    let tasks = (0..TASKS).map(|_| task(semaphore.clone(), holders.clone()));
    join_all::<R, _, _>(tasks).await;
}

/// Eight tasks read, and add one in every 64th turn, `n` turns each, never awaiting inside.
async fn read_mostly<R: Rt, L: RwLock>(n: u64) {
    let lock = Arc::new(L::new(0));
    let task = |lock: Arc<L>| async move {
        let mut last = 0;
        for turn in 1..=n {
            if turn % WRITE_EVERY == 0 {
                *lock.write().await += 1;
            } else {
                let value = *lock.read().await;
                assert!(last <= value);
                last = value;
            }
        }
    };
    join_all::<R, _, _>((0..TASKS).map(|_| task(lock.clone()))).await;
    assert_eq!(*lock.read().await, TASKS * (n / WRITE_EVERY));
}

/// Eight readers yield by a wake while they hold the lock, `n` times each; a ninth task adds one, holding it for a
/// yield as well, and then stays away for fifteen yields. An op is a read.
async fn read_and_hold<R: Rt, L: RwLock>(n: u64) {
    const TURNS_PER_WRITE: u64 = 16;
    let lock = Arc::new(L::new(0));
    let writer = R::spawn({
        let lock = lock.clone();
        async move {
            for _ in 0..n / TURNS_PER_WRITE {
                let mut value = lock.write().await;
                *value += 1;
                wake_yield().await;
                drop(value);
                for _ in 1..TURNS_PER_WRITE {
                    wake_yield().await;
                }
            }
        }
    });
    let reader = |lock: Arc<L>| async move {
        for _ in 0..n {
            let value = lock.read().await;
            let before = *value;
            wake_yield().await;
            assert_eq!(*value, before);
        }
    };
    join_all::<R, _, _>((0..TASKS).map(|_| reader(lock.clone()))).await;
    writer.await;
    assert_eq!(*lock.read().await, n / TURNS_PER_WRITE);
}

/// Eight tasks meet `n` times; each time exactly one of them leads.
async fn meet<R: Rt, B: Barrier>(n: u64) {
    let barrier = Arc::new(B::new(TASKS as usize));
    let task = |barrier: Arc<B>| async move {
        let mut led = 0;
        for _ in 0..n {
            led += u64::from(barrier.wait().await);
        }
        led
    };
    let led = join_all::<R, _, _>((0..TASKS).map(|_| task(barrier.clone()))).await;
    assert_eq!(led.into_iter().sum::<u64>(), n);
}
