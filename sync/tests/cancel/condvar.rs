//! The condvar: a notification is not lost with the waiter that received it, and the lock is free in the end.

use super::harness::explore::Scenario;
use super::harness::stage::{End, Stage, give_up_after, pause};
use lenio_sync::{Condvar, Lock};
use std::cell::Cell;
use std::rc::Rc;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "condvar-one",
        build: one,
    },
    Scenario {
        name: "condvar-all",
        build: all,
    },
    Scenario {
        name: "condvar-give-up",
        build: give_up,
    },
];

/// Workers wait for jobs behind a lock: no job is left while somebody waits for one.
fn one(stage: &mut Stage) {
    let shared = Rc::new((Lock::new(Vec::new()), Condvar::new()));
    let to_come = Rc::new(Cell::new(4));
    for waits_while in [true, false, true] {
        let (shared, probe, to_come) = (shared.clone(), shared.clone(), to_come.clone());
        let idle = move || {
            let jobs = probe.0.try_lock().expect("nobody is inside");
            to_come.get() == 0 && jobs.is_empty()
        };
        let inside = stage.random().below(3);
        stage
            .actor("worker", async move {
                loop {
                    let mut jobs = shared.0.lock().await;
                    if waits_while {
                        jobs = shared.1.wait_while(jobs, |jobs| jobs.is_empty()).await;
                    } else {
                        while jobs.is_empty() {
                            jobs = shared.1.wait(jobs).await;
                        }
                    }
                    // Whoever was let through takes its job at once: if it went now, the job would be nobody's.
                    jobs.pop();
                    pause(inside).await;
                    drop(jobs);
                    pause(inside).await;
                }
            })
            .may_wait_while(idle);
    }
    let boss = shared.clone();
    let (turns, unlocks_first) = (stage.random().below(4), stage.random().one_in(2));
    stage
        .actor("boss", async move {
            while to_come.get() > 0 {
                pause(turns).await;
                let mut jobs = boss.0.lock().await;
                jobs.push(to_come.get());
                to_come.set(to_come.get() - 1);
                if unlocks_first {
                    drop(jobs);
                    pause(turns).await;
                }
                boss.1.notify_one();
            }
        })
        .stays();
    stage.at_end(move |_| {
        assert!(!shared.0.is_locked());
        assert!(!shared.1.notify_one(), "somebody who is gone waits");
    });
}

/// All are notified once: nobody who waited is left behind.
fn all(stage: &mut Stage) {
    let shared = Rc::new((Lock::new(false), Condvar::new()));
    for _ in 0..4 {
        let shared = shared.clone();
        let (before, inside) = (stage.random().below(3), stage.random().below(3));
        stage.actor("waiter", async move {
            pause(before).await;
            let mut is_done = shared.0.lock().await;
            while !*is_done {
                is_done = shared.1.wait(is_done).await;
            }
            pause(inside).await;
        });
    }
    let setter = shared.clone();
    let turns = stage.random().below(5);
    stage
        .actor("setter", async move {
            pause(turns).await;
            let mut is_done = setter.0.lock().await;
            *is_done = true;
            setter.1.notify_all();
        })
        .stays();
    stage.at_end(move |outcome| {
        assert_eq!(outcome.count("waiter", End::LeftWaiting), 0);
        assert!(!shared.0.is_locked());
        assert_eq!(shared.1.notify_all(), 0, "somebody who is gone waits");
    });
}

/// One gives up waiting, at any time: what it was notified of goes to the other.
fn give_up(stage: &mut Stage) {
    let shared = Rc::new((Lock::new(0), Condvar::new()));
    let taken = Rc::new(Cell::new(0));
    let (patient, counted) = (shared.clone(), taken.clone());
    stage.actor("patient", async move {
        let mut tokens = patient.0.lock().await;
        while *tokens == 0 {
            tokens = patient.1.wait(tokens).await;
        }
        *tokens -= 1;
        counted.set(counted.get() + 1);
    });
    let (hasty, polls) = (shared.clone(), 1 + stage.random().below(3));
    let hastens = async move {
        let tokens = hasty.0.lock().await;
        let waited = give_up_after(polls, hasty.1.wait(tokens)).await;
        // It leaves the token to the other, whether it was notified or not; if it was, and got through, it has to say so.
        if let Some(tokens) = waited {
            drop(tokens);
            hasty.1.notify_one();
        }
    };
    // If nobody wakes it, it has no occasion to give up.
    stage.actor("hasty", hastens).may_wait_while(|| true);
    let (giver, turns) = (shared.clone(), stage.random().below(4));
    stage
        .actor("giver", async move {
            pause(turns).await;
            let mut tokens = giver.0.lock().await;
            *tokens += 1;
            pause(turns).await;
            drop(tokens);
            giver.1.notify_one();
        })
        .stays();
    stage.at_end(move |outcome| {
        assert_eq!(outcome.count("patient", End::LeftWaiting), 0);
        let left = *shared.0.try_lock().expect("nobody is left");
        assert_eq!(left + taken.get(), 1);
    });
}
