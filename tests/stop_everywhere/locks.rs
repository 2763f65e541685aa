//! Programs that share something. At the end locks are free and permits are back.

use crate::audit::{Audit, Count};
use lenio::future::{join, join_all};
use lenio::sync::{Barrier, Condvar, Lock, Notify, RwLock, Semaphore};
use lenio::{StopExt, scope, spawn_child};
use std::sync::Arc;

pub(crate) async fn a_lock_held_across_awaits(audit: Audit) {
    let account = Arc::new(Lock::new((50_i64, 50_i64)));
    let free = account.clone();
    audit.expect("the lock is free", move || free.try_lock().is_ok());
    let transfer = |amount: i64| {
        let (account, audit) = (account.clone(), audit.clone());
        async move {
            for _ in 0..3 {
                let Ok(mut both) = account.lock().or_stop().await else {
                    return;
                };
                let before = *both;
                audit.pause().await;
                *both = (before.0 - amount, before.1 + amount);
                assert_eq!(both.0 + both.1, 100);
            }
        }
    };
    let child = spawn_child(transfer(7));
    join((transfer(1), transfer(3))).await;
    child.await.ok();
}

pub(crate) async fn workers_with_permits(audit: Audit) {
    let permits = Arc::new(Semaphore::new(3));
    let back = permits.clone();
    audit.expect("all permits are back", move || {
        back.available_permits() == 3
    });
    let at_work = Count::default();
    scope(|s| async move {
        for worker in 0..6 {
            let (audit, permits, at_work) = (audit.clone(), permits.clone(), at_work.clone());
            drop(s.spawn(async move {
                let count = 1 + worker % 3;
                let Ok(Ok(_permit)) = permits.acquire_owned(count).or_stop().await else {
                    return;
                };
                at_work.add(1);
                audit.pause().or_stop().await.ok();
                audit.pause().await;
            }));
        }
        for _ in 0..3 {
            let Ok(Ok(permit)) = permits.acquire(2).or_stop().await else {
                return;
            };
            audit.pause().await;
            drop(permit);
        }
    })
    .await;
}

pub(crate) async fn a_cache_behind_a_rwlock(audit: Audit) {
    let cache = Arc::new(RwLock::new((0_u32, 0_u32)));
    let free = cache.clone();
    audit.expect("the lock is free", move || free.try_write().is_ok());
    let user = |n: u32| {
        let (cache, audit) = (cache.clone(), audit.clone());
        async move {
            for round in 0..3 {
                if (n + round) % 3 == 0 {
                    let Ok(mut entry) = cache.write().or_stop().await else {
                        return;
                    };
                    entry.0 += 1;
                    // Cut off here the two would differ: nobody may see it.
                    let half = *entry;
                    entry.0 -= 1;
                    audit.pause().await;
                    *entry = (half.0, half.0);
                } else {
                    let Ok(entry) = cache.read().or_stop().await else {
                        return;
                    };
                    assert_eq!(entry.0, entry.1);
                    audit.pause().await;
                }
            }
        }
    };
    let children: Vec<_> = (0..3).map(|n| spawn_child(user(n))).collect();
    join_all([user(3), user(4)]).await;
    for child in children {
        child.await.ok();
    }
}

pub(crate) async fn rounds_at_a_barrier(audit: Audit) {
    let barrier = Arc::new(Barrier::new(3));
    let empty = barrier.clone();
    audit.expect("nobody is counted who has gone", move || {
        empty.arrivals() == 0
    });
    scope(|s| async move {
        for _ in 0..2 {
            let (audit, barrier) = (audit.clone(), barrier.clone());
            drop(s.spawn(async move {
                for _ in 0..4 {
                    if barrier.wait().or_stop().await.is_err() {
                        return;
                    }
                    audit.pause().await;
                }
            }));
        }
        for _ in 0..4 {
            audit.pause().await;
            if barrier.wait().or_stop().await.is_err() {
                break;
            }
        }
        // Those that wait for somebody who will not come.
        s.stop("the round is over");
    })
    .await;
}

pub(crate) async fn waiting_for_a_condition(audit: Audit) {
    let shared = Arc::new((Lock::new(0_u32), Condvar::new(), Notify::new()));
    let free = shared.clone();
    audit.expect("the lock is free", move || free.0.try_lock().is_ok());
    let (waits, of_child) = (shared.clone(), audit.clone());
    let child = spawn_child(async move {
        let (lock, condition, notify) = &*waits;
        let wait = async {
            let guard = lock.lock().await;
            let guard = condition.wait_while(guard, |n| *n < 3).await;
            of_child.pause().await;
            *guard
        };
        let reached = wait.or_stop().await;
        notify.notify_one();
        reached.is_ok()
    });
    let (lock, condition, notify) = &*shared;
    for _ in 0..3 {
        let Ok(mut guard) = lock.lock().or_stop().await else {
            break;
        };
        *guard += 1;
        audit.pause().await;
        drop(guard);
        condition.notify_all();
    }
    notify.notified().or_stop().await.ok();
    child.await.ok();
}
